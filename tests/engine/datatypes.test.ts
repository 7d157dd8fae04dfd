import test from 'ava'
import type { DataType, NativeOutcome } from '../../src/engine/native.js'
import {
  batchOf,
  bytes,
  createInstance,
  floats,
  openInstance,
  openSession,
  outputsOf,
  request,
} from './support.js'

const NUMERIC: readonly (readonly [DataType, ArrayBufferView])[] = [
  ['UINT8', Uint8Array.of(0, 1, 127, 255)],
  ['UINT16', Uint16Array.of(0, 1, 0x7fff, 0xffff)],
  ['UINT32', Uint32Array.of(0, 1, 0x7fffffff, 0xffffffff)],
  ['UINT64', BigUint64Array.of(0n, 1n, 2n ** 63n, 2n ** 64n - 1n)],
  ['INT8', Int8Array.of(0, 1, -128, 127)],
  ['INT16', Int16Array.of(0, 1, -0x8000, 0x7fff)],
  ['INT32', Int32Array.of(0, 1, -0x80000000, 0x7fffffff)],
  ['INT64', BigInt64Array.of(0n, 1n, -(2n ** 63n), 2n ** 63n - 1n)],
  ['FP16', Uint16Array.of(0x0000, 0x3c00, 0xfbff, 0x7e00)],
  ['BF16', Uint16Array.of(0x0000, 0x3f80, 0xff7f, 0x7fc0)],
  ['FP32', Float32Array.of(0, -1.5, 3.4e38, NaN)],
  ['FP64', Float64Array.of(0, -1.5, 1.7e308, NaN)],
  ['BOOL', Uint8Array.of(0, 1, 1, 0)],
]

for (const [dataType, values] of NUMERIC) {
  test(`${dataType} goes through a network bit for bit, in rows and from odd addresses`, async (t) => {
    const session = await openSession(`identity_${dataType}`)
    t.is(session.inputs[0]?.dataType, dataType)
    t.is(session.outputs[0]?.dataType, dataType)
    const instance = createInstance(session, 1)
    const sent = bytes(values)
    const unaligned = new Uint8Array(sent.length + 1).subarray(1)
    unaligned.set(sent)
    const reversed = Uint8Array.from(sent).reverse()
    const second = dataType === 'BOOL' ? Uint8Array.of(1, 0, 0, 1) : reversed
    const { result } = instance.execute(batchOf([request(unaligned), request(second)], [[4]]))
    const { outcomes } = await result
    t.deepEqual([...outputsOf(outcomes[0])[0]!.data], [...sent])
    t.deepEqual([...outputsOf(outcomes[1])[0]!.data], [...second])
    t.deepEqual(outputsOf(outcomes[1])[0]!.shape, [1, 4])
    await instance.dispose()
  })
}

test('any byte but 0 is true', async (t) => {
  const instance = await openInstance('identity_BOOL')
  const { outcomes } = await instance.execute(batchOf([request(Uint8Array.of(2, 0, 255))], [[3]])).result
  t.deepEqual([...outputsOf(outcomes[0])[0]!.data], [1, 0, 1])
  await instance.dispose()
})

function strings(...elements: (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    elements.map((element) => {
      const content = Buffer.from(element as string)
      const length = Buffer.alloc(4)
      length.writeUInt32LE(content.length)
      return Buffer.concat([length, content])
    }),
  )
}

async function runStrings(
  ...requests: { data: Uint8Array; rows: number }[]
): Promise<readonly NativeOutcome[]> {
  const instance = await openInstance('identity_BYTES')
  const views = requests.map(({ data, rows }) => ({ ...request(data), rows }))
  const { outcomes } = await instance.execute(batchOf(views, [[2]])).result
  await instance.dispose()
  return outcomes
}

test('BYTES keep every byte: NULs, empty elements, what is no UTF-8', async (t) => {
  const one = { data: strings('a\0b', ''), rows: 1 }
  const two = { data: strings(Uint8Array.of(0xff, 0xfe), 'Größe', 'x'.repeat(9000), '0'), rows: 2 }
  const outcomes = await runStrings(one, two)
  t.deepEqual([...outputsOf(outcomes[0])[0]!.data], [...one.data])
  t.deepEqual([...outputsOf(outcomes[1])[0]!.data], [...two.data])
  t.deepEqual(outputsOf(outcomes[1])[0]!.shape, [2, 2])
})

test('BYTES that end early, run on, or lie about a length fail alone', async (t) => {
  const good = { data: strings('g', 'h'), rows: 1 }
  const lying = strings('a', 'b')
  new DataView(lying.buffer, lying.byteOffset).setUint32(5, 0xfffffffe, true)
  const outcomes = await runStrings(
    { data: strings('a'), rows: 1 },
    good,
    { data: strings('a', 'b', 'c'), rows: 1 },
    { data: lying, rows: 1 },
    { data: strings('a', 'b').subarray(0, 7), rows: 1 },
    { data: new Uint8Array(0), rows: 1 },
    good,
  )
  for (const i of [0, 2, 3, 4, 5]) t.like(outcomes[i], { kind: 'failed', code: 'INVALID_REQUEST' }, String(i))
  for (const i of [1, 6]) t.deepEqual([...outputsOf(outcomes[i])[0]!.data], [...good.data])
})

test('a scalar has no dimensions', async (t) => {
  const session = await openSession('scalar')
  t.deepEqual(session.inputs[0]?.shape, [])
  const instance = createInstance(session, 1)
  const requests = [request(Float32Array.of(42))]
  const { outcomes } = await instance.execute({ requests, shapes: [[]], batched: false, outputs: [0] }).result
  t.deepEqual(outputsOf(outcomes[0])[0]!.shape, [])
  t.deepEqual(floats(outputsOf(outcomes[0])[0]!), [42])
  await instance.dispose()
})

test('a dimension may be zero, in numbers and in strings', async (t) => {
  for (const name of ['identity_FP32', 'identity_BYTES']) {
    const instance = await openInstance(name)
    const empty = request(new Uint8Array(0))
    const { outcomes } = await instance.execute(batchOf([empty, empty], [[0]])).result
    for (const outcome of outcomes) {
      t.deepEqual(outputsOf(outcome)[0]!.shape, [1, 0])
      t.is(outputsOf(outcome)[0]!.data.length, 0)
    }
    await instance.dispose()
  }
})

test('the size of an output may depend on the values', async (t) => {
  const instance = await openInstance('nonzero')
  for (const [values, found] of [
    [
      [0, 5, 0, 7],
      [1n, 3n],
    ],
    [[0, 0], []],
    [
      [1, 1, 1],
      [0n, 1n, 2n],
    ],
  ] as const) {
    const requests = [request(Float32Array.from(values))]
    const batch = { requests, shapes: [[values.length]], batched: false, outputs: [0] }
    const [output] = outputsOf((await instance.execute(batch).result).outcomes[0])
    t.deepEqual(output!.shape, [1, found.length])
    t.deepEqual([...new BigInt64Array(Uint8Array.from(output!.data).buffer)], [...found])
  }
  await instance.dispose()
})

test('names, symbols and dynamic dimensions of a network are told', async (t) => {
  const session = await openSession('rows')
  t.deepEqual(session.inputs, [
    { name: 'a', dataType: 'FP32', shape: [-1, 3], symbols: ['batch', null] },
    { name: 'b', dataType: 'INT64', shape: [-1, -1], symbols: ['batch', 'n'] },
  ])
  t.deepEqual(
    session.outputs.map(({ name }) => name),
    ['total', 'twice'],
  )
  session.dispose()
})
