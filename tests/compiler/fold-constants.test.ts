import test from 'ava'
import { DataType, decodeModel } from '../../src/compiler/onnx.js'
import { floatTensor, rawTensor } from '../../src/compiler/tensors.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { volume } from './lib/reference.js'

const DIMS = [4, 2, 3, 3, 3, 3]
const COUNT = volume(DIMS)
const VALUES = new Random(5).values(COUNT)
const X = { shape: [1, 2, 3, 5, 4, 4], data: new Random(6).values(480) }

/** Weights of shape DIMS as an exporter may write them. */
const WRITTEN: Readonly<Record<string, (m: ModelBuilder) => string>> = {
  Identity: (m) => m.node('Identity', [m.floats(DIMS, VALUES)]),
  'Constant node': (m) => m.node('Identity', [m.node('Identity', [m.floats(DIMS, VALUES)])]),
  Transpose: (m) =>
    m.node('Transpose', [m.floats([...DIMS].reverse(), VALUES)], { perm: [5, 4, 3, 2, 1, 0] }),
  'a permutation that is not its own inverse': (m) =>
    m.node('Transpose', [m.floats([3, 4, 2, 3, 3, 3], VALUES)], { perm: [1, 2, 0, 3, 4, 5] }),
  Reshape: (m) => m.node('Reshape', [m.floats([COUNT], VALUES), m.ints([4, 2, 3, 3, -1, 3])]),
  Flatten: (m) =>
    m.node('Reshape', [m.node('Flatten', [m.floats([2, 4, 81], VALUES)], { axis: 2 }), m.ints(DIMS)]),
  'Cast from float16': (m) =>
    m.node('Cast', [m.initializer(floatTensor('half', DIMS, VALUES, DataType.FLOAT16))], {
      to: DataType.FLOAT,
    }),
  'Cast from float64': (m) =>
    m.node('Cast', [m.initializer(floatTensor('double', DIMS, VALUES, DataType.DOUBLE))], {
      to: DataType.FLOAT,
    }),
  'Slice with a step': (m) =>
    m.node('Slice', [
      m.floats([8, 2, 3, 3, 3, 3], new Random(7).values(2 * COUNT)),
      m.ints([7]),
      m.ints([-9]),
      m.ints([0]),
      m.ints([-2]),
    ]),
  'Slice and Concat': (m) => {
    const whole = m.floats([4, 2, 6, 3, 3, 3], new Random(8).values(2 * COUNT))
    const cut = (from: number, to: number): string =>
      m.node('Slice', [whole, m.ints([from]), m.ints([to]), m.ints([2])])
    return m.node('Concat', [cut(4, 6), cut(0, 1)], { axis: 2 })
  },
  'Unsqueeze and Concat, a stack of taps': (m) => {
    const tap = (seed: number): string =>
      m.node('Unsqueeze', [m.floats([4, 2, 3, 3, 3], new Random(seed).values(COUNT / 3)), m.ints([2])])
    return m.node('Concat', [tap(1), tap(2), tap(3)], { axis: 2 })
  },
  Gather: (m) =>
    m.node('Gather', [
      m.floats([3, 2, 3, 3, 3, 3], new Random(9).values((3 * COUNT) / 4)),
      m.ints([2, 0, -1, 1]),
    ]),
  'DequantizeLinear by channel': (m) => {
    const scale = m.floats([4], Float64Array.of(0.01, 0.02, 0.03, 0.04))
    const zero = m.initializer(rawTensor('zero', [4], DataType.INT8, Uint8Array.of(1, 0, 255, 3)))
    return m.node('DequantizeLinear', [quantized(m), scale, zero], { axis: 0 })
  },
  'DequantizeLinear of the whole': (m) =>
    m.node('DequantizeLinear', [quantized(m), m.floats([], Float64Array.of(0.02))]),
  'a weight norm': (m) => {
    const v = m.floats(DIMS, VALUES)
    const norm = m.node('ReduceL2', [v], { axes: [1, 2, 3, 4, 5], keepdims: 1 })
    const gain = m.floats([4, 1, 1, 1, 1, 1], Float64Array.of(1, 2, 3, 4))
    return m.node('Mul', [v, m.node('Div', [gain, norm])])
  },
  'parts written into zeros': (m) => {
    const zeros = m.node('ConstantOfShape', [m.ints(DIMS)])
    const at = m.initializer(
      rawTensor('at', [2, 1], DataType.INT64, new Uint8Array(BigInt64Array.of(3n, 0n).buffer)),
    )
    return m.node('ScatterND', [zeros, at, m.floats([2, 2, 3, 3, 3, 3], new Random(4).values(COUNT / 2))])
  },
}

function quantized(m: ModelBuilder): string {
  const random = new Random(3)
  return m.initializer(
    rawTensor(
      'q',
      DIMS,
      DataType.INT8,
      Uint8Array.from({ length: COUNT }, () => random.int(0, 255)),
    ),
  )
}

for (const [name, weights] of Object.entries(WRITTEN)) {
  test(`weights behind ${name} are folded into a region`, async (t) => {
    const m = new ModelBuilder(17)
    m.input('x', X.shape)
    m.node('Conv', ['x', weights(m)], { pads: new Array<number>(8).fill(1) }, 'y')
    m.output('y')
    const own = decodeModel((await compileFor('cpu', m.bytes)).model)
    t.deepEqual(
      own.graph.node.map((n) => n.opType),
      ['Region4D'],
    )
    const portable = await compileFor('cpu-portable', m.bytes)
    t.false(
      decodeModel(portable.model).graph.node.some(
        (n) => n.input.every((i) => i !== 'x') && n.opType === 'Cast',
      ),
    )
    const [[expected], [actual]] = await Promise.all([
      run({ bytes: m.bytes }, { x: X }),
      run({ bytes: portable.model }, { x: X }),
    ])
    t.true(relativeError(actual!, expected!) < 1e-5)
  })
}

test('a graph without convolutions over three or four axes is not folded', async (t) => {
  const m = new ModelBuilder(17)
  m.input('x', [1, 4])
  m.output(m.node('MatMul', ['x', m.node('Transpose', [m.floats([2, 4], new Random(1).values(8))])]))
  const { bytes } = m
  const compiled = await compileFor('cpu', bytes)
  t.is(compiled.model, bytes)
})

test('what would grow beyond all bounds is left to the run', async (t) => {
  const m = new ModelBuilder(17)
  m.input('x', X.shape)
  const huge = m.node('Expand', [m.floats([1], Float64Array.of(1)), m.ints([1 << 15, 1 << 15])])
  const sum = m.node('ReduceSum', [huge, m.ints([0, 1])], { keepdims: 0 })
  m.node('Conv', [m.node('Mul', ['x', sum]), m.floats(DIMS, VALUES)], {}, 'y')
  m.output('y')
  const compiled = decodeModel((await compileFor('cpu', m.bytes)).model)
  t.true(compiled.graph.node.some((n) => n.opType === 'Expand'))
})
