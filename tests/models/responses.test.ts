import test from 'ava'
import fc from 'fast-check'
import type { DataType } from '../../src/engine/native.js'
import { isSentinodeError } from '../../src/errors.js'
import { checkRequest } from '../../src/models/request/check.js'
import { buildOutputs, type ResponseOutput } from '../../src/models/response/outputs.js'
import { largest } from '../../src/models/response/largest.js'
import type { ModelSignature } from '../../src/models/signature.js'
import { input, request, signature } from './helpers/requests.js'
import { runAtOnce } from '../../src/slices.js'

const float = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)

function answer(
  model: ModelSignature,
  shape: number[],
  data: Uint8Array,
  classes?: bigint,
): ResponseOutput | undefined {
  const parameters =
    classes === undefined
      ? {}
      : { classification: { parameterChoice: { $case: 'int64Param' as const, value: classes } } }
  const dims = model.maxBatchSize > 0 ? [shape[0] ?? 1, 1] : [1]
  const checked = checkRequest(
    model,
    request([input('x', 'UINT8', dims)], [dims[0] ?? 1], { outputs: [{ name: 'y', parameters }] }),
  )
  return runAtOnce(buildOutputs(model, checked, [{ index: 0, shape, data }]))[0]
}

function model(type: DataType, dims: number[], maxBatchSize: number, extra = {}): ModelSignature {
  return signature([['x', 'UINT8', [1]]], maxBatchSize, [['y', type, dims, extra]])
}

/** Reads a BYTES tensor element by element. */
function strings(data: Uint8Array | undefined): string[] {
  const buffer = Buffer.from(data ?? [])
  const found: string[] = []
  for (let at = 0; at < buffer.length;) {
    const length = buffer.readUInt32LE(at)
    found.push(buffer.toString('utf8', at + 4, at + 4 + length))
    at += 4 + length
  }
  return found
}

test('An output keeps its bytes and its shape', (t) => {
  const data = float(1, 2)
  t.deepEqual(answer(model('FP32', [-1], 4), [2, 1], data), {
    name: 'y',
    datatype: 'FP32',
    shape: [2, 1],
    data,
  })
})

test('An output is given the shape that the configuration promises', (t) => {
  t.deepEqual(answer(model('FP32', [1], 4, { reshape: [] }), [3], float(1, 2, 3))?.shape, [3, 1])
  t.deepEqual(answer(model('FP32', [1], 0, { reshape: [] }), [], float(1))?.shape, [1])
  t.deepEqual(answer(model('FP32', [2, -1, 3], 0, { reshape: [6, -1] }), [6, 7], float())?.shape, [2, 7, 3])
})

test('Classification answers the largest values per row with index and label', (t) => {
  const labels = ['benign', 'metastasis', 'other']
  const scores = float(0.25, 0.5, -1, 3, 2, 1)
  const output = answer(model('FP32', [3], 4, { labels }), [2, 3], scores, 2n)
  t.is(output?.datatype, 'BYTES')
  t.deepEqual(output?.shape, [2, 2])
  t.deepEqual(strings(output?.data), [
    '0.500000:1:metastasis',
    '0.250000:0:benign',
    '3.000000:0:benign',
    '2.000000:1:metastasis',
  ])
})

test('Classification without labels, without a batch, and for more classes than there are', (t) => {
  const output = answer(
    model('INT64', [3], 0),
    [3],
    new Uint8Array(BigInt64Array.of(-5n, 2n ** 62n + 1n, 7n).buffer),
    10n,
  )
  t.deepEqual(output?.shape, [3])
  t.deepEqual(strings(output?.data), ['4611686018427387905:1', '7:2', '-5:0'])
})

test('Classification puts what is no number last and keeps equals in order', (t) => {
  const output = answer(
    model('FP32', [5], 0, { labels: ['a'] }),
    [5],
    float(NaN, 1, Infinity, 1, -Infinity),
    5n,
  )
  t.deepEqual(strings(output?.data), ['inf:2', '1.000000:1', '1.000000:3', '-inf:4', 'nan:0:a'])
})

test('Classification of what has no order is refused before it runs', (t) => {
  for (const type of ['BYTES', 'FP16', 'BF16', 'BOOL'] as const) {
    const error = t.throws(() => answer(model(type, [2], 0), [2], new Uint8Array(2), 1n))
    t.true(isSentinodeError(error) && error.code === 'INVALID_REQUEST')
    t.is(error.message, `class result not available for output due to unsupported type '${type}'`)
  }
  t.regex(t.throws(() => answer(model('FP32', [2], 0), [2], float(1, 2), 0n)).message, /'classification'/)
  const large = t.throws(() => answer(model('UINT8', [-1], 0), [1_000_001], new Uint8Array(1_000_001), 1n))
  t.is(large.message, 'classification output tensor too large')
})

test('The largest values are found as sorting finds them', (t) => {
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double(), fc.constant(NaN))
  fc.assert(
    fc.property(fc.array(value, { maxLength: 60 }), fc.nat(70), (values, count) => {
      const rank = (i: number): number => (Number.isNaN(values[i]) ? -Infinity : (values[i] as number))
      const nan = (i: number): number => Number(Number.isNaN(values[i]))
      const sorted = values
        .map((_, i) => i)
        .sort((a, b) => nan(a) - nan(b) || (rank(a) === rank(b) ? a - b : rank(a) > rank(b) ? -1 : 1))
      t.deepEqual(runAtOnce(largest(values, count)), sorted.slice(0, count))
    }),
    { numRuns: 2000 },
  )
})

test('A million classes are ranked in pieces, none of which holds the thread', (t) => {
  const values = Float64Array.from({ length: 1_000_000 }, (_, i) => (i * 7919) % 1_000_003)
  const work = largest(Array.from(values), 1_000_000)
  let pieces = 0
  while (work.next().done !== true) pieces++
  t.true(pieces > 200)
})
