import test from 'ava'
import { compile } from '../../src/compiler/compile.js'
import { detachLargeData } from '../../src/compiler/external-data.js'
import {
  AttributeProto,
  AttributeType,
  GraphProto,
  ModelProto,
  NodeProto,
  decodeModel,
  encodeModel,
  makeAttribute,
  makeNode,
} from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { floatTensor, tensorFloats } from '../../src/compiler/tensors.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { type Array6, conv4d, perChannel } from './lib/reference.js'

const WINDOW = {
  kernel: [3, 3, 3, 3],
  strides: [1, 1, 1, 1],
  dilations: [1, 1, 1, 1],
  pads: new Array<number>(8).fill(0),
}
const X: Array6 = { shape: [2, 1, 4, 4, 4, 4], data: new Random(1).values(512) }
const W: Array6 = { shape: [2, 1, 3, 3, 3, 3], data: new Random(2).values(162) }

function single(opset = 17, irVersion = 8): ModelBuilder {
  const model = new ModelBuilder(opset, irVersion)
  model.input('x', X.shape)
  model.node('Conv', ['x', model.floats(W.shape, W.data)], {}, 'y')
  model.output('y')
  return model
}

test('a round trip loses nothing, fields without a name included', (t) => {
  const bytes = single().bytes
  // Field 999 of the model, and field 20 (training information) with a graph in it.
  const unknown = Buffer.from([0xba, 0x3e, 3, 1, 2, 3, 0xa2, 1, 2, 0x0a, 0])
  const model = decodeModel(Buffer.concat([bytes, unknown]))
  const again = Buffer.from(encodeModel(model))
  t.true(again.includes(unknown.subarray(0, 6)) && again.includes(unknown.subarray(6)))
  t.is(again.length, bytes.length + unknown.length)
})

test('raw tensors are views into the file, not copies', (t) => {
  const bytes = single().bytes
  const raw = decodeModel(bytes).graph.initializer[0]!.rawData!
  t.is(raw.buffer, bytes.buffer)
})

test('bytes that are no model, graphs with a cycle and models without a graph are MODEL_INVALID', async (t) => {
  const cyclic = ModelProto.decode(single().bytes)
  cyclic.graph!.node.push(
    makeNode('Relu', ['b'], ['a'], {}, { name: 'first' }),
    makeNode('Relu', ['a'], ['b']),
  )
  const bad = [
    Buffer.from('no model at all'),
    Buffer.alloc(0),
    encodeModel({ ...ModelProto.decode(single().bytes), graph: undefined }),
    encodeModel(cyclic),
  ]
  for (const bytes of bad) await t.throwsAsync(compileFor('cpu', bytes), { code: 'MODEL_INVALID' })
})

test('what cannot be lowered is refused with the node, the operator and the reason', async (t) => {
  const cases: [string, (m: ModelBuilder) => void, RegExp][] = [
    [
      'ConvTranspose',
      (m) => {
        m.input('w', [1, 1, 2, 2, 2, 2])
        m.node('ConvTranspose', ['x', 'w'], { strides: [2, 2, 2, 2] }, 'y')
      },
      /weights/,
    ],
    ['LpPool', (m) => m.node('LpPool', ['x'], { kernel_shape: [2, 2, 2, 2] }, 'y'), /four spatial axes/],
    [
      'Conv',
      (m) => m.node('Conv', ['x', m.floats([2, 1, 9, 1, 1, 1], new Random(1).values(18))], {}, 'y'),
      /reaches over 9 along T, with padding there are 4/,
    ],
    [
      'AveragePool',
      (m) => m.node('AveragePool', ['x'], { kernel_shape: [2, 2, 2, 2], strides: [1, 2] }, 'y'),
      /strides has 2 values/,
    ],
  ]
  for (const [op, write, reason] of cases) {
    const model = new ModelBuilder()
    model.input('x', X.shape)
    write(model)
    model.output('y')
    for (const target of ['cpu', 'cpu-portable'] as const) {
      const error = await t.throwsAsync(
        compileFor(target, model.bytes),
        { code: 'MODEL_UNSUPPORTED_OPERATOR' },
        op,
      )
      t.regex(error.message, reason)
      t.regex(error.message, new RegExp(`${op} "${op}_y"`))
    }
  }
  const indices = ModelProto.decode(new ModelBuilder().bytes)
  indices.graph = GraphProto.fromPartial({
    node: [makeNode('MaxPool', ['x'], ['y', 'i'], { kernel_shape: [2, 2, 2, 2] })],
    input: ModelProto.decode(single().bytes).graph!.input,
    output: [{ name: 'y' }, { name: 'i' }],
  })
  const error = await t.throwsAsync(compileFor('cpu', encodeModel(indices)), {
    code: 'MODEL_UNSUPPORTED_OPERATOR',
  })
  t.regex(error.message, /Indices/)
  await t.throwsAsync(compileFor('cpu', single(6).bytes), {
    code: 'MODEL_UNSUPPORTED_OPERATOR',
    message: /opset 6/,
  })
  await t.throwsAsync(compile(single().bytes, { target: 'cuda', precision: 'bf16', resolve: noFiles }), {
    code: 'INVALID_OPTION',
  })
})

test('a normalisation over four axes is folded into the convolution before it, with and without bias', async (t) => {
  for (const biased of [true, false]) {
    const random = new Random(4)
    const model = new ModelBuilder()
    model.input('x', X.shape)
    const bias = biased ? random.values(2) : null
    const terms = ['x', model.floats(W.shape, W.data), ...(bias === null ? [] : [model.floats([2], bias)])]
    const [scale, shift, mean] = [random.values(2), random.values(2), random.values(2)]
    const variance = random.values(2).map((v) => Math.abs(v) + 0.5)
    const parameters = [scale, shift, mean, variance].map((v) => model.floats([2], v))
    model.node('BatchNormalization', [model.node('Conv', terms), ...parameters], {}, 'y')
    model.output('y')
    const compiled = await compileFor('cpu-portable', model.bytes)
    t.false(decodeModel(compiled.model).graph.node.some((n) => n.opType === 'BatchNormalization'))
    const [y] = await run({ bytes: compiled.model }, { x: X })
    const raw = conv4d(X, W, bias, WINDOW, 1)
    const expected = perChannel(
      raw,
      (v, c) => ((v - mean[c]!) / Math.sqrt(variance[c]! + 1e-5)) * scale[c]! + shift[c]!,
    )
    t.true(relativeError(y!, expected) < 1e-5)
  }
})

test('a normalisation whose input somebody else reads is not folded', async (t) => {
  const model = new ModelBuilder()
  model.input('x', X.shape)
  const conv = model.node('Conv', ['x', model.floats(W.shape, W.data)], {}, 'raw')
  const ones = (): string => model.floats([2], Float64Array.of(2, 3))
  model.node('BatchNormalization', [conv, ones(), ones(), ones(), ones()], {}, 'y')
  model.output('y')
  model.output('raw')
  const compiled = await compileFor('cpu-portable', model.bytes)
  const [, raw] = await run({ bytes: compiled.model }, { x: X })
  t.true(relativeError(raw!, conv4d(X, W, null, WINDOW, 1)) < 1e-5)
})

test('weights that a caller may replace stay replaceable', async (t) => {
  const model = ModelProto.decode(single().bytes)
  const weight = model.graph!.initializer[0]!
  model.graph!.input.push(
    ...ModelProto.decode(
      (() => {
        const builder = new ModelBuilder()
        builder.input(weight.name, W.shape)
        return builder.bytes
      })(),
    ).graph!.input,
  )
  const compiled = decodeModel((await compileFor('cpu-portable', encodeModel(model))).model)
  t.true(compiled.graph.initializer.some((i) => i.name === weight.name))
  t.true(
    compiled.graph.node.some((n) => n.input.includes(weight.name)),
    'its value is used when the model runs',
  )
  // Where nobody will replace them they are weights like others.
  const options = { target: 'cpu', resolve: noFiles, constantInitializers: true } as const
  const constant = decodeModel((await compile(encodeModel(model), options)).model)
  t.deepEqual(
    constant.graph.node.map((n) => n.opType),
    ['Region4D'],
  )
  t.deepEqual(
    constant.graph.input.map((v) => v.name),
    ['x'],
  )
})

test('operators inside the branches of an If are lowered, and see values from outside', async (t) => {
  const model = ModelProto.decode(single().bytes)
  const { graph } = model
  const conv = graph!.node[0]!
  const branch = (name: string, nodes: NodeProto[]): GraphProto =>
    GraphProto.fromPartial({ name, node: nodes, output: [{ name: nodes.at(-1)!.output[0]! }] })
  const yes = branch('yes', [{ ...conv, output: ['inner'] }, makeNode('Relu', ['inner'], ['then_y'])])
  const no = branch('no', [makeNode('Conv', ['x', conv.input[1]!], ['else_y'])])
  const graphs = Object.entries({ then_branch: yes, else_branch: no })
  const attribute = graphs.map(([name, g]) =>
    AttributeProto.fromPartial({ name, type: AttributeType.GRAPH, g }),
  )
  const flag = makeNode('Constant', [], ['flag'], {
    value: { tensor: { ...floatTensor('', [], Float32Array.of(0)), dataType: 9, rawData: Uint8Array.of(1) } },
  })
  graph!.node = [flag, { ...makeNode('If', ['flag'], ['y']), attribute }]
  const compiled = await compileFor('cpu-portable', encodeModel(model))
  t.is(compiled.report.rewrites.length, 2)
  const [y] = await run({ bytes: compiled.model }, { x: X })
  const expected = conv4d(X, W, null, WINDOW, 1)
  t.true(relativeError(y!, { shape: expected.shape, data: expected.data.map((v) => Math.max(0, v)) }) < 1e-5)
})

test("calls of a model's own functions are inlined with their attributes, or refused by name", async (t) => {
  const model = ModelProto.decode(single().bytes)
  const weight = model.graph!.initializer[0]!.name
  const strides = AttributeProto.fromPartial({
    name: 'strides',
    refAttrName: 'steps',
    type: AttributeType.INTS,
  })
  const node = [
    { ...makeNode('Conv', ['a', 'b'], ['c']), attribute: [strides] },
    makeNode('Relu', ['c'], ['d']),
  ]
  const opsetImport = [{ domain: '', version: 17n }]
  const own = {
    name: 'Block',
    domain: 'mine',
    input: ['a', 'b'],
    output: ['d'],
    attribute: ['steps'],
    node,
    opsetImport,
  }
  const written = ModelProto.fromPartial({
    ...model,
    opsetImport: [...opsetImport, { domain: 'mine', version: 1n }],
    functions: [own],
    graph: {
      ...model.graph!,
      node: [
        {
          ...makeNode('Block', ['x', weight], ['y'], {}, { domain: 'mine' }),
          attribute: [makeAttribute('steps', [1, 1, 1, 1])],
        },
      ],
    },
  })
  const compiled = await compileFor('cpu-portable', encodeModel(written))
  const [y] = await run({ bytes: compiled.model }, { x: X })
  const expected = conv4d(X, W, null, WINDOW, 1)
  t.true(relativeError(y!, { shape: expected.shape, data: expected.data.map((v) => Math.max(0, v)) }) < 1e-5)

  written.functions[0]!.opsetImport[0]!.version = 13n
  await t.throwsAsync(compileFor('cpu-portable', encodeModel(written)), {
    code: 'MODEL_UNSUPPORTED_OPERATOR',
    message: /"Block"/,
  })
})

test('models too large for one message get their tensors in a side file', (t) => {
  const { graph } = decodeModel(single().bytes)
  graph.initializer = [1, 2].map((seed) => floatTensor(`t${seed}`, [400], new Random(seed).values(400)))
  const values = graph.initializer.map((tensor) => [...tensorFloats(tensor)])
  const [file] = detachLargeData(graph, 2000)
  const bytes = Buffer.concat(file!.chunks)
  graph.initializer.forEach((tensor, i) => {
    const entries = Object.fromEntries(tensor.externalData.map(({ key, value }) => [key, value]))
    t.is(entries['location'], file!.name)
    const part = bytes.subarray(
      Number(entries['offset']),
      Number(entries['offset']) + Number(entries['length']),
    )
    t.deepEqual([...new Float32Array(new Uint8Array(part).buffer)], values[i])
    t.is(tensor.rawData, undefined)
  })
  t.deepEqual(detachLargeData(decodeModel(single().bytes).graph, 2000), [])
})
