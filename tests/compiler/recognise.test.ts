import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { compile } from '../../src/compiler/compile.js'
import { ModelProto, TensorProto, decodeModel, encodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { tensorDims, tensorFloats } from '../../src/compiler/tensors.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { type Array6, volume } from './lib/reference.js'

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'exported4d')

async function tensor(path: string): Promise<Array6> {
  const read = TensorProto.decode(await readFile(path))
  return { shape: tensorDims(read), data: Float64Array.from(tensorFloats(read)) }
}

for (const name of await readdir(FIXTURES)) {
  test(`both convolutions of ${name}, as PyTorch exported it, become one Conv each`, async (t) => {
    const folder = join(FIXTURES, name)
    const bytes = await readFile(join(folder, 'model.onnx'))
    t.true(
      decodeModel(bytes).graph.node.every(
        (n) => n.opType !== 'Conv' || n.attribute.every((a) => a.ints.length !== 4),
      ),
    )
    const { report, model } = await compile(bytes, { target: 'cpu-portable', resolve: noFiles })
    t.is(report.rewrites.filter((r) => r.pass === 'recognise-four-axes').length, 2)
    const kept = decodeModel(model).graph.node.map((n) => n.opType)
    t.is(kept.filter((op) => op === 'Conv').length, 2)
    t.false(
      kept.some((op) => op.startsWith('Scatter')),
      'what the loop needed is gone',
    )
    const [y] = await run(
      { bytes: model },
      { x: await tensor(join(folder, 'test_data_set_0', 'input_0.pb')) },
    )
    t.true(relativeError(y!, await tensor(join(folder, 'test_data_set_0', 'output_0.pb'))) < 1e-5)
  })
}

test('a banded weight has the taps of its band and none of zeros', async (t) => {
  const bytes = await readFile(join(FIXTURES, 'toeplitz_dynamo', 'model.onnx'))
  const { report } = await compile(bytes, { target: 'cpu', resolve: noFiles })
  const found = report.rewrites.filter((r) => r.pass === 'recognise-four-axes').map((r) => r.what)
  const expected = 'recognised from 3D convolutions of 3 taps along time'
  t.deepEqual(found, [expected, expected])
})

/** y[t] = conv(x[t + from], w0) + conv(x[t + from + 1], w1), as slices folded into the batch. */
function tapSum(random: Random, drop: boolean): { bytes: Uint8Array; x: Array6 } {
  const model = new ModelBuilder()
  const x: Array6 = { shape: [2, 2, 5, 3, 3, 3], data: random.values(2 * 2 * 5 * 27) }
  model.input('x', x.shape)
  const frame = (t: number, weight: string): string =>
    model.node('Conv', [model.node('Gather', ['x', scalar(model, t)], { axis: 2 }), weight], {
      pads: [1, 1, 1, 1, 1, 1],
    })
  const [w0, w1] = [0, 1].map(() => model.floats([3, 2, 3, 3, 3], random.values(3 * 2 * 27)))
  const frames = [0, 1, 2, 3].map((t) => {
    const sum = drop && t === 2 ? frame(t, w0!) : model.node('Add', [frame(t, w0!), frame(t + 1, w1!)])
    return model.node('Unsqueeze', [sum, model.ints([2])])
  })
  model.node('Concat', frames, { axis: 2 }, 'y')
  model.output('y')
  return { bytes: model.bytes, x }
}

function scalar(model: ModelBuilder, value: number): string {
  const name = model.ints([value])
  return model.node('Squeeze', [name, model.ints([0])])
}

test('a loop that leaves out one product is no convolution and stays as it is', async (t) => {
  for (const drop of [false, true]) {
    const { bytes, x } = tapSum(new Random(11), drop)
    const { report, model, rewritten } = await compileFor('cpu-portable', bytes)
    t.is(
      report.rewrites.some((r) => r.pass === 'recognise-four-axes'),
      !drop,
    )
    t.is(rewritten, !drop)
    const [expected] = await run({ bytes }, { x })
    const [y] = await run({ bytes: model }, { x })
    t.true(relativeError(y!, expected!) < 1e-5)
  }
})

test('border frames that have fewer biases keep them behind one convolution', async (t) => {
  const model = new ModelBuilder()
  const random = new Random(5)
  model.input('x', [1, 1, 3, 2, 2, 2])
  const [w0, w1] = [0, 1].map(() => model.floats([1, 1, 1, 1, 1], random.values(1)))
  const bias = model.floats([1], random.values(1))
  const at = (i: number): string => model.node('Gather', ['x', scalar(model, i)], { axis: 2 })
  // The bias comes with the second tap, which the last frame does not have.
  const frames = [0, 1, 2].map((i) => {
    const own = model.node('Conv', [at(i), w0!])
    const sum = i === 2 ? own : model.node('Add', [own, model.node('Conv', [at(i + 1), w1!, bias])])
    return model.node('Unsqueeze', [sum, model.ints([2])])
  })
  model.node('Concat', frames, { axis: 2 }, 'y')
  model.output('y')
  const { report, model: compiled } = await compileFor('cpu-portable', model.bytes)
  t.is(report.rewrites.filter((r) => r.pass === 'recognise-four-axes').length, 1)
  const x: Array6 = { shape: [1, 1, 3, 2, 2, 2], data: random.values(24) }
  const [[expected], [y]] = await Promise.all([
    run({ bytes: model.bytes }, { x }),
    run({ bytes: compiled }, { x }),
  ])
  t.true(relativeError(y!, expected!) < 1e-5)
})

test('an activation inside of every tap is no convolution: each tap stays one', async (t) => {
  const model = new ModelBuilder()
  const random = new Random(6)
  model.input('x', [1, 2, 4, 3, 3, 3])
  const taps = [0, 1, 2].map(() => model.floats([2, 2, 3, 3, 3], random.values(108)))
  const bias = model.floats([2], random.values(2))
  const pads = [1, 1, 1, 1, 1, 1]
  const frames = [0, 1].map((t) => {
    const parts = taps.map((w, i) => {
      const frame = model.node('Gather', ['x', scalar(model, t + i)], { axis: 2 })
      return model.node('Elu', [model.node('Conv', [frame, w, bias], { pads })])
    })
    const sum = model.node('Add', [model.node('Add', [parts[0]!, parts[1]!]), parts[2]!])
    return model.node('Unsqueeze', [sum, model.ints([2])])
  })
  model.node('Concat', frames, { axis: 2 }, 'y')
  model.output('y')
  const { bytes } = model
  const compiled = await compileFor('cpu', bytes)
  t.is(compiled.model, bytes)
})

test('a tensor and a cut of it are computed once', async (t) => {
  const { bytes } = tapSum(new Random(11), false)
  const proto = decodeModel(bytes)
  const cut = new ModelBuilder()
  cut.node('Slice', ['y', cut.ints([1]), cut.ints([4]), cut.ints([2])], {}, 'z')
  const extra = cut.proto.graph!
  const rename = (name: string): string => (/^c\d+$/.test(name) ? `cut_${name}` : name)
  proto.graph.initializer.push(...extra.initializer.map((i) => ({ ...i, name: rename(i.name) })))
  proto.graph.node.push(...extra.node.map((n) => ({ ...n, input: n.input.map(rename) })))
  proto.graph.output.push({ ...proto.graph.output[0]!, name: 'z' })
  const compiled = decodeModel((await compileFor('cpu', encodeModel(proto))).model)
  t.deepEqual(
    compiled.graph.node.map((n) => n.opType),
    ['Region4D', 'Slice'],
  )
})

test('ordinary models over three axes pass through byte for byte', async (t) => {
  const model = new ModelBuilder()
  const random = new Random(1)
  model.input('x', ['N', 2, 6, 6, 6])
  const weights = [4, 2, 3, 3, 3]
  const conv = model.node('Conv', ['x', model.floats(weights, random.values(volume(weights)))])
  model.node('MaxPool', [conv], { kernel_shape: [2, 2, 2] }, 'y')
  model.output('y')
  // Unsorted fields and unknown ones too: nothing is decoded and encoded again.
  const proto = ModelProto.decode(model.bytes)
  const bytes = Buffer.concat([
    encodeModel({ ...proto, graph: undefined }),
    encodeModel({ ...ModelProto.create(), graph: proto.graph }),
  ])
  for (const target of ['cpu', 'cpu-portable', 'cuda', 'tensorrt'] as const) {
    const compiled = await compileFor(target, bytes)
    t.is(compiled.model, bytes)
    t.false(compiled.rewritten)
    t.deepEqual(compiled.report.rewrites, [])
  }
})
