import { constants } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { DEFAULT_SESSION_OPTIONS } from '../../src/engine/index.js'
import { addon, bytes, createInstance } from './support.js'
import { zeros } from './zeros.js'

/** One more than the largest Buffer of Node 20; later versions have larger ones. */
const HUGE = 2 ** 32 + 1

test.serial('an output larger than any Buffer fails its request; its memory is let go once', async (t) => {
  const session = await addon.createSession({ ...DEFAULT_SESSION_OPTIONS, modelBytes: zeros() })
  const instance = createInstance(session, 1)
  const run = async (count: number) => {
    const inputs = [bytes(BigInt64Array.of(BigInt(count)))]
    const requests = [{ inputs, rows: 1, deadline: Infinity }]
    const result = await instance.execute({ requests, shapes: [[1]], batched: false, outputs: [0] }).result
    return result.outcomes[0]
  }
  const outcome = await run(HUGE)
  if (HUGE > constants.MAX_LENGTH) t.like(outcome, { kind: 'failed', code: 'MEMORY_LIMIT' })
  else t.is(outcome?.kind === 'ok' ? outcome.outputs[0]?.data.byteLength : outcome?.kind, HUGE)
  // What Node still does with the buffer that it refused, it does in a later turn.
  await setImmediate()
  await setImmediate()
  t.is((await run(100_000))?.kind, 'ok')
  await instance.dispose()
})
