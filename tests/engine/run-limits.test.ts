import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { DEFAULT_SESSION_OPTIONS } from '../../src/engine/index.js'
import {
  addon,
  batchOf,
  bytes,
  createInstance,
  openInstance,
  outputsOf,
  request,
  type TestInstance,
} from './support.js'
import { zeros } from './zeros.js'

const MIB = 2 ** 20
const NONE = { runBytes: Infinity, outputBytes: Infinity }

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

async function openZeros(): Promise<TestInstance> {
  return createInstance(await addon.createSession({ ...DEFAULT_SESSION_OPTIONS, modelBytes: zeros() }), 1)
}

async function ask(instance: TestInstance, count: number) {
  const inputs = [bytes(BigInt64Array.of(BigInt(count)))]
  const batch = {
    requests: [{ inputs, rows: 1, deadline: Infinity }],
    shapes: [[1]],
    batched: false,
    outputs: [0],
  }
  const { outcomes, rows } = await instance.execute(batch).result
  return { outcome: outcomes[0], rows }
}

/** Resolves when memory that is no longer read has been given back. */
async function collected(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collectGarbage()
    await setImmediate()
  }
}

test.serial('a run that asks for more than it may have fails alone, and takes no memory', async (t) => {
  const [greedy, modest] = await Promise.all([openZeros(), openZeros()])
  addon.setRunLimits({ ...NONE, runBytes: 64 * MIB })
  t.teardown(() => addon.setRunLimits(NONE))
  const before = process.memoryUsage.rss()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? ask(greedy, 2 ** 33) : ask(modest, MIB))),
  )
  for (const [i, { outcome }] of answers.entries()) {
    if (i % 2 === 0) t.like(outcome, { kind: 'failed', code: 'MEMORY_LIMIT' })
    else t.is(outputsOf(outcome)[0]!.data.byteLength, MIB)
  }
  t.true(process.memoryUsage.rss() - before < 128 * MIB, 'eight GiB were asked for ten times')
  t.is((await ask(greedy, 1000)).outcome?.kind, 'ok', 'and the next one runs')
  await Promise.all([greedy.dispose(), modest.dispose()])
})

test.serial('what several values of a run hold together counts', async (t) => {
  const instance = await openInstance('passed')
  const x = new Float32Array(4 * MIB)
  const run = async () => {
    const batch = { ...batchOf([request(x)], [], [2]), shapes: [[x.length]], batched: false }
    return (await instance.execute(batch).result).outcomes[0]
  }
  addon.setRunLimits({ ...NONE, runBytes: 15 * MIB })
  t.teardown(() => addon.setRunLimits(NONE))
  t.like(await run(), { kind: 'failed', code: 'MEMORY_LIMIT' })
  addon.setRunLimits({ ...NONE, runBytes: 24 * MIB })
  for (let i = 0; i < 4; i++) t.is((await run())?.kind, 'ok', 'memory of earlier runs does not count')
  await instance.dispose()
})

test.serial('outputs that are too large fail their request and nobody else of the batch', async (t) => {
  const instance = await openInstance('identity_FP32')
  const rows = (count: number) => ({ ...request(new Float32Array(count * 1000)), rows: count })
  addon.setRunLimits({ ...NONE, outputBytes: 10_000 })
  t.teardown(() => addon.setRunLimits(NONE))
  const { outcomes } = await instance.execute(batchOf([rows(2), rows(3), rows(1)], [[1000]])).result
  t.is(outputsOf(outcomes[0])[0]!.data.byteLength, 8000)
  t.like(outcomes[1], { kind: 'failed', code: 'MEMORY_LIMIT' })
  t.is(outputsOf(outcomes[2])[0]!.data.byteLength, 4000)
  await instance.dispose()
})

test.serial('outputs of a known size are refused before anything runs', async (t) => {
  const instance = await openInstance('passed')
  addon.setRunLimits({ ...NONE, outputBytes: 100_000 })
  t.teardown(() => addon.setRunLimits(NONE))
  const x = Float32Array.of(1)
  const run = (outputs: number[]) =>
    instance.execute({ ...batchOf([request(x)], [], outputs), shapes: [[1]], batched: false }).result
  const refused = await run([1])
  t.like(refused.outcomes[0], { kind: 'failed', code: 'MEMORY_LIMIT' })
  t.is(refused.rows, 0)
  t.is((await run([2])).outcomes[0]?.kind, 'ok')
  await instance.dispose()
})

test.serial('outputs count until they are let go; a little of what was used is kept', async (t) => {
  const instance = await openZeros()
  await collected()
  const before = addon.memoryStats().runBytes
  let answer: unknown = await ask(instance, 64 * MIB)
  t.true(addon.memoryStats().runBytes - before >= 64 * MIB)
  t.truthy(answer)
  answer = undefined
  await collected()
  t.true(addon.memoryStats().runBytes - before < MIB)
  const { keptBytes } = addon.memoryStats()
  t.true(keptBytes >= 64 * MIB && keptBytes <= 512 * MIB, `${keptBytes} bytes are kept`)
  await ask(instance, 64 * MIB)
  t.true(addon.memoryStats().keptBytes < keptBytes, 'and used again')
  await instance.dispose()
})

test('limits that are none are refused', (t) => {
  for (const limits of [{ ...NONE, runBytes: -1 }, { ...NONE, outputBytes: NaN }, { runBytes: 1 }]) {
    t.throws(() => addon.setRunLimits(limits as typeof NONE), { code: 'INVALID_OPTION' })
  }
})
