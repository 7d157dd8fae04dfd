import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { addon, batchOf, bytes, floats, openInstance, outputsOf, request } from './support.js'

/** Two requests: a lone one is read where it lies and takes no batch memory. */
const pair = (length: number) =>
  batchOf([request(new Float32Array(length)), request(new Float32Array(length))], [[length]])

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const used = () => addon.memoryStats().pageableBytes + addon.memoryStats().pinnedBytes

test.serial('slots are counted, kept for the next batch and given back', async (t) => {
  const before = used()
  const instance = await openInstance('identity_FP32')
  const run = (length: number) => instance.execute(pair(length)).result
  await run(25_000)
  t.is(used() - before, 200_000)
  await run(10)
  await run(25_000)
  t.true(used() - before <= 400_000)
  await instance.dispose()
  t.is(used(), before)
})

test.serial('over the cap a batch fails with MEMORY_LIMIT and the next that fits runs', async (t) => {
  const instance = await openInstance('identity_FP32')
  const run = (length: number) => instance.execute(pair(length)).result
  addon.setMemoryLimit(used() + 5_000)
  try {
    t.like((await run(100_000)).outcomes[0], { kind: 'failed', code: 'MEMORY_LIMIT' })
    t.is((await run(10)).outcomes[0]?.kind, 'ok')
  } finally {
    addon.setMemoryLimit(Infinity)
  }
  t.is(addon.memoryStats().limitBytes, Infinity)
  t.is((await run(100_000)).outcomes[0]?.kind, 'ok')
  await instance.dispose()
})

test.serial('answers keep their bytes after the instance is gone', async (t) => {
  const instance = await openInstance('identity_FP32')
  const sent = Float32Array.from({ length: 100_000 }, (_, i) => i)
  const { outcomes } = await instance.execute(batchOf([request(sent)], [[sent.length]])).result
  await instance.dispose()
  t.true(outputsOf(outcomes[0])[0]!.data.equals(bytes(sent)))
})

/** Large answers are the memory of the run. These are of no run: an input, and a constant of the model. */
test.serial('answers that are inputs or constants are nobody else’s memory', async (t) => {
  const instance = await openInstance('passed')
  const run = async (sent: Float32Array) => {
    const batch = { ...batchOf([request(sent)], [], [0, 1, 2]), shapes: [[sent.length]], batched: false }
    return outputsOf((await instance.execute(batch).result).outcomes[0])
  }
  const sent = [1, 2, 3].map((value) => new Float32Array(40_000).fill(value))
  const answers = []
  for (const x of sent) answers.push(await run(x))
  for (const x of sent) x.fill(-1)
  await instance.dispose()
  for (const [i, outputs] of answers.entries()) {
    const expected = [i + 1, 3, 2 * (i + 1)]
    for (const [k, output] of outputs.entries()) {
      t.true(
        floats(output).every((value) => value === expected[k]),
        `run ${i}, output ${k}`,
      )
    }
  }
})

test.serial('ten thousand inferences leave memory as it was', async (t) => {
  const instance = await openInstance('identity_FP32')
  const sent = new Float32Array(20_000)
  const round = async (count: number) => {
    for (let i = 0; i < count; i += 4) {
      await Promise.all(
        Array.from({ length: 4 }, () => instance.execute(batchOf([request(sent)], [[sent.length]])).result),
      )
      if (i % 100 === 0) await setImmediate()
    }
    // Finalizers run in later turns.
    for (let i = 0; i < 3; i++) {
      collectGarbage()
      await setImmediate()
    }
  }
  await round(4_000)
  const before = process.memoryUsage.rss()
  await round(10_000)
  const grown = (process.memoryUsage.rss() - before) / 2 ** 20
  t.true(grown < 40, `10000 answers of 80 KB are 800 MB; grew by ${grown.toFixed(1)} MiB`)
  await instance.dispose()
})
