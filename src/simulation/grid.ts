/** Where voxels lie in the patient. */

import type { Affine } from '../exam/volume.js'

export type Vector = readonly [x: number, y: number, z: number]

/** A stack of slices; everything here is in the order column (x), row (y), slice (z). */
export interface Grid {
  readonly size: readonly [columns: number, rows: number, slices: number]
  readonly spacingMm: Vector
  /** Unit vectors in patient space, LPS: along a row, along a column, from slice to slice. */
  readonly axes: readonly [Vector, Vector, Vector]
  /** Centre of the first voxel, LPS. */
  readonly origin: Vector
}

export const voxelCount = ({ size }: Grid): number => size[0] * size[1] * size[2]

/** A grid around `centre`. The slices' direction is row x column, as DICOM has it. */
export function gridAround(
  centre: Vector,
  size: Grid['size'],
  spacingMm: Vector,
  row: Vector,
  column: Vector,
): Grid {
  const axes = [row, column, cross(row, column)] as const
  const origin = [0, 1, 2].map((i) =>
    axes.reduce(
      (sum, axis, a) => sum - (axis[i] ?? 0) * (((size[a] ?? 1) - 1) / 2) * (spacingMm[a] ?? 1),
      centre[i] ?? 0,
    ),
  ) as unknown as Vector
  return { size, spacingMm, axes, origin }
}

/** From voxel (x, y, z, 1) to patient millimetres. */
export function affineOf({ axes, spacingMm, origin }: Grid): Affine {
  return [
    ...[0, 1, 2].map((i) => [...axes.map((axis, a) => (axis[i] ?? 0) * (spacingMm[a] ?? 1)), origin[i] ?? 0]),
    [0, 0, 0, 1],
  ]
}

/** The place of a point in voxels of the grid. */
export function toVoxel({ axes, spacingMm, origin }: Grid, point: Vector): [number, number, number] {
  const from = [point[0] - origin[0], point[1] - origin[1], point[2] - origin[2]] as const
  return axes.map((axis, a) => dot(axis, from) / (spacingMm[a] ?? 1)) as [number, number, number]
}

/** Calls `visit` with the index and the place of every voxel of a box, `from` included and `to` not. */
export function eachVoxel(
  grid: Grid,
  visit: (index: number, x: number, y: number, z: number) => void,
  from: readonly [number, number, number] = [0, 0, 0],
  to: readonly [number, number, number] = grid.size,
): void {
  const { size, origin, spacingMm } = grid
  const [a, b, c] = grid.axes
  const [dx, dy, dz] = spacingMm
  for (let k = from[2]; k < to[2]; k++) {
    for (let j = from[1]; j < to[1]; j++) {
      const x = origin[0] + b[0] * dy * j + c[0] * dz * k
      const y = origin[1] + b[1] * dy * j + c[1] * dz * k
      const z = origin[2] + b[2] * dy * j + c[2] * dz * k
      const row = (k * size[1] + j) * size[0]
      for (let i = from[0]; i < to[0]; i++) {
        visit(row + i, x + a[0] * dx * i, y + a[1] * dx * i, z + a[2] * dx * i)
      }
    }
  }
}

/** The box of voxels within `radius` millimetres of a point, cut to the grid. */
export function boxAround(
  grid: Grid,
  point: Vector,
  radius: number,
): { from: [number, number, number]; to: [number, number, number] } {
  const centre = toVoxel(grid, point)
  const at = (sign: number, round: (value: number) => number) =>
    centre.map((value, a) =>
      Math.min(grid.size[a] ?? 0, Math.max(0, round(value + (sign * radius) / (grid.spacingMm[a] ?? 1)))),
    ) as [number, number, number]
  return { from: at(-1, Math.floor), to: at(1, (value) => Math.ceil(value) + 1) }
}

export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

export function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
