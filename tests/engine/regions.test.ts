/** Regions of our own operators behind a session: their memory, and what their failures are called. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openRegion as open, SIDE } from './region-model.js'
import { addon, batchOf, createInstance, outputsOf, request, runtime } from './support.js'

const used = () => addon.memoryStats().pageableBytes
/** Of one row, without the batch. */
const sizes = (t: number) => [8, t, SIDE, SIDE, SIDE]
const row = (t: number) => new Float32Array(8 * t * SIDE ** 3).fill(0.5)
const run = (instance: ReturnType<typeof createInstance>, t: number) =>
  instance.execute(batchOf([request(row(t))], [sizes(t)])).result

const withOneDnn = runtime.onednn === null ? test.skip : test.serial

withOneDnn('the arena grows for a larger shape only and goes with the session', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'regions-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const before = used()
  const session = await open(folder)
  const instance = createInstance(session, 1)
  await run(instance, 4)
  const small = used()
  await run(instance, 9)
  const large = used()
  t.true(large > small)
  for (const frames of [1, 9, 4]) await run(instance, frames)
  t.is(used(), large)
  t.true(session.plannedBytes() > 0)
  await instance.dispose()
  session.dispose()
  t.true(used() <= before)
})

withOneDnn('over the cap a run fails with MEMORY_LIMIT and the next that fits runs', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'regions-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const session = await open(folder)
  const instance = createInstance(session, 1)
  const expected = outputsOf((await run(instance, 2)).outcomes[0])[0]!.data
  // Room for the batch itself and for little more.
  addon.setMemoryLimit(used() + row(60).byteLength + 100_000)
  try {
    t.like((await run(instance, 60)).outcomes[0], { kind: 'failed', code: 'MEMORY_LIMIT' })
    t.deepEqual(outputsOf((await run(instance, 2)).outcomes[0])[0]!.data, expected)
  } finally {
    addon.setMemoryLimit(Infinity)
  }
  t.is((await run(instance, 60)).outcomes[0]?.kind, 'ok')
  await instance.dispose()
  session.dispose()
})
