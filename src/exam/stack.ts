/** Slices in patient space: which position each frame has, and whether together they are one even stack. */

import {
  clusters,
  dot,
  length,
  normalOf,
  sameOrientation,
  SAME_POSITION_MM,
  stackAffine,
  subtract,
  type Vector,
} from './geometry.js'
import { ExamRejection } from './rejection.js'
import type { Affine, ExamWarning } from './volume.js'

/** What the geometry of one frame needs. */
export interface Slice {
  readonly position: Vector
  readonly orientation: readonly number[]
  readonly pixelSpacing: readonly [number, number]
  readonly rows: number
  readonly columns: number
}

/** Gaps between neighbouring slices may differ by this much before it is worth a warning, and a refusal. */
const EVEN = 0.01
const TOLERATED = 0.1
/** From here on a gap is a slice that is not there. */
const MISSING = 1.5
/** How far slices may lie beside the line of the stack, and how much that line may lean from their normal. */
const BESIDE_MM = 0.1
const LEAN = 0.05

/** @throws ExamRejection INCONSISTENT_MATRIX, MIXED_ORIENTATION */
export function requireOneGrid(slices: readonly Slice[]): void {
  const [first] = slices
  if (first === undefined) return
  const odd = slices.filter((slice) => !sameMatrix(slice, first)).length
  if (odd > 0) {
    throw new ExamRejection(
      'INCONSISTENT_MATRIX',
      `the ${String(slices.length)} slices of the dynamic series differ in rows, columns or pixel spacing: ` +
        `${String(Math.min(odd, slices.length - odd))} do not agree with the others`,
      { slices: slices.length, odd: Math.min(odd, slices.length - odd) },
    )
  }
  const turned = slices.filter((slice) => !sameOrientation(slice.orientation, first.orientation)).length
  if (turned > 0) {
    const few = Math.min(turned, slices.length - turned)
    throw new ExamRejection(
      'MIXED_ORIENTATION',
      `${String(few)} of the ${String(slices.length)} slices of the dynamic series have another orientation than the others`,
      { slices: slices.length, odd: few },
    )
  }
}

function sameMatrix(a: Slice, b: Slice): boolean {
  const spacing = (i: 0 | 1): boolean =>
    Math.abs(a.pixelSpacing[i] - b.pixelSpacing[i]) <= 1e-3 * b.pixelSpacing[i]
  return a.rows === b.rows && a.columns === b.columns && spacing(0) && spacing(1)
}

/**
 * Series of one stack that lie a part of a slice beside each other along their normal.
 * @param stacks with the first and the last of their slice positions
 * @throws ExamRejection INCONSISTENT_GEOMETRY
 */
export function requireAligned(
  stacks: readonly { readonly range: readonly [number, number]; readonly positions: number }[],
): void {
  const [first, ...others] = stacks
  if (first === undefined || first.positions < 2) return
  const step = (first.range[1] - first.range[0]) / (first.positions - 1)
  for (const { range, positions } of others) {
    const [low, high] = [range[0] - first.range[0], range[1] - first.range[1]]
    const ofAStep = Math.abs(low - step * Math.round(low / step))
    // Whole steps apart are slices that one of them lacks.
    if (
      positions !== first.positions ||
      Math.abs(low - high) > SAME_POSITION_MM ||
      ofAStep <= SAME_POSITION_MM
    )
      continue
    throw new ExamRejection(
      'INCONSISTENT_GEOMETRY',
      `the series of the phases lie ${Math.abs(low).toFixed(2)} mm beside each other along the normal of their slices`,
      { shiftMm: low },
    )
  }
}

/**
 * The slice position of each frame, counted from 0 along the slice normal.
 * @param slices of one orientation
 * @throws ExamRejection INCONSISTENT_GEOMETRY when frames of one position lie beside each other
 */
export function slicePositions(slices: readonly Slice[]): { of: number[]; count: number } {
  const normal = normalOf(slices[0]?.orientation ?? [])
  const groups = clusters(
    slices.map((slice) => dot(slice.position, normal)),
    SAME_POSITION_MM,
  )
  const of = new Array<number>(slices.length).fill(0)
  groups.forEach((group, k) => {
    const reference = slices[group.members[0] ?? 0]
    for (const i of group.members) {
      const slice = slices[i]
      if (slice === undefined || reference === undefined) continue
      const shift = length(subtract(slice.position, reference.position))
      if (shift > BESIDE_MM) {
        throw new ExamRejection(
          'INCONSISTENT_GEOMETRY',
          `frames at slice position ${String(k + 1)} of ${String(groups.length)} are shifted within their plane by ${shift.toFixed(2)} mm`,
          { position: k + 1, shiftMm: shift },
        )
      }
      of[i] = k
    }
  })
  return { of, count: groups.length }
}

export interface Stack {
  readonly affine: Affine
  readonly spacingMm: readonly [number, number, number]
  readonly warnings: readonly ExamWarning[]
}

/**
 * The grid of a stack.
 * @param slices two or more, one of each position, ascending along the normal
 * @throws ExamRejection MISSING_SLICE, INCONSISTENT_GEOMETRY
 */
export function stackOf(slices: readonly Slice[]): Stack {
  const first = slices[0]
  const last = slices.at(-1)
  if (first === undefined || last === undefined || slices.length < 2)
    throw new Error('a stack needs two slices')
  const normal = normalOf(first.orientation)
  const gaps = slices
    .slice(1)
    .map((slice, i) => dot(subtract(slice.position, (slices[i] ?? first).position), normal))
  const warnings = requireEven(gaps)
  const step = scale(subtract(last.position, first.position), 1 / (slices.length - 1))
  requireStraight(slices, step, normal)
  return {
    affine: stackAffine(first.orientation, first.pixelSpacing, first.position, step),
    spacingMm: [length(step), first.pixelSpacing[0], first.pixelSpacing[1]],
    warnings,
  }
}

function scale(a: Vector, factor: number): Vector {
  return [a[0] * factor, a[1] * factor, a[2] * factor]
}

function requireEven(gaps: readonly number[]): ExamWarning[] {
  const smallest = Math.min(...gaps)
  const widest = Math.max(...gaps)
  if (gaps.length === 0 || widest <= smallest * (1 + EVEN) + SAME_POSITION_MM / 5) return []
  const slices = gaps.length + 1
  if (widest > MISSING * smallest) {
    const at = gaps.findIndex((gap) => gap > MISSING * smallest) + 1
    throw new ExamRejection(
      'MISSING_SLICE',
      `a slice is missing in all phases after position ${String(at)} of ${String(slices)}: the gap is ${widest.toFixed(2)} mm, the smallest is ${smallest.toFixed(2)} mm`,
      { after: at, positions: slices, gapMm: widest, spacingMm: smallest },
    )
  }
  const percent = ((widest / smallest - 1) * 100).toFixed(1)
  if (widest > smallest * (1 + TOLERATED)) {
    throw new ExamRejection(
      'INCONSISTENT_GEOMETRY',
      `the distance between slices varies by ${percent} percent`,
      {
        smallestMm: smallest,
        widestMm: widest,
      },
    )
  }
  return [
    {
      code: 'UNEVEN_SPACING',
      message: `the distance between slices varies by ${percent} percent; the mean is used`,
    },
  ]
}

function requireStraight(slices: readonly Slice[], step: Vector, normal: Vector): void {
  const [first] = slices
  if (first === undefined) return
  const along = dot(step, normal)
  const lean = length(subtract(step, scale(normal, along))) / along
  const beside = Math.max(
    ...slices.map((slice) => {
      const offset = subtract(slice.position, first.position)
      return length(subtract(offset, scale(step, dot(offset, normal) / along)))
    }),
  )
  if (lean > LEAN || beside > BESIDE_MM) {
    throw new ExamRejection('INCONSISTENT_GEOMETRY', 'the slices do not lie on one line along their normal', {
      lean,
      besideMm: beside,
    })
  }
}
