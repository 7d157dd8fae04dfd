/** Vectors and stacks of slices in patient space (LPS, millimetres). */

import type { Affine } from './volume.js'

export type Vector = readonly [number, number, number]

/** Positions closer than this along the normal are one slice position. */
export const SAME_POSITION_MM = 0.05
/** Direction cosines that differ by less are one orientation; writers round to 4 to 8 digits. */
export const SAME_COSINE = 1e-3

export function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

export function subtract(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

export function length(a: Vector): number {
  return Math.hypot(a[0], a[1], a[2])
}

/** Row direction x column direction, of unit length: the direction in which slices ascend. */
export function normalOf(orientation: readonly number[]): Vector {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = orientation
  const normal: Vector = [b * f - c * e, c * d - a * f, a * e - b * d]
  const norm = length(normal)
  return [normal[0] / norm, normal[1] / norm, normal[2] / norm]
}

export function sameOrientation(a: readonly number[], b: readonly number[]): boolean {
  return a.every((value, i) => Math.abs(value - (b[i] ?? NaN)) <= SAME_COSINE)
}

/** The angle between two slice normals, 0 to 90 degrees (a stack read from its other end is parallel). */
export function normalAngle(a: readonly number[], b: readonly number[]): number {
  return (Math.acos(Math.min(1, Math.abs(dot(normalOf(a), normalOf(b))))) * 180) / Math.PI
}

/** Ascending groups of values, each within `tolerance` of its neighbour in the group. */
export function clusters(
  values: readonly number[],
  tolerance: number,
): { centre: number; members: number[] }[] {
  const order = values.map((_, i) => i).sort((i, j) => (values[i] ?? 0) - (values[j] ?? 0))
  const groups: { centre: number; members: number[] }[] = []
  let last = -Infinity
  for (const i of order) {
    const value = values[i] ?? 0
    const group = groups.at(-1)
    if (group !== undefined && value - last <= tolerance) group.members.push(i)
    else groups.push({ centre: value, members: [i] })
    last = value
  }
  return groups
}

/** From voxel (x, y, z) to patient millimetres, for a stack that starts at `origin`. */
export function stackAffine(
  orientation: readonly number[],
  pixelSpacing: readonly [number, number],
  origin: Vector,
  sliceStep: Vector,
): Affine {
  const [rowSpacing, columnSpacing] = pixelSpacing
  const row = (i: 0 | 1 | 2): number[] => [
    (orientation[i] ?? 0) * columnSpacing,
    (orientation[i + 3] ?? 0) * rowSpacing,
    sliceStep[i],
    origin[i],
  ]
  return [row(0), row(1), row(2), [0, 0, 0, 1]]
}
