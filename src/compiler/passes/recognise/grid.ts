/**
 * A tensor whose batch and spatial axes are each one piece and whose other axes are written out: at every
 * position of those stands a _cell_, the number of a plane [N, D, H, W] in a table. Moving a tensor's elements
 * about moves cells; what they are made of stays as it is.
 */
import type { Dim } from '../../shapes.js'
import { product } from '../../tensors.js'

export type Label = 'N' | 'D' | 'H' | 'W'

/** Part of an axis, outermost first: a whole batch or spatial axis, or `count` positions that are written out. */
export type Factor =
  { readonly label: Label; readonly size: Dim } | { readonly label: null; readonly count: number }

export type Axis = readonly Factor[]

/** Positions that a window takes along D, H or W: what `unfold` makes of an axis. */
export interface Window {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly before: number
  readonly after: number
}

export interface Grid {
  readonly axes: readonly Axis[]
  /** Row-major over all factors that are written out, in the order of the axes. */
  readonly cells: Int32Array
  /** Zeros around D, H, W that a Pad added: begins, then ends. */
  readonly pads: readonly number[]
  /** Of D, H, W where these were unfolded; cells are shifted then. */
  readonly windows?: readonly (Window | null)[]
}

export const NO_PADS: readonly number[] = [0, 0, 0, 0, 0, 0]
/** More are not followed. */
export const MOST_CELLS = 2 ** 18

export const written = (count: number): Axis => (count === 1 ? [] : [{ label: null, count }])
export const countOf = (axis: Axis): number => product(axis.map((f) => (f.label === null ? f.count : 1)))
export const isWritten = (axis: Axis): boolean => axis.every((f) => f.label === null)
export const isPadded = (grid: Grid): boolean => grid.pads.some((p) => p !== 0)
export const isPlain = (grid: Grid): boolean => !isPadded(grid) && grid.windows === undefined

/** Sizes of the axes where only what is written out counts. */
export const countsOf = (grid: Grid): number[] => grid.axes.map(countOf)

/** Cells at the positions of new counts, each the sum over axes of `along[axis][index]` in the old order. */
export function pickCells(cells: Int32Array, along: readonly (readonly number[])[]): Int32Array {
  let from = Int32Array.of(0)
  for (const steps of along) {
    const next = new Int32Array(from.length * steps.length)
    for (let i = 0; i < from.length; i++) {
      for (let k = 0; k < steps.length; k++) next[i * steps.length + k] = (from[i] ?? 0) + (steps[k] ?? 0)
    }
    from = next
  }
  return from.map((at) => cells[at] ?? 0)
}

export function jumps(counts: readonly number[]): number[] {
  return counts.map((_, axis) => product(counts.slice(axis + 1)))
}

/** Steps of each axis that stays whole. */
export function wholeSteps(counts: readonly number[]): number[][] {
  const jump = jumps(counts)
  return counts.map((count, axis) => Array.from({ length: count }, (_, i) => i * (jump[axis] ?? 1)))
}

/** Only the given positions of an axis that is written out; null for other axes or positions beyond it. */
export function pick(grid: Grid, axis: number, positions: readonly number[]): Grid | null {
  const given = grid.axes[axis]
  if (given === undefined || !isWritten(given)) return null
  const counts = countsOf(grid)
  const count = counts[axis] ?? 1
  if (positions.some((p) => p < 0 || p >= count)) return null
  const along = wholeSteps(counts)
  const whole = along[axis] ?? []
  along[axis] = positions.map((p) => whole[p] ?? 0)
  return {
    ...grid,
    axes: grid.axes.map((a, i) => (i === axis ? written(positions.length) : a)),
    cells: pickCells(grid.cells, along),
  }
}

export function transpose(grid: Grid, perm: readonly number[]): Grid {
  const along = wholeSteps(countsOf(grid))
  return {
    ...grid,
    axes: perm.map((p) => grid.axes[p] ?? []),
    cells: pickCells(
      grid.cells,
      perm.map((p) => along[p] ?? [0]),
    ),
  }
}

/**
 * The same elements in another shape: factors are dealt out to the new axes from both ends, and one axis of
 * unknown size takes what is left. Null where an axis would have to be cut that is one piece.
 */
export function reshape(grid: Grid, shape: readonly Dim[]): Grid | null {
  const factors: Factor[] = grid.axes.flat()
  // A size that is computed ("5*n") has a name that no piece has.
  const names = new Set(grid.axes.flat().map((f) => (f.label === null ? null : f.size)))
  const open = shape.findIndex((d) => d === null || d === -1 || (typeof d === 'string' && !names.has(d)))
  const head = open < 0 ? shape : shape.slice(0, open)
  const tail = open < 0 ? [] : shape.slice(open + 1)
  const axes: Axis[] = []
  for (const [i, size] of head.entries()) {
    const last = open < 0 && i === head.length - 1
    const axis = deal(factors, size, last, false)
    if (axis === null) return null
    axes.push(axis)
  }
  const behind: Axis[] = []
  for (const size of [...tail].reverse()) {
    const axis = deal(factors, size, false, true)
    if (axis === null) return null
    behind.unshift(axis)
  }
  if (open >= 0) axes.push(factors.splice(0))
  if (factors.length > 0) return null
  return { ...grid, axes: [...axes, ...behind] }
}

/** Takes factors of together `size` from one end of the list. */
function deal(factors: Factor[], size: Dim, all: boolean, fromEnd: boolean): Axis | null {
  const axis: Factor[] = []
  const peek = (): Factor | undefined => (fromEnd ? factors.at(-1) : factors[0])
  const take = (): void => {
    const factor = fromEnd ? factors.pop() : factors.shift()
    if (factor !== undefined) {
      if (fromEnd) axis.unshift(factor)
      else axis.push(factor)
    }
  }
  const next = peek()
  if (size === 1) {
    // An axis of one element may be the batch's own.
    if (next !== undefined && next.label !== null && next.size === 1) take()
    return axis
  }
  if (typeof size === 'string' || size === null) {
    if (next === undefined || next.label === null || (size !== null && next.size !== size)) return null
    take()
    return axis
  }
  let left = size
  while (left > 1) {
    const factor = peek()
    if (factor === undefined) return null
    const count = factor.label === null ? factor.count : factor.size
    if (typeof count !== 'number') return null
    if (left % count === 0) {
      take()
      left /= count
    } else if (factor.label === null && count % left === 0) {
      const [rest, part]: Factor[] = [
        { label: null, count: count / left },
        { label: null, count: left },
      ] as [Factor, Factor]
      if (fromEnd) {
        factors[factors.length - 1] = rest
        axis.unshift(part)
      } else {
        factors[0] = rest
        axis.push(part)
      }
      left = 1
    } else {
      return null
    }
  }
  // Pieces of one element that stand at the end belong to the last axis.
  while (all && factors.length > 0 && sizeOf(factors[0]) === 1) take()
  return axis
}

const sizeOf = (factor: Factor | undefined): Dim =>
  factor === undefined ? null : factor.label === null ? factor.count : factor.size

/** The pieces of an axis, by which two tensors are seen to run alongside each other. */
export function piecesOf(axis: Axis): string {
  return axis.flatMap((f) => (f.label === null ? [] : [f.label])).join('')
}
