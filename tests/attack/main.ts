// `npm run test:attack -- [NAME...] [--seconds N] [--rounds N] [--json]`: attacks a daemon of its own while
// honest clients use it, and holds what they saw against what docs/robustness.md promises. Exits 1 where a
// promise was broken.
import { parseArgs } from 'node:util'
import { report } from '../../bench/lib/table.js'
import type { Seen } from './attack.js'
import { ATTACKS } from './attacks/index.js'
import { runAttack } from './run.js'
import { rowsOf } from './table.js'
import { startTarget } from './target.js'

/** The daemon has this long to end at SIGTERM: its drain timeout and a few seconds. */
const END_MS = 20_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const unknown = positionals.filter((name) => !ATTACKS.some((attack) => attack.name === name))
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)]
if (unknown.length > 0 || !(seconds > 0) || !(rounds > 0)) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${ATTACKS.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const chosen = ATTACKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))

let target = await startTarget()
const all: Seen[] = []
for (let round = 0; round < rounds; round++) {
  for (const attack of chosen) {
    const seen = await runAttack(target, attack, seconds * 1000)
    all.push(seen)
    if (!seen.alive) target = await startTarget()
    console.error(`${attack.name}: ${seen.broken.length === 0 ? 'kept' : seen.broken.join(', ')}`)
  }
}
const asked = performance.now()
const code = await target.stop()
const endedMs = performance.now() - asked
report(rowsOf(all), { attacks: all, exitCode: code, endedMs })
console.error(`SIGTERM: exit code ${String(code)} after ${Math.round(endedMs)} ms`)
process.exitCode = all.some(({ broken }) => broken.length > 0) || code !== 0 || endedMs > END_MS ? 1 : 0
