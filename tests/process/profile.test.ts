import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { countOperations } from '../../src/cli/profile/operations.js'
import { chooseShapes, randomTensor } from '../../src/cli/profile/inputs.js'
import type { ProfileReport } from '../../src/cli/profile/profile.js'
import type { NativeTensorInfo } from '../../src/engine/native.js'
import { GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from '../../src/generated/onnx.js'
import { sentinode, temporaryFolder } from './sentinode.js'

const FLOAT = 1
const dim = (d: number | string) =>
  typeof d === 'number'
    ? { value: { $case: 'dimValue' as const, value: BigInt(d) } }
    : { value: { $case: 'dimParam' as const, value: d } }

function value(name: string, shape: (number | string)[]): ValueInfoProto {
  return ValueInfoProto.fromPartial({
    name,
    type: { value: { $case: 'tensorType', value: { elemType: FLOAT, shape: { dim: shape.map(dim) } } } },
  })
}

function weights(name: string, dims: number[]): TensorProto {
  const count = dims.reduce((a, b) => a * b, 1)
  const tensor = TensorProto.fromPartial({ name, dims: dims.map(BigInt), dataType: FLOAT })
  tensor.rawData = new Uint8Array(new Float32Array(count).fill(0.01).buffer)
  return tensor
}

function ints(name: string, values: number[]): object {
  return { name, type: 7, ints: values.map(BigInt) }
}

/** Conv [N,4,H,8] by 6 kernels of 3x3 in two groups, then a product with [8,5]. */
function convolution(): Uint8Array {
  const conv = NodeProto.fromPartial({
    opType: 'Conv',
    input: ['x', 'w'],
    output: ['h'],
    attribute: [ints('pads', [1, 1, 1, 1]), { name: 'group', type: 2, i: 2n }],
  })
  const product = NodeProto.fromPartial({ opType: 'MatMul', input: ['h', 'm'], output: ['y'] })
  const graph: GraphProto = {
    ...GraphProto.fromPartial({ name: 'g' }),
    node: [conv, product],
    initializer: [weights('w', [6, 2, 3, 3]), weights('m', [8, 5])],
    input: [value('x', ['N', 4, 'H', 8])],
    output: [value('y', ['N', 6, 'H', 5])],
  }
  return ModelProto.encode({
    ...ModelProto.fromPartial({ irVersion: 8n, opsetImport: [{ domain: '', version: 17n }] }),
    graph,
  }).finish()
}

test('operations are two for every multiply-add of the direct algorithm', (t) => {
  const macs = 3 * 6 * 10 * 8 * (2 * 3 * 3) + 3 * 6 * 10 * 5 * 8
  t.is(countOperations(convolution(), new Map([['x', [3, 4, 10, 8]]])), 2 * macs)
  t.is(countOperations(convolution(), new Map()), null, 'unknown sizes are not guessed')
})

const input = (shape: number[], symbols: (string | null)[]): NativeTensorInfo => ({
  name: 'x',
  dataType: 'FP32',
  shape,
  symbols,
})

test('open dimensions are the batch or named; what is missing or unknown is said', (t) => {
  const x = input([-1, 4, -1], ['N', null, 'H'])
  const y = input([-1], ['N'])
  t.deepEqual(chooseShapes([x], [y], 3, new Map([['H', 9]])), { shapes: [[3, 4, 9]], batched: true })
  t.deepEqual(chooseShapes([x], [y], 1, new Map([['x.2', 9]])).shapes, [[1, 4, 9]])
  t.throws(() => chooseShapes([x], [y], 1, new Map()), { message: /--dim: expected a size for H or x\.2/ })
  t.throws(
    () =>
      chooseShapes(
        [x],
        [y],
        1,
        new Map([
          ['H', 1],
          ['Q', 1],
        ]),
      ),
    { message: /found Q/ },
  )
  t.throws(() => chooseShapes([input([2], [null])], [input([2], [null])], 4, new Map()), {
    message: /--batch: expected 1/,
  })
})

test('random inputs are small, finite and the same for the same seed', (t) => {
  const floats = new Float32Array(randomTensor('FP32', [1000], 1).buffer)
  t.true(floats.every((v) => v >= -1 && v <= 1))
  t.true(new Set(floats).size > 900)
  t.deepEqual(randomTensor('FP32', [10], 3), randomTensor('FP32', [10], 3))
  t.notDeepEqual(randomTensor('FP32', [10], 3), randomTensor('FP32', [10], 4))
  t.is(randomTensor('INT64', [2, 3], 1).byteLength, 48)
  t.is(randomTensor('BYTES', [3], 1).byteLength, 12)
})

test.serial('profile reports every field that other programs rely on', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  mkdirSync(folder.path, { recursive: true })
  const file = join(folder.path, 'conv.onnx')
  writeFileSync(file, convolution())
  const args = ['profile', file, '--batch', '2', '--threads', '1', '--dim', 'H=10', '--seconds', '1']
  const { code, stdout, stderr } = await sentinode([...args, '--json']).finished
  t.is(code, 0, stderr)
  const report = JSON.parse(stdout) as Record<string, unknown>
  t.is(report['model'], 'conv.onnx')
  t.is(report['target'], 'cpu')
  t.is(report['batch'], 2)
  t.is(report['threads'], 1)
  t.is(report['precision'], 'fp32')
  const rate = report['rows_per_second'] as number
  const perRow = (2 * (6 * 10 * 8 * 18 + 6 * 10 * 5 * 8)) / 1e9
  t.true(rate > 10)
  t.true(Math.abs((report['gflops'] as number) / (rate * perRow) - 1) < 1e-6)
  const latency = report['latency_ms'] as Record<string, number>
  t.true(latency['p50']! > 0 && latency['p50']! <= latency['p90']! && latency['p90']! <= latency['p99']!)
  t.true((report['peak_bytes'] as number) > 0)

  const failed = await sentinode(['profile', file, '--json']).finished
  t.is(failed.code, 2)
  t.is((JSON.parse(failed.stdout) as { error: { code: string } }).error.code, 'INVALID_OPTION')
})

test.serial('profile says what regions planned for, and stays near it', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  mkdirSync(folder.path, { recursive: true })
  const file = join(folder.path, 'four.onnx')
  const same = ints('pads', [1, 1, 1, 1, 1, 1, 1, 1])
  const graph: GraphProto = {
    ...GraphProto.fromPartial({ name: 'g' }),
    node: [
      NodeProto.fromPartial({ opType: 'Conv', input: ['x', 'a'], output: ['h'], attribute: [same] }),
      NodeProto.fromPartial({ opType: 'Conv', input: ['h', 'b'], output: ['i'], attribute: [same] }),
      NodeProto.fromPartial({ opType: 'GlobalAveragePool', input: ['i'], output: ['y'] }),
    ],
    initializer: [weights('a', [16, 1, 3, 3, 3, 3]), weights('b', [16, 16, 3, 3, 3, 3])],
    input: [value('x', ['N', 1, 'T', 24, 24, 24])],
    output: [value('y', ['N', 16, 1, 1, 1, 1])],
  }
  const model = { ...ModelProto.fromPartial({ irVersion: 8n }), opsetImport: [{ domain: '', version: 17n }] }
  writeFileSync(file, ModelProto.encode({ ...model, graph }).finish())
  const args = ['profile', file, '--dim', 'T=5', '--batch', '2', '--threads', '1', '--seconds', '1']
  const cache = join(folder.path, 'cache')
  const run = () => sentinode([...args, '--exact-taps', '--cache-dir', cache, '--json']).finished
  const { code, stdout, stderr } = await run()
  t.is(code, 0, stderr)
  const report = JSON.parse(stdout) as ProfileReport
  const [region] = report.regions
  if (region === undefined) return t.pass('built without oneDNN')
  t.is(region.layers.length, 2)
  for (const { form } of region.layers) t.true(['direct(fp32)', 'tiled(1x1,fp32)'].includes(form), form)
  t.is(report.planned_bytes, region.planned_bytes)
  const activation = 16 * 5 * 24 ** 3 * 4
  t.true(report.planned_bytes <= 1.3 * (2 * activation + region.weights_bytes))
  t.true(report.peak_bytes <= report.planned_bytes + 64 * 2 ** 20)

  const again = JSON.parse((await run()).stdout) as ProfileReport
  const times = ({ regions }: ProfileReport) =>
    regions.flatMap(({ layers }) => layers.flatMap(({ candidates = [] }) => candidates.map(({ ms }) => ms)))
  t.true(times(report).length > 0)
  t.deepEqual(times(again), times(report), 'nothing is measured a second time')
})
