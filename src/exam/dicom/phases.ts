/**
 * Phases: which frames belong together in time, in which order, and when each phase was. The order and the
 * times are two questions, asked of the same attributes (marks.ts) with different rules.
 */

import { ExamRejection } from '../rejection.js'
import type { ExamWarning } from '../volume.js'
import { ascends, bySeries, candidates, type Candidate, type Placed } from './candidates.js'

/** Outside of this a time is worth a warning. */
const PLAUSIBLE_GAP_S: readonly [number, number] = [3, 900]
/** How much of the data must bear an attribute out for its exceptions to be named as faults of the exam. */
const MOST_CELLS = 0.6

export interface Phases {
  /** Phase of each frame, from 0, in the order given. */
  readonly of: readonly number[]
  readonly count: number
  readonly by: string
  readonly warnings: readonly ExamWarning[]
}

/** Frames counted by slice position and value. */
interface Table {
  readonly values: readonly number[]
  readonly rows: readonly ReadonlyMap<number, number>[]
}

/**
 * Tells phases apart: an attribute may do so only if its values are unique at each position and the same set
 * at all positions.
 * @throws ExamRejection DUPLICATE_SLICE, INCOMPLETE_PHASE, AMBIGUOUS_PHASES
 */
export function separate(placed: readonly Placed[], positions: number): Phases {
  const marks = candidates(placed)
  const series = bySeries(placed)
  const clean = marks.filter((candidate) => separates(table(candidate, placed, positions), candidate.seconds))
  const chosen = clean.find((candidate) => !clean.some((other) => overrules(other, candidate)))
  if (chosen !== undefined) return phases(chosen, clean)
  for (const candidate of marks) blame(table(candidate, placed, positions), candidate.seconds)
  if (series !== null) {
    const cells = table(series, placed, positions)
    if (separates(cells, false)) return phases(series, [])
    blame(cells, false)
  }
  const deepest = Math.round(placed.length / positions)
  throw new ExamRejection(
    'AMBIGUOUS_PHASES',
    `there are ${String(placed.length)} frames at ${String(positions)} slice positions (${String(deepest)} each), and no attribute tells the phases apart`,
    { frames: placed.length, positions },
  )
}

/**
 * Seconds of each phase after the first, from the first attribute in seconds that agrees with the order of
 * the phases. A phase's time is the smallest of its slices.
 * @throws ExamRejection AMBIGUOUS_TIMES when `required` and there is no such attribute
 */
export function times(
  placed: readonly Placed[],
  phases: Phases,
  required: boolean,
): { timesS: number[] | null; from: string | null; warnings: ExamWarning[] } {
  for (const candidate of candidates(placed)) {
    if (!candidate.seconds) continue
    const starts = new Array<number>(phases.count).fill(Infinity)
    candidate.values.forEach((value, i) => {
      const phase = phases.of[i] ?? 0
      starts[phase] = Math.min(starts[phase] ?? Infinity, value)
    })
    if (!ascends(starts)) continue
    const first = starts[0] ?? 0
    // Differences of large numbers of seconds are good to a microsecond, no better.
    const timesS = starts.map((start) => Math.round((start - first) * 1e6) / 1e6)
    return { timesS, from: candidate.name, warnings: timeWarnings(timesS, candidate) }
  }
  if (required) {
    throw new ExamRejection(
      'AMBIGUOUS_TIMES',
      `the order of the ${String(phases.count)} phases is known (${phases.by}), and no attribute in seconds agrees with it`,
      { phases: phases.count },
    )
  }
  return {
    timesS: null,
    from: null,
    warnings: [
      { code: 'TIMES_UNKNOWN', message: 'the order of the phases is known and their times are not' },
    ],
  }
}

function timeWarnings(timesS: readonly number[], from: Candidate): ExamWarning[] {
  const warnings: ExamWarning[] = []
  const [shortest, longest] = PLAUSIBLE_GAP_S
  const odd = timesS
    .slice(1)
    .filter((time, i) => time - (timesS[i] ?? 0) < shortest || time - (timesS[i] ?? 0) > longest)
  if (odd.length > 0) {
    const message = `${String(odd.length)} of ${String(timesS.length - 1)} intervals between phases are shorter than ${String(shortest)} s or longer than ${String(longest)} s`
    warnings.push({ code: 'IMPLAUSIBLE_PHASE_TIMES', message })
  }
  if (from.dateNotAdvanced) {
    warnings.push({
      code: 'DATE_NOT_ADVANCED',
      message: `the exam passes midnight and the date of ${from.name} does not`,
    })
  }
  return warnings
}

function table(candidate: Candidate, placed: readonly Placed[], positions: number): Table {
  const rows = Array.from({ length: positions }, () => new Map<number, number>())
  placed.forEach(({ slice }, i) => {
    const value = candidate.values[i] ?? 0
    rows[slice]?.set(value, (rows[slice].get(value) ?? 0) + 1)
  })
  return { values: [...new Set(candidate.values)].sort((a, b) => a - b), rows }
}

function separates({ values, rows }: Table, seconds: boolean): boolean {
  const unique = rows.every(
    (row) => row.size === values.length && [...row.values()].every((count) => count === 1),
  )
  return values.length >= 2 && unique && (!seconds || ascends(values))
}

function overrules(other: Candidate, candidate: Candidate): boolean {
  return candidate.yieldsTo === other.name && !sameOrder(ranks(candidate.values), ranks(other.values))
}

function phases(chosen: Candidate, clean: readonly Candidate[]): Phases {
  const of = ranks(chosen.values)
  const against = clean.filter((other) => !sameOrder(of, ranks(other.values))).map((other) => other.name)
  const message = `phases are ordered by ${chosen.name}; ${against.join(' and ')} would order them otherwise`
  return {
    of,
    count: new Set(of).size,
    by: chosen.name,
    warnings: against.length > 0 ? [{ code: 'ATTRIBUTES_DISAGREE', message }] : [],
  }
}

function ranks(values: readonly number[]): number[] {
  const order = new Map([...new Set(values)].sort((a, b) => a - b).map((value, rank) => [value, rank]))
  return values.map((value) => order.get(value) ?? 0)
}

function sameOrder(a: readonly number[], b: readonly number[]): boolean {
  return a.every((rank, i) => rank === b[i])
}

/**
 * Names what is wrong where an attribute separates most of the frames and fails at some.
 * @throws ExamRejection DUPLICATE_SLICE, INCOMPLETE_PHASE
 */
function blame({ values, rows }: Table, seconds: boolean): void {
  const usual = usualValues(rows)
  if (usual.length < 2 || (seconds && !ascends(usual))) return
  const cells = rows.flatMap((row) => [...row.values()])
  const whole = rows.filter(
    (row) => row.size === usual.length && usual.every((value) => row.get(value) === 1),
  ).length
  const single = cells.filter((count) => count === 1).length
  if (whole < rows.length / 2 && single <= MOST_CELLS * cells.length) return
  const where = (slice: number, phase: number): string =>
    `position ${String(slice + 1)} of ${String(rows.length)}, phase ${String(phase + 1)} of ${String(values.length)}`
  const faults = rows.flatMap((row, slice) =>
    values
      .map((value, phase) => ({ slice, phase, count: row.get(value) ?? 0 }))
      .filter(({ count }) => count !== 1),
  )
  const duplicates = faults.filter(({ count }) => count > 1)
  const fault = duplicates[0] ?? faults[0]
  if (fault === undefined) return
  const facts = {
    position: fault.slice + 1,
    phase: fault.phase + 1,
    positions: rows.length,
    phases: values.length,
  }
  if (fault.count > 1) {
    const message = `${where(fault.slice, fault.phase)}, has ${String(fault.count)} frames`
    throw new ExamRejection('DUPLICATE_SLICE', message, { ...facts, count: duplicates.length })
  }
  const message = `${where(fault.slice, fault.phase)}, has no frame; ${String(faults.length)} of ${String(rows.length * values.length)} are absent`
  throw new ExamRejection('INCOMPLETE_PHASE', message, { ...facts, count: faults.length })
}

/** The set of values that most positions have. */
function usualValues(rows: Table['rows']): number[] {
  const sets = new Map<string, { values: number[]; count: number }>()
  for (const row of rows) {
    const values = [...row.keys()].sort((a, b) => a - b)
    const known = sets.get(values.join(' '))
    if (known === undefined) sets.set(values.join(' '), { values, count: 1 })
    else known.count++
  }
  let usual: { values: number[]; count: number } = { values: [], count: 0 }
  for (const set of sets.values()) if (set.count > usual.count) usual = set
  return usual.count >= rows.length / 2 ? usual.values : []
}
