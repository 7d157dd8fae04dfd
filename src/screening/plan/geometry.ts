/** Where a network's grid lies in patient space. Millimetres are LPS; sizes and spacings are [z, y, x]. */

import type { Point } from '../types.js'

/** Row-major 4x4. */
export type Matrix = readonly (readonly number[])[]

export interface Grid {
  /** [D, H, W]. */
  readonly size: readonly [number, number, number]
  /** Row-major 4x4 from grid voxel (x, y, z) to patient millimetres. */
  readonly affine: readonly number[]
}

const at = (matrix: Matrix, row: number, column: number): number => matrix[row]?.[column] ?? NaN

/** Directions of a volume's x, y and z axes, unit length, as columns [x, y, z]. */
export function directions(affine: Matrix): [Point, Point, Point] {
  const column = (c: number): Point => {
    const [x, y, z] = [at(affine, 0, c), at(affine, 1, c), at(affine, 2, c)]
    const length = Math.hypot(x, y, z)
    return [x / length, y / length, z / length]
  }
  return [column(0), column(1), column(2)]
}

export const PATIENT_AXES: [Point, Point, Point] = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
]

export function apply(affine: Matrix, [x, y, z]: Point): Point {
  const row = (r: number) =>
    at(affine, r, 0) * x + at(affine, r, 1) * y + at(affine, r, 2) * z + at(affine, r, 3)
  return [row(0), row(1), row(2)]
}

const dot = (a: Point, b: Point) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

/** The outer corners of a volume [Z, Y, X]: half a voxel beyond the outermost centres. */
export function corners(affine: Matrix, [depth, height, width]: readonly [number, number, number]): Point[] {
  const ends = (size: number) => [-0.5, size - 0.5]
  return ends(depth).flatMap((z) =>
    ends(height).flatMap((y) => ends(width).map((x) => apply(affine, [x, y, z]))),
  )
}

/** The corners of a box given by its least and greatest coordinates. */
export function boxCorners(low: Point, high: Point): Point[] {
  return [low[2], high[2]].flatMap((z) =>
    [low[1], high[1]].flatMap((y) => [low[0], high[0]].map((x): Point => [x, y, z])),
  )
}

/** Extent of points along axes [x, y, z]: the middle, in patient space, and the lengths [x, y, z]. */
export function extentAlong(
  axes: [Point, Point, Point],
  points: readonly Point[],
): { centre: Point; lengths: Point } {
  const along = axes.map((axis) => {
    const places = points.map((point) => dot(axis, point))
    return { low: Math.min(...places), high: Math.max(...places) }
  })
  const middle = along.map(({ low, high }) => (low + high) / 2)
  const length = (i: number) => (along[i]?.high ?? 0) - (along[i]?.low ?? 0)
  return {
    centre: solve(axes, [middle[0] ?? 0, middle[1] ?? 0, middle[2] ?? 0]),
    lengths: [length(0), length(1), length(2)],
  }
}

/** The point whose products with three axes are given; the axes need not be orthogonal. */
function solve([a, b, c]: [Point, Point, Point], [p, q, r]: Point): Point {
  const cross = (u: Point, v: Point): Point => [
    u[1] * v[2] - u[2] * v[1],
    u[2] * v[0] - u[0] * v[2],
    u[0] * v[1] - u[1] * v[0],
  ]
  const [bc, ca, ab] = [cross(b, c), cross(c, a), cross(a, b)]
  const volume = dot(a, bc)
  const coordinate = (i: 0 | 1 | 2) => (p * bc[i] + q * ca[i] + r * ab[i]) / volume
  return [coordinate(0), coordinate(1), coordinate(2)]
}

/** A grid of `size` voxels whose middle is `centre`. */
export function gridAround(
  centre: Point,
  axes: [Point, Point, Point],
  size: readonly [number, number, number],
  spacing: readonly [number, number, number],
): Grid {
  const steps = axes.map((axis, i) => axis.map((part) => part * (spacing[2 - i] ?? NaN)))
  const origin = centre.map((place, row) =>
    steps.reduce((sum, step, i) => sum - (step[row] ?? NaN) * (((size[2 - i] ?? NaN) - 1) / 2), place),
  )
  const rows = [0, 1, 2].flatMap((row) => [...steps.map((step) => step[row] ?? NaN), origin[row] ?? NaN])
  return { size, affine: [...rows, 0, 0, 0, 1] }
}
