/** What the attributes of marks.ts say about the frames of one exam: candidates for telling phases apart, and timing them. */

import type { Frame } from './frames.js'
import { MARKS, type MarkKind } from './marks.js'
import { timeline, type Moment } from './time.js'

/** A frame with its slice position. */
export interface Placed {
  readonly frame: Frame
  readonly slice: number
}

export interface Candidate {
  readonly name: string
  readonly yieldsTo: string | null
  readonly seconds: boolean
  /** One value a frame. */
  readonly values: readonly number[]
  readonly dateNotAdvanced: boolean
}

/** Phases of a breast are seconds to minutes apart; clocks that tick faster tell reconstruction, not acquisition. */
const SHORTEST_PHASE_S = 1

/** Clocks that tell when a series was begun even where they stand still through it. */
const SERIES_CLOCKS: readonly string[] = ['AcquisitionDateTime', 'AcquisitionTime']

export function ascends(starts: readonly number[]): boolean {
  return starts.every((start, i) => i === 0 || start - (starts[i - 1] ?? 0) >= SHORTEST_PHASE_S)
}

/**
 * The attributes that every frame has, in the order of marks.ts; then, for exams of several series, those that
 * count anew in each of them, behind the clock that tells when each was begun.
 */
export function candidates(placed: readonly Placed[]): Candidate[] {
  const several = new Set(placed.map(({ frame }) => frame.series)).size > 1
  const plain = MARKS.flatMap((mark, m) =>
    several && mark.withinSeries ? [] : plainCandidate(mark, m, placed),
  )
  if (!several) return plain
  const behind = chained(placed, plain)
  // Where it is known that an index starts anew in each series, its values do not compare across them.
  return [...plain.filter((one) => behind.length === 0 || !restarts(one, placed)), ...behind]
}

function plainCandidate(mark: MarkKind, m: number, placed: readonly Placed[]): Candidate[] {
  const values = placed.map(({ frame }) => frame.marks[m] ?? null)
  if (!values.every((value) => value !== null)) return []
  const base = { name: mark.name, yieldsTo: mark.yieldsTo ?? null, seconds: mark.unit !== 'index' }
  if (mark.unit !== 'clock') return [{ ...base, values: values as number[], dateNotAdvanced: false }]
  const line = timeline(values as Moment[])
  return [{ ...base, values: line.seconds, dateNotAdvanced: line.dateNotAdvanced }]
}

/** An index of which one value stands in several series. */
function restarts({ seconds, values }: Candidate, placed: readonly Placed[]): boolean {
  if (seconds) return false
  const seriesOf = new Map<number, string>()
  return placed.some(({ frame }, i) => {
    const value = values[i] ?? 0
    const known = seriesOf.get(value)
    if (known === undefined) seriesOf.set(value, frame.series)
    return known !== undefined && known !== frame.series
  })
}

/** Series before and after contrast agent, each with a count of its own, put one after the other by a clock. */
function chained(placed: readonly Placed[], plain: readonly Candidate[]): Candidate[] {
  const clock = plain.find(({ name, values }) => SERIES_CLOCKS.includes(name) && inTurn(values, placed))
  if (clock === undefined) return []
  const begins = new Map<string, number>()
  placed.forEach(({ frame }, i) => {
    const value = clock.values[i] ?? 0
    begins.set(frame.series, Math.min(begins.get(frame.series) ?? Infinity, value))
  })
  return MARKS.flatMap((mark, m): Candidate[] => {
    const counts = countsOf(m, placed)
    if (mark.unit === 'clock' || counts === null) return []
    const turn = [...begins.values()].sort((a, b) => a - b)
    const seconds = mark.unit === 'offset'
    const most = Math.max(...counts) - Math.min(...counts) + 1
    const values = placed.map(({ frame }, i) => {
      const begin = begins.get(frame.series) ?? 0
      const count = counts[i] ?? 0
      return seconds ? begin + count : turn.indexOf(begin) * most + count
    })
    if (!inTurn(values, placed)) return []
    const name = seconds ? `${clock.name} + ${mark.name}` : `${mark.name} within series`
    return [{ name, yieldsTo: null, seconds, values, dateNotAdvanced: clock.dateNotAdvanced }]
  })
}

/** One count a frame, 0 in series that have none at all; null where a series has it in part, or none has it. */
function countsOf(m: number, placed: readonly Placed[]): number[] | null {
  const has = new Map<string, boolean>()
  for (const { frame } of placed) {
    const given = typeof frame.marks[m] === 'number'
    if ((has.get(frame.series) ?? given) !== given) return null
    has.set(frame.series, given)
  }
  if (![...has.values()].includes(true)) return null
  return placed.map(({ frame }) => (frame.marks[m] as number | null) ?? 0)
}

/** Whether all values of one series come before all of the next one. */
function inTurn(values: readonly number[], placed: readonly Placed[]): boolean {
  const ranges = new Map<string, [number, number]>()
  placed.forEach(({ frame }, i) => {
    const value = values[i] ?? 0
    const [low, high] = ranges.get(frame.series) ?? [value, value]
    ranges.set(frame.series, [Math.min(low, value), Math.max(high, value)])
  })
  const sorted = [...ranges.values()].sort((a, b) => a[0] - b[0])
  return sorted.every(([low], i) => i === 0 || low - (sorted[i - 1]?.[1] ?? 0) >= SHORTEST_PHASE_S)
}

/** One series per phase, in the order of their numbers; null where numbers do not order them. */
export function bySeries(placed: readonly Placed[]): Candidate | null {
  const numbers = new Map(placed.map(({ frame }) => [frame.series, frame.seriesNumber]))
  const distinct = new Set(numbers.values())
  if (distinct.size !== numbers.size || distinct.has(null)) return null
  const values = placed.map(({ frame }) => frame.seriesNumber ?? 0)
  return { name: 'Series', yieldsTo: null, seconds: false, values, dateNotAdvanced: false }
}
