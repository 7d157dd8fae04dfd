/** Which phases of an exam, and at which share, make the phases that a network expects. */

import { SentinodeError } from '../../errors.js'
import type { PhaseRule } from '../contract/schema.js'

/** One phase of the network: (1 - weight) * first + weight * second, phases of the exam from 0. */
export interface PhaseChoice {
  readonly first: number
  readonly second: number
  readonly weight: number
  /** When it was, in seconds after the exam's first phase; null where the times are not known. */
  readonly timeS: number | null
  /** When the contract wanted it; null where it asked by place. */
  readonly wantedS: number | null
}

/**
 * @param timesS seconds after the first phase, rising; null where only the order is known
 * @throws SentinodeError AMBIGUOUS_TIMES where the contract needs times that are not known, TOO_FEW_PHASES,
 * PHASES_UNSUITABLE where no phase lies at a time within the tolerance
 */
export function choosePhases(
  rule: PhaseRule,
  phases: number,
  timesS: readonly number[] | null,
): PhaseChoice[] {
  if (rule.by === 'order') return chooseByOrder(rule.indices, phases, timesS)
  if (timesS === null) {
    throw new SentinodeError(
      'AMBIGUOUS_TIMES',
      'expected times of the phases, which the model needs, found only their order',
    )
  }
  const choose = rule.by === 'nearest_time' ? nearest : between
  const choices = rule.times_s.map((time) => choose(time, timesS, rule.tolerance_s))
  if (rule.by === 'nearest_time') {
    choices.forEach(({ first, wantedS }, i) => {
      const before = choices[i - 1]
      if (before !== undefined && before.first === first) {
        throw unsuitable(
          `phases of their own for ${before.wantedS} s and ${wantedS} s`,
          'one phase nearest to both',
        )
      }
    })
  }
  return choices
}

const unsuitable = (expected: string, found: string) =>
  new SentinodeError('PHASES_UNSUITABLE', `expected ${expected}, found ${found}`)

const seconds = (time: number) => `${Math.round(time * 10) / 10} s`

function chooseByOrder(
  indices: readonly number[],
  phases: number,
  timesS: readonly number[] | null,
): PhaseChoice[] {
  const needed = Math.max(...indices) + 1
  if (phases < needed) {
    throw new SentinodeError('TOO_FEW_PHASES', `expected at least ${needed} phases, found ${phases}`)
  }
  return indices.map((index) => ({
    first: index,
    second: index,
    weight: 0,
    timeS: timesS?.[index] ?? null,
    wantedS: null,
  }))
}

function nearest(wanted: number, timesS: readonly number[], tolerance: number): PhaseChoice {
  let best = 0
  timesS.forEach((time, phase) => {
    if (Math.abs(time - wanted) < Math.abs((timesS[best] ?? Infinity) - wanted)) best = phase
  })
  const time = timesS[best] ?? NaN
  if (!(Math.abs(time - wanted) <= tolerance)) {
    throw unsuitable(
      `a phase within ${seconds(tolerance)} of ${seconds(wanted)}`,
      `the nearest at ${seconds(time)}`,
    )
  }
  return { first: best, second: best, weight: 0, timeS: time, wantedS: wanted }
}

function between(wanted: number, timesS: readonly number[], tolerance: number): PhaseChoice {
  const last = timesS.length - 1
  const end = timesS[last] ?? NaN
  if (!(wanted <= end + tolerance)) {
    throw unsuitable(`phases up to ${seconds(wanted)}`, `the last at ${seconds(end)}`)
  }
  const after = timesS.findIndex((time) => time >= wanted)
  if (after <= 0) {
    const only = after === 0 ? 0 : last
    return { first: only, second: only, weight: 0, timeS: timesS[only] ?? null, wantedS: wanted }
  }
  const before = timesS[after - 1] ?? NaN
  const weight = (wanted - before) / ((timesS[after] ?? NaN) - before)
  return { first: after - 1, second: after, weight, timeS: wanted, wantedS: wanted }
}
