import test from 'ava'
import { loadEngine, DEFAULT_SESSION_OPTIONS } from '../../src/engine/index.js'
import { isSentinodeError } from '../../src/errors.js'
import {
  addonPath,
  batchOf,
  bytes,
  ENDLESS,
  fixture,
  floats,
  LOOP_SHAPES,
  loopRequest,
  now,
  openInstance,
  outputsOf,
  request,
} from './support.js'

const longs = (data: Uint8Array): bigint[] => [...new BigInt64Array(Uint8Array.from(data).buffer)]

function rowsRequest(rows: number, first: number) {
  const a = Float32Array.from({ length: rows * 3 }, (_, i) => first + i)
  const b = BigInt64Array.from({ length: rows * 2 }, (_, i) => BigInt(first + i))
  return { ...request(a, b), rows }
}

test('rows of several requests run together and each gets its own back', async (t) => {
  const instance = await openInstance('rows')
  const requests = [rowsRequest(1, 10), rowsRequest(3, 100), rowsRequest(2, -7)]
  const result = await instance.execute(batchOf(requests, [[3], [2]], [1, 0])).result
  t.is(result.rows, 6)
  for (const [i, { rows, first }] of [
    { rows: 1, first: 10 },
    { rows: 3, first: 100 },
    { rows: 2, first: -7 },
  ].entries()) {
    const [twice, total] = outputsOf(result.outcomes[i])
    t.deepEqual(twice!.shape, [rows, 2])
    t.deepEqual(total!.shape, [rows])
    const sums = Array.from({ length: rows }, (_, row) => 3 * (first + 3 * row) + 3)
    t.deepEqual(floats(total!), sums)
    const doubled = Array.from({ length: rows * 2 }, (_, k) => BigInt(2 * (first + k)))
    t.deepEqual(longs(twice!.data), doubled)
  }
  await instance.dispose()
})

test('the steps of a batch happen in order, on the clock of process.hrtime', async (t) => {
  const instance = await openInstance('rows')
  const before = now()
  const result = await instance.execute(batchOf([rowsRequest(1, 0)], [[3], [2]])).result
  const { gatherStart, gatherEnd, runStart, runEnd, scatterEnd } = result
  const times = [before, gatherStart, gatherEnd, runStart, runEnd, scatterEnd, now()]
  t.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  )
  await instance.dispose()
})

test('a request of a wrong size fails alone', async (t) => {
  const instance = await openInstance('identity_FP32')
  const good = (value: number) => request(Float32Array.of(value, value))
  const requests = [good(1), request(new Uint8Array(7)), good(2), request(new Uint8Array(9)), good(3)]
  const result = await instance.execute(batchOf(requests, [[2]])).result
  t.is(result.rows, 3)
  for (const i of [1, 3]) t.like(result.outcomes[i], { kind: 'failed', code: 'INVALID_REQUEST' })
  for (const i of [0, 2, 4]) {
    t.deepEqual(floats(outputsOf(result.outcomes[i])[0]!), [i / 2 + 1, i / 2 + 1])
  }
  await instance.dispose()
})

test('what has expired before the gather is not run', async (t) => {
  const instance = await openInstance('identity_FP32')
  const alive = request(Float32Array.of(5))
  const expired = { ...request(Float32Array.of(6)), deadline: now() - 1 }
  const some = await instance.execute(batchOf([expired, alive], [[1]])).result
  t.is(some.rows, 1)
  t.deepEqual(some.outcomes[0], { kind: 'expired' })
  t.deepEqual(floats(outputsOf(some.outcomes[1])[0]!), [5])
  const none = await instance.execute(batchOf([expired], [[1]])).result
  t.is(none.rows, 0)
  t.deepEqual(none.outcomes, [{ kind: 'expired' }])
  await instance.dispose()
})

test('what expires or is cancelled in a gathered slot leaves it just before the run', async (t) => {
  const instance = await openInstance('loop')
  const running = instance.execute(batchOf([loopRequest(0, ENDLESS)], LOOP_SHAPES))
  const waiting = instance.execute(
    batchOf(
      [loopRequest(10, 1), loopRequest(20, 1, now() + 100), loopRequest(30, 1), loopRequest(40, 1)],
      LOOP_SHAPES,
    ),
  )
  await new Promise((resolve) => setTimeout(resolve, 200))
  waiting.cancel(0)
  running.cancel(0)
  const ran = await running.result
  t.deepEqual(ran.outcomes, [{ kind: 'cancelled' }])
  const result = await waiting.result
  t.true(result.gatherEnd < ran.runEnd, 'gathered while the other ran')
  t.is(result.rows, 2)
  t.deepEqual(result.outcomes[0], { kind: 'cancelled' })
  t.deepEqual(result.outcomes[1], { kind: 'expired' })
  t.deepEqual(floats(outputsOf(result.outcomes[2])[0]!), [31, 31, 31, 31])
  t.deepEqual(floats(outputsOf(result.outcomes[3])[0]!), [41, 41, 41, 41])
  await instance.dispose()
})

test('a run that fails fails its requests and not the next batch', async (t) => {
  const instance = await openInstance('gather')
  const x = Float32Array.of(1, 2, 3, 4)
  const pick = (index: bigint) =>
    instance.execute(batchOf([request(x, BigInt64Array.of(index))], [[4], []])).result
  t.like((await pick(9n)).outcomes[0], { kind: 'failed', code: 'MODEL_RUN_FAILED' })
  t.deepEqual(floats(outputsOf((await pick(2n)).outcomes[0])[0]!), [3])
  await instance.dispose()
})

test('an output without the batch axis is an error, not a wrong answer', async (t) => {
  const instance = await openInstance('no_rows')
  const one = request(Float32Array.of(1, 2))
  const { outcomes } = await instance.execute(batchOf([one, one], [[2]])).result
  for (const outcome of outcomes) t.like(outcome, { kind: 'failed', code: 'MODEL_RUN_FAILED' })
  await instance.dispose()
})

test('a batch that contradicts itself or the network is refused as a whole', async (t) => {
  const instance = await openInstance('rows')
  const good = batchOf([rowsRequest(1, 0)], [[3], [2]])
  const wrong = [
    { ...good, requests: [] },
    { ...good, shapes: [[1, 3]] },
    {
      ...good,
      shapes: [
        [2, 3],
        [2, 2],
      ],
    },
    { ...good, shapes: [[], []] },
    {
      ...good,
      shapes: [
        [1, 2 ** 31, 2 ** 31, 2 ** 31],
        [1, 2],
      ],
    },
    { ...good, outputs: [] },
    { ...good, outputs: [2] },
    { ...good, requests: [request(new Uint8Array(12))] },
    { ...good, batched: false, requests: [rowsRequest(1, 0), rowsRequest(1, 0)] },
  ]
  for (const batch of wrong) t.throws(() => instance.execute(batch), { code: 'INVALID_REQUEST' })
  t.is((await instance.execute(good).result).outcomes[0]?.kind, 'ok')
  await instance.dispose()
})

test('the runner joins entries, names outputs by index and codes errors', async (t) => {
  const session = await loadEngine({ addonPath }).createSession({
    ...DEFAULT_SESSION_OPTIONS,
    modelPath: fixture('rows'),
  })
  const runner = session.createInstance('rows_0', true)
  t.is(runner.name, 'rows_0')
  const entry = (rows: number, a: number[], b: bigint[]) => ({
    payload: {
      inputs: [bytes(Float32Array.from(a)), bytes(BigInt64Array.from(b))],
      shapes: [
        [rows, 3],
        [rows, 1],
      ],
      outputs: [0, 1],
    },
    rows,
    deadline: Infinity,
  })
  const { done } = runner.start([
    entry(2, [1, 2, 3, 4, 5, 6], [7n, 8n]),
    entry(1, [1, 1, 1], [-1n]),
    entry(1, [1], [1n]),
  ])
  const { outcomes, rows } = await done
  t.is(rows, 3)
  const [first, second, third] = outcomes
  if (first?.kind !== 'ok' || second?.kind !== 'ok' || third?.kind !== 'failed') return t.fail()
  t.deepEqual(
    first.result.outputs.map(({ index, shape }) => ({ index, shape })),
    [
      { index: 0, shape: [2] },
      { index: 1, shape: [2, 1] },
    ],
  )
  t.deepEqual(floats(first.result.outputs[0]!.data), [6, 15])
  t.deepEqual(longs(second.result.outputs[1]!.data), [-2n])
  t.true(isSentinodeError(third.error) && third.error.code === 'INVALID_REQUEST')
  await runner.dispose()
  t.throws(() => runner.start([entry(1, [1, 1, 1], [1n])]), { code: 'DISPOSED', name: 'SentinodeError' })
  session.dispose()
  t.throws(() => session.createInstance('late', true), { code: 'DISPOSED', name: 'SentinodeError' })
})
