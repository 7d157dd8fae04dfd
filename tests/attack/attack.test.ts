import { readFileSync } from 'node:fs'
import test from 'ava'
import { mebibytes, percent } from './attack.js'
import { ATTACKS } from './attacks/index.js'
import { runAttack } from './run.js'
import { startTarget } from './target.js'

const SECONDS = 3

test.serial(
  'each attack in turn: honest requests are answered or refused, probes answer, memory is bounded',
  async (t) => {
    t.timeout(20 * 60_000)
    const target = await startTarget()
    for (const attack of ATTACKS) {
      const { name, broken, honest } = await runAttack(target, attack, SECONDS * 1000)
      t.deepEqual(broken, [], name)
      t.log(`${name}: ${honest.small.answered} small and ${honest.large.answered} large ones answered`)
    }
    t.is(await target.stop(), 0, 'SIGTERM ends it within the drain')
  },
)

test('docs/robustness.md says what the attacks check', (t) => {
  const page = readFileSync(new URL('../../docs/robustness.md', import.meta.url), 'utf8')
  for (const { name, promised } of ATTACKS) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` `)) ?? ''
    const cells = row.split('|').map((cell) => cell.trim())
    t.deepEqual(
      cells.slice(3, 6),
      [percent(promised.answered), `${promised.probeMs} ms`, mebibytes(promised.growthBytes)],
      name,
    )
  }
})
