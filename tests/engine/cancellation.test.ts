import test from 'ava'
import {
  batchOf,
  ENDLESS,
  floats,
  LOOP_SHAPES,
  loopRequest,
  openInstance,
  outputsOf,
  pause,
} from './support.js'

test('a run that nobody waits for is terminated and the instance goes on', async (t) => {
  const instance = await openInstance('loop')
  for (let round = 0; round < 3; round++) {
    const execution = instance.execute(
      batchOf([loopRequest(0, ENDLESS), loopRequest(0, ENDLESS)], LOOP_SHAPES),
    )
    await pause(30)
    execution.cancel(0)
    execution.cancel(1)
    const { outcomes, rows } = await execution.result
    t.deepEqual(outcomes, [{ kind: 'cancelled' }, { kind: 'cancelled' }])
    t.is(rows, 2)
    const next = await instance.execute(batchOf([loopRequest(5, 3)], LOOP_SHAPES)).result
    t.deepEqual(floats(outputsOf(next.outcomes[0])[0]!), [8, 8, 8, 8])
  }
  await instance.dispose()
})

test('a run that somebody still waits for goes on', async (t) => {
  const instance = await openInstance('loop')
  const execution = instance.execute(batchOf([loopRequest(1, 60_000), loopRequest(2, 1)], LOOP_SHAPES))
  await pause(20)
  execution.cancel(0)
  execution.cancel(0)
  const { outcomes } = await execution.result
  t.deepEqual(outcomes[0], { kind: 'cancelled' })
  t.deepEqual(floats(outputsOf(outcomes[1])[0]!), new Array(4).fill(60_002))
  await instance.dispose()
})

test('batches that are queued and cancelled never run', async (t) => {
  const instance = await openInstance('loop')
  const running = instance.execute(batchOf([loopRequest(0, ENDLESS)], LOOP_SHAPES))
  const queued = Array.from({ length: 5 }, () =>
    instance.execute(batchOf([loopRequest(0, ENDLESS)], LOOP_SHAPES)),
  )
  await pause(20)
  for (const execution of queued) execution.cancel(0)
  running.cancel(0)
  for (const { result } of queued) t.like(await result, { rows: 0, outcomes: [{ kind: 'cancelled' }] })
  await instance.dispose()
})

test('cancelling what is over, or an index that no request has, does nothing', async (t) => {
  const instance = await openInstance('loop')
  const execution = instance.execute(batchOf([loopRequest(0, 1)], LOOP_SHAPES))
  execution.cancel(7)
  execution.cancel(-1)
  t.is((await execution.result).outcomes[0]?.kind, 'ok')
  const running = instance.execute(batchOf([loopRequest(0, 30_000)], LOOP_SHAPES))
  execution.cancel(0)
  t.is((await running.result).outcomes[0]?.kind, 'ok')
  await instance.dispose()
  execution.cancel(0)
})

test('cancelling at any moment ends in cancelled or ok, never otherwise', async (t) => {
  const instance = await openInstance('loop')
  const kinds = new Set<string>()
  for (let i = 0; i < 300; i++) {
    const execution = instance.execute(batchOf([loopRequest(0, 50 * (i % 20))], LOOP_SHAPES))
    const wait = (i % 15) / 20
    const start = performance.now()
    while (performance.now() - start < wait);
    execution.cancel(0)
    const [outcome] = (await execution.result).outcomes
    kinds.add(outcome!.kind)
    if (outcome!.kind === 'failed') t.fail(outcome!.message)
  }
  t.true(kinds.has('cancelled'))
  await instance.dispose()
})
