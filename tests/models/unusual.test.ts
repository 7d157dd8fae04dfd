/** Networks that are good and say little of themselves, in ONNX Runtime and through everything but the wire. */
import test, { type ExecutionContext } from 'ava'
import {
  DataType,
  ModelProto,
  TensorProto,
  type ValueInfoProto,
  encodeModel,
  makeNode,
} from '../../src/compiler/onnx.js'
import { floatTensor, int64Tensor } from '../../src/compiler/tensors.js'
import { loadEngine } from '../../src/engine/index.js'
import { Cores } from '../../src/models/cores.js'
import { ModelManager } from '../../src/models/lifecycle.js'
import { createLoader } from '../../src/models/loader.js'
import { encodeBytesTensor } from '../../src/models/request/bytes-tensor.js'
import { scanRepositories } from '../../src/models/repository.js'
import type { Inference } from '../../src/models/servable.js'
import { ByteBudget } from '../../src/scheduling/index.js'
import { folder } from './helpers/folders.js'
import { input, request } from './helpers/requests.js'

const engine = loadEngine()
const STRING = 8

type Size = number | string

/** `shape` null: the file says nothing of it, not even the number of dimensions. */
function value(name: string, elemType: number, shape: readonly Size[] | null): ValueInfoProto {
  const dim = shape?.map((size) =>
    typeof size === 'number'
      ? { value: { $case: 'dimValue' as const, value: BigInt(size) } }
      : { value: { $case: 'dimParam' as const, value: size } },
  )
  const tensor = { elemType, ...(dim !== undefined && { shape: { dim } }) }
  const graph = { input: [{ name, type: { value: { $case: 'tensorType' as const, value: tensor } } }] }
  return ModelProto.fromPartial({ graph }).graph!.input[0]!
}

function network(
  nodes: readonly ReturnType<typeof makeNode>[],
  inputs: readonly ValueInfoProto[],
  outputs: readonly ValueInfoProto[],
  initializer: readonly TensorProto[] = [],
): Uint8Array {
  return encodeModel(
    ModelProto.fromPartial({
      irVersion: 8n,
      opsetImport: [{ domain: '', version: 17n }],
      graph: {
        name: 'g',
        node: [...nodes],
        input: [...inputs],
        output: [...outputs],
        initializer: [...initializer],
      },
    }),
  )
}

async function serve(
  t: ExecutionContext,
  model: Uint8Array,
  config: string | null = null,
): Promise<{ models: ModelManager; warnings: string[]; reason: string }> {
  const warnings: string[] = []
  const models = new ModelManager({
    load: createLoader({
      compile: ({ model: bytes }) =>
        Promise.resolve({ modelPath: null, modelBytes: bytes, ownOperators: false }),
      createSession: (options) => engine.createSession(options),
      budget: new ByteBudget(1e9),
      settings: { targets: ['cpu'], instanceCount: 1 },
      policy: {},
      maxBatchSize: 4,
      cores: new Cores(1, null),
    }),
    concurrency: 1,
    events: { onWarning: (_, message) => warnings.push(message) },
  })
  t.teardown(() => models.unloadAll(Infinity))
  const files = { 'm/1/model.onnx': model, ...(config !== null && { 'm/config.pbtxt': config }) }
  await models.loadAll((await scanRepositories([folder(t, files)])).models)
  return { models, warnings, reason: models.index()[0]?.reason ?? '' }
}

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)
const asFloats = (data: Uint8Array | undefined): number[] => [
  ...new Float32Array(Uint8Array.from(data ?? []).buffer),
]

function infer(
  models: ModelManager,
  inputs: readonly [string, string, number[], Uint8Array][],
): Promise<Inference> {
  const message = request(
    inputs.map(([name, type, shape]) => input(name, type, shape)),
    inputs.map(([, , , data]) => data),
  )
  return models.get('m', '').infer(message, { id: '', deadline: Infinity, signal: null })
}

const text = (...values: string[]): Uint8Array => encodeBytesTensor(values.map((v) => Buffer.from(v)))

test('Text that a network reads as numbers is served, though it cannot read zeros', async (t) => {
  const model = network(
    [makeNode('Cast', ['x'], ['y'], { to: DataType.FLOAT }, {})],
    [value('x', STRING, ['n', 2])],
    [value('y', DataType.FLOAT, ['n', 2])],
  )
  const { models, warnings, reason } = await serve(t, model)
  t.is(reason, '')
  t.true(warnings.some((w) => w.startsWith('warm-up "zeros of batch size 1" failed')))
  const { outputs } = await infer(models, [['x', 'BYTES', [1, 2], text('1.5', '-2')]])
  t.deepEqual(asFloats(outputs[0]?.data), [1.5, -2])
})

test('A configured sample that cannot run keeps the model out', async (t) => {
  const model = network(
    [makeNode('Cast', ['x'], ['y'], { to: DataType.FLOAT }, {})],
    [value('x', STRING, ['n', 2])],
    [value('y', DataType.FLOAT, ['n', 2])],
  )
  const config =
    'model_warmup { name: "w" batch_size: 1 inputs { key: "x" value { data_type: TYPE_STRING dims: 2 zero_data: true } } }'
  const { reason } = await serve(t, model, config)
  t.regex(reason, /^MODEL_RUN_FAILED: warm-up "w" failed/)
})

for (const [what, shape, open] of [
  ['of known sizes', ['n', 4], false],
  ['of open sizes', ['n', 'm'], true],
] as const) {
  test(`NonZero ${what} is served without a batch, and a warning says why`, async (t) => {
    const model = network(
      [makeNode('NonZero', ['x'], ['z'], {}, {}), makeNode('Transpose', ['z'], ['y'], { perm: [1, 0] }, {})],
      [value('x', DataType.FLOAT, shape)],
      [value('y', DataType.INT64, ['a', 'b'])],
    )
    const { models, warnings, reason } = await serve(t, model)
    t.is(reason, '')
    t.regex(warnings[0] ?? '', /^max_batch_size is 0: requests cannot share a batch, output "y" has shape/)
    t.is(models.get('m', '').config.maxBatchSize, 0, String(open))
    const { outputs } = await infer(models, [['x', 'FP32', [1, 4], floats(1, 3, 0, 4)]])
    t.deepEqual(outputs[0]?.shape, [3, 2])
  })
}

test('Non-maximum suppression is served without a batch', async (t) => {
  const model = network(
    [makeNode('NonMaxSuppression', ['boxes', 'scores', 'most'], ['y'], {}, {})],
    [value('boxes', DataType.FLOAT, ['n', 'k', 4]), value('scores', DataType.FLOAT, ['n', 'c', 'k'])],
    [value('y', DataType.INT64, ['s', 3])],
    [int64Tensor('most', [1], [10])],
  )
  const { models, reason } = await serve(t, model)
  t.is(reason, '')
  t.is(models.get('m', '').config.maxBatchSize, 0)
  const boxes = floats(0, 0, 1, 1, 5, 5, 6, 6)
  const { outputs } = await infer(models, [
    ['boxes', 'FP32', [1, 2, 4], boxes],
    ['scores', 'FP32', [1, 1, 2], floats(0.9, 0.8)],
  ])
  t.deepEqual(outputs[0]?.shape, [2, 3])
})

test('A batch size that an exporter wrote down is found out, and the model served without a batch', async (t) => {
  const model = network(
    [
      // Nobody can tell from the graph that the first size is always 1.
      makeNode('Mul', ['x', 'zero'], ['zeros'], {}, {}),
      makeNode('ReduceMax', ['zeros'], ['none'], { keepdims: 0 }, {}),
      makeNode('Add', ['none', 'sizes'], ['shape'], {}, {}),
      makeNode('Cast', ['shape'], ['whole'], { to: DataType.INT64 }, {}),
      makeNode('Reshape', ['x', 'whole'], ['y'], {}, {}),
    ],
    [value('x', DataType.FLOAT, ['n', 4])],
    [value('y', DataType.FLOAT, ['n', 2, 2])],
    [floatTensor('zero', [], Float32Array.of(0)), floatTensor('sizes', [3], Float32Array.of(1, 2, 2))],
  )
  const { models, warnings, reason } = await serve(t, model)
  t.is(reason, '')
  t.regex(warnings[0] ?? '', /^max_batch_size is 0: .* it runs one row and not 2/)
  t.is(models.get('m', '').config.maxBatchSize, 0)
})

test('Rows that are rows keep their batch', async (t) => {
  const model = network(
    [makeNode('Relu', ['x'], ['y'], {}, {})],
    [value('x', DataType.FLOAT, ['n', 'm'])],
    [value('y', DataType.FLOAT, ['a', 'b'])],
  )
  const { models } = await serve(t, model)
  t.is(models.get('m', '').config.maxBatchSize, 4)
})

test('An output of unknown rank is answered with its own shape and all of its bytes', async (t) => {
  const model = network(
    [makeNode('Reshape', ['x', 'shape'], ['y'], {}, {})],
    [value('x', DataType.FLOAT, [8]), value('shape', DataType.INT64, ['r'])],
    [value('y', DataType.FLOAT, null)],
  )
  const { models, reason } = await serve(t, model)
  t.is(reason, '')
  t.deepEqual(models.get('m', '').signature.outputs[0]?.dims, [-1])
  for (const shape of [[8], [2, 4], [2, 2, 2]]) {
    const { outputs } = await infer(models, [
      ['x', 'FP32', [8], floats(1, 2, 3, 4, 5, 6, 7, 8)],
      ['shape', 'INT64', [shape.length], new Uint8Array(BigInt64Array.from(shape, BigInt).buffer)],
    ])
    t.deepEqual(outputs[0]?.shape, shape)
    t.is(outputs[0]?.data.length, 32)
  }
})

test('An input of unknown rank takes any shape, and its bytes are counted', async (t) => {
  const model = network(
    [makeNode('Relu', ['x'], ['y'], {}, {})],
    [value('x', DataType.FLOAT, null)],
    [value('y', DataType.FLOAT, null)],
  )
  const { models, reason } = await serve(t, model)
  t.is(reason, '')
  const { outputs } = await infer(models, [['x', 'FP32', [1, 2], floats(-1, 2)]])
  t.deepEqual(
    [outputs[0]?.shape, asFloats(outputs[0]?.data)],
    [
      [1, 2],
      [0, 2],
    ],
  )
  await t.throwsAsync(infer(models, [['x', 'FP32', [1, 3], floats(-1, 2)]]), { code: 'INVALID_REQUEST' })
})

/** y = x * scale, where scale is 2 unless a request says otherwise. */
function scaled(): Uint8Array {
  return network(
    [makeNode('Mul', ['x', 'scale'], ['y'], {}, {})],
    [value('x', DataType.FLOAT, ['n', 2]), value('scale', DataType.FLOAT, [1])],
    [value('y', DataType.FLOAT, ['n', 2])],
    [floatTensor('scale', [1], Float32Array.of(2))],
  )
}

test('An initializer that is an input is its value until a request overrides it', async (t) => {
  const { models, reason } = await serve(t, scaled())
  t.is(reason, '')
  const x: [string, string, number[], Uint8Array] = ['x', 'FP32', [1, 2], floats(1, 2)]
  t.deepEqual(asFloats((await infer(models, [x])).outputs[0]?.data), [2, 4])
  const own = await infer(models, [x, ['scale', 'FP32', [1], floats(5)]])
  t.deepEqual(asFloats(own.outputs[0]?.data), [5, 10])
  const again = await infer(models, [x])
  t.deepEqual(asFloats(again.outputs[0]?.data), [2, 4], 'the next request has the value of the network')
})

test("A layer's weights that are listed as inputs stay constants, unless the configuration lists them", async (t) => {
  const model = network(
    [makeNode('MatMul', ['x', 'w'], ['y'], {}, {})],
    [value('x', DataType.FLOAT, ['n', 1]), value('w', DataType.FLOAT, [1, 1])],
    [value('y', DataType.FLOAT, ['n', 1])],
    [floatTensor('w', [1, 1], Float32Array.of(3))],
  )
  const bare = await serve(t, model)
  t.deepEqual(
    bare.models.get('m', '').signature.inputs.map(({ name }) => name),
    ['x'],
  )
  t.is(bare.models.get('m', '').config.maxBatchSize, 4)
  const config = `input [{ name: "x" data_type: TYPE_FP32 dims: [-1, 1] }, { name: "w" data_type: TYPE_FP32 dims: [1, 1] }]
    output [{ name: "y" data_type: TYPE_FP32 dims: [-1, 1] }]`
  const listed = await serve(t, model, config)
  t.is(listed.reason, '')
  const x: [string, string, number[], Uint8Array] = ['x', 'FP32', [1, 1], floats(2)]
  t.deepEqual(asFloats((await infer(listed.models, [x])).outputs[0]?.data), [6])
  const own = await infer(listed.models, [x, ['w', 'FP32', [1, 1], floats(-1)]])
  t.deepEqual(asFloats(own.outputs[0]?.data), [-2])
})
