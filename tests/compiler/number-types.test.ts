import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { compileCached } from '../../src/compiler/cache.js'
import { DataType, ModelProto, decodeModel, encodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { floatTensor, rawTensor } from '../../src/compiler/tensors.js'
import { DEFAULT_SESSION_OPTIONS, loadEngine } from '../../src/engine/index.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { type Array6, conv4d, volume } from './lib/reference.js'

const LIST = [0, 1, 2, 3]

/** The model with inputs and outputs of float64. */
function ofDoubles(model: ModelBuilder): Uint8Array {
  const proto = model.proto as ModelProto & { graph: NonNullable<ModelProto['graph']> }
  for (const { type } of [...proto.graph.input, ...proto.graph.output])
    if (type?.value?.$case === 'tensorType') type.value.value.elemType = DataType.DOUBLE
  return encodeModel(proto)
}

async function runDoubles(modelBytes: Uint8Array, x: Array6): Promise<Array6> {
  const options = { ...DEFAULT_SESSION_OPTIONS, modelPath: null, threads: 1, allowSpinning: false }
  const session = await loadEngine().createSession({ ...options, modelBytes })
  const instance = session.createInstance('test', false)
  try {
    const payload = { inputs: [new Uint8Array(x.data.buffer)], shapes: [x.shape], outputs: [0] }
    const { outcomes } = await instance.start([{ payload, rows: 1, deadline: Infinity }]).done
    const [outcome] = outcomes
    if (outcome?.kind !== 'ok') throw outcome?.kind === 'failed' ? outcome.error : new Error('not run')
    const [{ shape, data } = { shape: [], data: new Uint8Array() }] = outcome.result.outputs
    return { shape, data: new Float64Array(new Uint8Array(data).buffer) }
  } finally {
    await instance.dispose()
    session.dispose()
  }
}

const doubles = (random: Random, count: number): Float64Array =>
  Float64Array.from({ length: count }, () => random.next() * 2 - 1)

for (const target of ['cpu', 'cpu-portable'] as const) {
  test(`convolutions of float64 are summed in float64 on target ${target}`, async (t) => {
    for (let seed = 0; seed < 12; seed++) {
      const random = new Random(400 + seed)
      const groups = random.pick([1, 1, 2])
      const window = {
        kernel: LIST.map(() => random.int(1, 3)),
        strides: LIST.map(() => random.int(1, 2)),
        dilations: LIST.map(() => random.int(1, 2)),
        pads: [...LIST, ...LIST].map(() => random.int(0, 2)),
      }
      const shape = [random.int(1, 2), groups * 2, ...LIST.map(() => random.int(5, 7))]
      const x: Array6 = { shape, data: doubles(random, volume(shape)) }
      const weightShape = [groups * 3, 2, ...window.kernel]
      const w: Array6 = { shape: weightShape, data: doubles(random, volume(weightShape)) }
      const bias = random.chance(0.5) ? doubles(random, groups * 3) : null
      const model = new ModelBuilder(random.pick([11, 13, 18]))
      model.input('x', ['n', shape[1]!, random.chance(0.5) ? 't' : shape[2]!, ...shape.slice(3)])
      const constant = (dims: readonly number[], data: Float64Array, name: string): string =>
        model.initializer(floatTensor(name, dims, data, DataType.DOUBLE))
      const inputs = ['x', constant(weightShape, w.data, 'w')]
      if (bias !== null) inputs.push(constant([bias.length], bias, 'b'))
      const { kernel: kernel_shape, ...rest } = window
      model.node('Conv', inputs, { kernel_shape, ...rest, group: groups }, 'y')
      model.output('y')
      const compiled = await compileFor(target, ofDoubles(model))
      const y = await runDoubles(compiled.model, x)
      t.true(relativeError(y, conv4d(x, w, bias, window, groups)) < 1e-13, `seed ${seed}`)
    }
  })
}

test('operators that nobody has for float64 are refused by name, with what to do', async (t) => {
  const model = new ModelBuilder()
  model.input('x', ['n', 2, 3, 4, 4, 4])
  model.node('AveragePool', [model.node('Relu', ['x'])], { kernel_shape: [1, 2, 2, 2] }, 'y')
  model.output('y')
  for (const target of ['cpu', 'cpu-portable'] as const) {
    await t.throwsAsync(compileFor(target, ofDoubles(model)), {
      code: 'MODEL_UNSUPPORTED_OPERATOR',
      message: /AveragePool "AveragePool_y".*float64.*convert the model to float32.*precision/,
    })
  }
})

for (const [type, low, high, zero] of [
  [DataType.INT8, -128, 127, 3],
  [DataType.UINT8, 0, 255, 120],
] as const) {
  test(`activations rounded to 8 bits from ${low} stay in the region, and round as ONNX says`, async (t) => {
    const random = new Random(77)
    const scale = 1 / 64
    const shape = [2, 4, 3, 4, 5, 6]
    const x: Array6 = { shape, data: random.values(volume(shape)).map((v) => Math.fround(v * 4)) }
    // Half way between two numbers, to the even one.
    for (let i = 0; i < 40; i++) x.data[i] = (i - 20 + 0.5) * scale
    const rounded = x.data.map((v) => {
      const [below, share] = [Math.floor(v / scale), v / scale - Math.floor(v / scale)]
      const q = share === 0.5 ? (below % 2 === 0 ? below : below + 1) : Math.round(v / scale)
      return (Math.min(Math.max(q + zero, low), high) - zero) * scale
    })
    const w: Array6 = { shape: [4, 4, 3, 3, 3, 3], data: random.values(16 * 81) }
    const model = new ModelBuilder()
    model.input('x', ['n', ...shape.slice(1)])
    const s = model.floats([], Float32Array.of(scale))
    const z = model.initializer(rawTensor('z', [], type, Uint8Array.of(zero)))
    const quantized = model.node('QuantizeLinear', ['x', s, z])
    const pads = new Array<number>(8).fill(1)
    model.node(
      'Conv',
      [model.node('DequantizeLinear', [quantized, s, z]), model.floats(w.shape, w.data)],
      { pads },
      'y',
    )
    model.output('y')
    const window = { kernel: [3, 3, 3, 3], strides: [1, 1, 1, 1], dilations: [1, 1, 1, 1], pads }
    const expected = conv4d({ shape, data: rounded }, w, null, window, 1)

    const portable = await compileFor('cpu-portable', model.bytes)
    const [y] = await run({ bytes: portable.model }, { x })
    t.true(relativeError(y!, expected) < 1e-5, 'cpu-portable')

    const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const versions = { folder, onnxruntime: 'test', onednn: 'test' }
    const { path } = await compileCached(model.bytes, { target: 'cpu', resolve: noFiles }, versions)
    t.deepEqual(
      decodeModel(await readFile(path!)).graph.node.map((n) => n.opType),
      ['Region4D'],
    )
    const [u] = await run({ path: path! }, { x })
    t.true(relativeError(u!, expected) < 1e-4, 'cpu')
  })
}
