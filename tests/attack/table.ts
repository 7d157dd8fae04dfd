import { quantile } from '../../bench/lib/stats.js'
import { mebibytes, percent, type Seen } from './attack.js'
import { answeredShare, sentOf, type Honest } from './honest.js'

/** What was seen under each attack, a row each; the first is the heading. */
export function rowsOf(all: readonly Seen[]): string[][] {
  const heading = ['attack', '4 KiB', '2.5 MiB', 'exams', 'probe at worst', 'memory', 'again after', 'kept']
  return [
    heading,
    ...all.map(({ name, honest, probes, growthBytes, recoveryMs, broken }) => [
      name,
      load(honest.small),
      load(honest.large),
      load(honest.exam),
      `${Math.round(probes.worstMs)} ms`,
      `+${mebibytes(growthBytes)}`,
      `${Math.round(recoveryMs)} ms`,
      broken.length === 0 ? 'yes' : `NO: ${broken.join(', ')}`,
    ]),
  ]
}

function load(seen: Honest): string {
  const p99 = seen.latenciesMs.length === 0 ? 'none' : `${Math.round(quantile(seen.latenciesMs, 0.99))} ms`
  return `${percent(answeredShare(seen))} of ${sentOf(seen)}, p99 ${p99}`
}
