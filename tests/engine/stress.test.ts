/**
 * Instances that are cancelled, disposed and overloaded at random instants, with a region of our own operators:
 * every request is answered once, and what is answered is right. Worth most under a sanitizer.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { NativeBatchResult, NativeSession } from '../../src/engine/native.js'
import { generator } from '../process/malformed.js'
import { openRegion, SIDE } from './region-model.js'
import {
  batchOf,
  createInstance,
  floats,
  now,
  outputsOf,
  pause,
  request,
  runtime,
  type TestInstance,
} from './support.js'

const FRAMES = 2
const SHAPE = [8, FRAMES, SIDE, SIDE, SIDE]
const row = new Float32Array(8 * FRAMES * SIDE ** 3).fill(0.5)
const random = generator(5)
const pick = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1))

const send = (instance: TestInstance, rows: number, deadline = Infinity) =>
  instance.execute(
    batchOf(
      Array.from({ length: rows }, () => ({ ...request(row), deadline })),
      [SHAPE],
    ),
  )

/** How many of each kind; whatever was answered is what a run alone answers. */
function tally(
  t: ExecutionContext,
  results: readonly NativeBatchResult[],
  expected: readonly number[],
): ReadonlyMap<string, number> {
  const kinds = new Map<string, number>()
  for (const outcome of results.flatMap(({ outcomes }) => outcomes)) {
    kinds.set(outcome.kind, (kinds.get(outcome.kind) ?? 0) + 1)
    if (outcome.kind !== 'ok') continue
    const found = floats(outputsOf(outcome)[0]!)
    const close = found.every((value, i) => Math.abs(value - expected[i]!) < 1e-3 * (1 + Math.abs(value)))
    t.true(close, `${String(found)} is not ${String(expected)}`)
  }
  t.false(kinds.has('failed'))
  return kinds
}

async function prepare(
  t: ExecutionContext,
): Promise<{ folder: string; session: NativeSession; expected: readonly number[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'stress-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const session = await openRegion(folder)
  const instance = createInstance(session)
  const { outcomes } = await send(instance, 1).result
  await instance.dispose()
  return { folder, session, expected: floats(outputsOf(outcomes[0])[0]!) }
}

const withOneDnn = runtime.onednn === null ? test.skip : test.serial

withOneDnn('batches that are cancelled at random instants, on one to three instances', async (t) => {
  const { session, expected } = await prepare(t)
  for (const copies of [1, 2, 3]) {
    const instances = Array.from({ length: copies }, (_, i) => createInstance(session, 1 + (i % 2)))
    const results: NativeBatchResult[] = []
    const caller = async (instance: TestInstance): Promise<void> => {
      for (let i = 0; i < 25; i++) {
        const rows = pick(1, 33)
        const execution = send(instance, rows)
        await Promise.race([execution.result, pause(pick(0, 25))])
        if (i % 3 < 2) for (let index = 0; index < rows; index++) execution.cancel(index)
        results.push(await execution.result)
      }
    }
    await Promise.all(instances.map(caller))
    t.is(results.length, 25 * copies)
    t.true((tally(t, results, expected).get('ok') ?? 0) > 0)
    await Promise.all(instances.map((instance) => instance.dispose()))
  }
})

withOneDnn('instances that are disposed with runs in flight, while sessions come and go', async (t) => {
  const { folder, session, expected } = await prepare(t)
  const steady = createInstance(session)
  const results: NativeBatchResult[] = []
  const over = new AbortController()
  const runner = (async () => {
    while (!over.signal.aborted) results.push(await send(steady, pick(1, 8)).result)
  })()
  const dropped: NativeBatchResult[] = []
  for (let i = 0; i < 12; i++) {
    const guestSession = await openRegion(folder)
    const guest = createInstance(guestSession, 1 + (i % 2))
    const sent = Array.from({ length: 4 }, () => send(guest, pick(1, 33)).result)
    await pause(pick(0, 40))
    if (i % 2 === 0) guestSession.dispose()
    await guest.dispose()
    guestSession.dispose()
    dropped.push(...(await Promise.all(sent)))
  }
  over.abort()
  await runner
  t.is(dropped.length, 48)
  t.true((tally(t, dropped, expected).get('cancelled') ?? 0) > 0)
  t.deepEqual([...tally(t, results, expected).keys()], ['ok'])
  await steady.dispose()
})

withOneDnn('an instance that gets many times what it can run, with deadlines', async (t) => {
  const { session, expected } = await prepare(t)
  const instance = createInstance(session)
  const sent = Array.from({ length: 60 }, (_, i) => {
    const execution = send(instance, pick(1, 16), now() + pick(1, 400))
    if (i % 7 === 0) setTimeout(() => execution.cancel(0), pick(0, 200))
    return execution.result
  })
  const kinds = tally(t, await Promise.all(sent), expected)
  t.true((kinds.get('expired') ?? 0) > 0)
  await instance.dispose()
  session.dispose()
})
