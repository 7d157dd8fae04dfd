import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { compileCached } from '../../src/compiler/cache.js'
import { type Attributes, decodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { type Array6, conv4d } from './lib/reference.js'

// What stands between two convolutions: one region on target cpu, and the same values on both targets.

const C = 8
const SHAPE = [1, C, 3, 4, 5, 6]
const PADS = { pads: [1, 1, 1, 1, 1, 1, 1, 1] }
const WINDOW = { kernel: [3, 3, 3, 3], strides: [1, 1, 1, 1], dilations: [1, 1, 1, 1], pads: PADS.pads }

type Build = (model: ModelBuilder, x: string) => string
type Reference = (x: Array6) => Array6
interface Case {
  readonly build: Build
  readonly reference: Reference
  readonly opset?: number
  /** Words of the plan's lines between the convolutions; none where all is fused. */
  readonly between: readonly string[]
}

const scalar = (model: ModelBuilder, value: number): string => model.floats([], Float32Array.of(value))
const perChannel = (model: ModelBuilder, values: Float32Array): string =>
  model.floats([C, 1, 1, 1, 1], values)
const pointwise =
  (f: (x: number, channel: number) => number): Reference =>
  ({ shape, data }) => ({
    shape,
    data: data.map((x, i) => f(x, Math.floor(i / (data.length / C)) % C)),
  })

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const softplus = (x: number): number => Math.log1p(Math.exp(x))
/** By its series, in float64. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x)
  let [sum, term] = [x, x]
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}
const gelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2))
const geluTanh = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
const mish = (x: number): number => x * Math.tanh(softplus(x))

/** x normalised over the elements with the same `key`. */
const normalised =
  (key: (channel: number, position: number) => number, centred = true): Reference =>
  ({ shape, data }) => {
    const positions = data.length / C
    const sums = new Map<number, { n: number; sum: number; squares: number }>()
    const keyOf = (i: number): number => key(Math.floor(i / positions), i % positions)
    const all = [...data]
    for (const pass of [1, 2]) {
      all.forEach((x, i) => {
        const s = sums.get(keyOf(i)) ?? { n: 0, sum: 0, squares: 0 }
        if (pass === 1) [s.n, s.sum] = [s.n + 1, s.sum + x]
        else s.squares += (x - (centred ? s.sum / s.n : 0)) ** 2
        sums.set(keyOf(i), s)
      })
    }
    return {
      shape,
      data: data.map((x, i) => {
        const { n, sum, squares } = sums.get(keyOf(i))!
        return (x - (centred ? sum / n : 0)) / Math.sqrt(squares / n + 1e-5)
      }),
    }
  }
const scaled =
  (norm: Reference, scale: Float32Array, shift: Float32Array): Reference =>
  (x) =>
    pointwise((v, c) => v * scale[c]! + shift[c]!)(norm(x))

const random = new Random(5)
const [slopes, gamma, beta] = [random.values(C), random.values(C), random.values(C)].map((v) =>
  Float32Array.from(v),
)
const ones = new Float32Array(C).fill(1)
const zeros = new Float32Array(C)

const op =
  (name: string, attributes: Attributes = {}): Build =>
  (model, x) =>
    model.node(name, [x], attributes)
const fused = (build: Build, f: (x: number, channel: number) => number, opset = 18): Case => ({
  build,
  reference: pointwise(f),
  opset,
  between: [],
})

function geluByErf(model: ModelBuilder, x: string, order: number): string {
  const inside = model.node('Add', [
    model.node('Erf', [model.node('Div', [x, scalar(model, Math.SQRT2)])]),
    scalar(model, 1),
  ])
  if (order === 0) return model.node('Mul', [model.node('Mul', [x, inside]), scalar(model, 0.5)])
  if (order === 1) return model.node('Mul', [inside, model.node('Mul', [scalar(model, 0.5), x])])
  return model.node('Mul', [x, model.node('Mul', [inside, scalar(model, 0.5)])])
}

function geluByTanh(model: ModelBuilder, x: string): string {
  const cube = model.node('Pow', [x, scalar(model, 3)])
  const inner = model.node('Add', [x, model.node('Mul', [scalar(model, 0.044715), cube])])
  const tanh = model.node('Tanh', [model.node('Mul', [inner, scalar(model, Math.sqrt(2 / Math.PI))])])
  const half = model.node('Mul', [scalar(model, 0.5), x])
  return model.node('Mul', [half, model.node('Add', [tanh, scalar(model, 1)])])
}

function groupNormByReshape(model: ModelBuilder, x: string, affine: boolean): string {
  const flat = model.node('Reshape', [x, model.ints([0, 2, -1])])
  const normal = model.node('InstanceNormalization', [
    flat,
    model.floats([2], ones.slice(0, 2)),
    model.floats([2], zeros.slice(0, 2)),
  ])
  const whole = model.node('Reshape', [normal, model.node('Shape', [x])])
  if (!affine) return whole
  return model.node('Add', [model.node('Mul', [whole, perChannel(model, gamma!)]), perChannel(model, beta!)])
}

function layerNormTransposed(model: ModelBuilder, x: string): string {
  const last = model.node('Transpose', [x], { perm: [0, 2, 3, 4, 5, 1] })
  const inputs = [last, model.floats([C], gamma!), model.floats([C], beta!)]
  return model.node('Transpose', [model.node('LayerNormalization', inputs, { axis: -1 })], {
    perm: [0, 5, 1, 2, 3, 4],
  })
}

const mean = (model: ModelBuilder, x: string, axes: readonly number[], keepdims = 1): string =>
  model.node('ReduceMean', [x, model.ints(axes)], { keepdims })

function layerNormOfMeans(model: ModelBuilder, x: string): string {
  const less = model.node('Sub', [x, mean(model, x, [1])])
  const variance = mean(model, model.node('Pow', [less, scalar(model, 2)]), [1])
  const root = model.node('Sqrt', [model.node('Add', [variance, scalar(model, 1e-5)])])
  const normal = model.node('Div', [less, root])
  return model.node('Add', [model.node('Mul', [perChannel(model, gamma!), normal]), perChannel(model, beta!)])
}

function rmsNorm(model: ModelBuilder, x: string): string {
  const squares = mean(model, model.node('Mul', [x, x]), [1])
  const root = model.node('Sqrt', [model.node('Add', [squares, scalar(model, 1e-5)])])
  const normal = model.node('Mul', [x, model.node('Reciprocal', [root])])
  return model.node('Mul', [normal, perChannel(model, gamma!)])
}

const CASES: Readonly<Record<string, Case>> = {
  Gelu: fused(op('Gelu'), gelu, 20),
  'Gelu by tanh': fused(op('Gelu', { approximate: 'tanh' }), geluTanh, 20),
  'GELU of Erf': fused((m, x) => geluByErf(m, x, 0), gelu),
  'GELU of Erf, halved first': fused((m, x) => geluByErf(m, x, 1), gelu),
  'GELU of Erf, the sum halved': fused((m, x) => geluByErf(m, x, 2), gelu),
  'GELU of Tanh': fused(geluByTanh, geluTanh),
  'quick GELU': fused(
    (m, x) => m.node('Mul', [x, m.node('Sigmoid', [m.node('Mul', [x, scalar(m, 1.702)])])]),
    (x) => x * sigmoid(1.702 * x),
  ),
  SiLU: fused(
    (m, x) => m.node('Mul', [m.node('Sigmoid', [x]), x]),
    (x) => x * sigmoid(x),
  ),
  Mish: fused(op('Mish'), mish),
  'Mish of Softplus and Tanh': fused(
    (m, x) => m.node('Mul', [m.node('Tanh', [m.node('Softplus', [x])]), x]),
    mish,
  ),
  Elu: fused(op('Elu', { alpha: { float: 0.7 } }), (x) => (x > 0 ? x : Math.fround(0.7) * Math.expm1(x))),
  Selu: fused(op('Selu'), (x) => 1.0507010221481323 * (x > 0 ? x : 1.6732631921768188 * Math.expm1(x))),
  Softplus: fused(op('Softplus'), softplus),
  Softsign: fused(op('Softsign'), (x) => x / (1 + Math.abs(x))),
  HardSwish: fused(op('HardSwish'), (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1)),
  'HardSwish of HardSigmoid': fused(
    (m, x) =>
      m.node('Mul', [x, m.node('HardSigmoid', [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } })]),
    (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1),
  ),
  'HardSwish of Clip': fused(
    (m, x) => {
      const six = m.node('Clip', [m.node('Add', [x, scalar(m, 3)]), scalar(m, 0), scalar(m, 6)])
      return m.node('Div', [m.node('Mul', [x, six]), scalar(m, 6)])
    },
    (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
  ),
  HardSigmoid: fused(op('HardSigmoid'), (x) => Math.min(Math.max(Math.fround(0.2) * x + 0.5, 0), 1)),
  'PRelu by channel': fused(
    (m, x) => m.node('PRelu', [x, perChannel(m, slopes!)]),
    (x, c) => (x < 0 ? x * slopes![c]! : x),
  ),
  Exp: fused(op('Exp'), Math.exp),
  Abs: fused(op('Abs'), Math.abs),
  'Max with a constant': fused(
    (m, x) => m.node('Max', [x, scalar(m, 0.1)]),
    (x) => Math.max(x, Math.fround(0.1)),
  ),
  GroupNormalization: {
    opset: 21,
    build: (m, x) =>
      m.node('GroupNormalization', [x, m.floats([C], gamma!), m.floats([C], beta!)], { num_groups: 2 }),
    reference: scaled(
      normalised((c) => Math.floor(c / 4)),
      gamma!,
      beta!,
    ),
    between: ['group_norm'],
  },
  'group norm by Reshape': {
    build: (m, x) => groupNormByReshape(m, x, false),
    reference: normalised((c) => Math.floor(c / 4)),
    between: ['group_norm'],
  },
  'group norm by Reshape with scales': {
    build: (m, x) => groupNormByReshape(m, x, true),
    reference: scaled(
      normalised((c) => Math.floor(c / 4)),
      gamma!,
      beta!,
    ),
    between: ['group_norm'],
  },
  'LayerNormalization between transpositions': {
    build: layerNormTransposed,
    reference: scaled(
      normalised((_, position) => position),
      gamma!,
      beta!,
    ),
    between: ['channel_norm'],
  },
  'layer norm of means': {
    build: layerNormOfMeans,
    reference: scaled(
      normalised((_, position) => position),
      gamma!,
      beta!,
    ),
    between: ['channel_norm'],
  },
  'RMS norm': {
    build: rmsNorm,
    reference: scaled(
      normalised((_, position) => position, false),
      gamma!,
      zeros,
    ),
    between: ['channel_norm'],
  },
  'RMS norm, then SiLU': {
    build: (m, x) => {
      const normal = rmsNorm(m, x)
      return m.node('Mul', [normal, m.node('Sigmoid', [normal])])
    },
    reference: (x) =>
      pointwise((v) => v * sigmoid(v))(
        scaled(
          normalised((_, p) => p, false),
          gamma!,
          zeros,
        )(x),
      ),
    between: ['channel_norm'],
  },
  'BatchNormalization on its own': {
    build: (m, x) => {
      const squashed = m.node('Softsign', [x])
      const parameters = [gamma!, beta!, zeros, ones].map((v) => m.floats([C], v))
      return m.node('BatchNormalization', [squashed, ...parameters], { epsilon: { float: 0 } })
    },
    reference: pointwise((x, c) => (x / (1 + Math.abs(x))) * gamma![c]! + beta![c]!),
    between: ['scale_shift'],
  },
  'a gate of means over space': {
    build: (m, x) => m.node('Mul', [x, m.node('Sigmoid', [mean(m, x, [2, 3, 4, 5])])]),
    reference: ({ shape, data }) => {
      const positions = data.length / C
      return {
        shape,
        data: data.map((x, i) => {
          const from = Math.floor(i / positions) * positions
          return x * sigmoid(data.slice(from, from + positions).reduce((a, b) => a + b) / positions)
        }),
      }
    },
    between: ['global_average_pool', 'activation', 'mul'],
  },
  'a gate of means over channels': {
    build: (m, x) => m.node('Mul', [m.node('Sigmoid', [mean(m, x, [1])]), x]),
    reference: ({ shape, data }) => {
      const positions = data.length / C
      return {
        shape,
        data: data.map((x, i) => {
          const all = Array.from({ length: C }, (_, c) => data[c * positions + (i % positions)]!)
          return x * sigmoid(all.reduce((a, b) => a + b) / C)
        }),
      }
    },
    between: ['channel_mean', 'activation', 'mul'],
  },
}

/** Squeeze and excitation by two linear layers of these weights, [C, 2] and [2, C]. */
const [squeeze, excite] = [random.values(C * 2), random.values(C * 2)]
const excitation: Reference = ({ shape, data }) => {
  const positions = data.length / C
  const means = Array.from({ length: C }, (_, c) =>
    data.slice(c * positions, (c + 1) * positions).reduce((a, b) => a + b / positions, 0),
  )
  const hidden = [0, 1].map((j) =>
    Math.max(
      0,
      means.reduce((sum, v, c) => sum + v * squeeze[c * 2 + j]!, 0.25),
    ),
  )
  const gates = means.map((_, c) => sigmoid(hidden[0]! * excite[c]! + hidden[1]! * excite[C + c]!))
  return { shape, data: data.map((x, i) => x * gates[Math.floor(i / positions)]!) }
}
const EXCITED = ['global_average_pool', 'conv', 'conv', 'mul']

/** The linear layers between what squeezes to [N, C] and what brings back six axes. */
function linearLayers(model: ModelBuilder, flat: string, gemm: boolean): string {
  const quarter = new Float32Array(2).fill(0.25)
  if (gemm) {
    const transposed = Float64Array.from(
      { length: 2 * C },
      (_, i) => squeeze[(i % C) * 2 + Math.floor(i / C)]!,
    )
    const first = [flat, model.floats([2, C], transposed), model.floats([2], quarter)]
    const hidden = model.node('Relu', [model.node('Gemm', first, { transB: 1 })])
    return model.node('Sigmoid', [model.node('Gemm', [hidden, model.floats([2, C], excite)])])
  }
  const product = model.node('MatMul', [flat, model.floats([C, 2], squeeze)])
  const hidden = model.node('Relu', [model.node('Add', [product, model.floats([2], quarter)])])
  return model.node('Sigmoid', [model.node('MatMul', [hidden, model.floats([2, C], excite)])])
}

const EXCITATIONS: Readonly<Record<string, Case>> = {
  'squeeze and excitation of a mean and MatMul': {
    build: (m, x) => {
      const gate = linearLayers(m, mean(m, x, [2, 3, 4, 5], 0), false)
      return m.node('Mul', [x, m.node('Unsqueeze', [gate, m.ints([2, 3, 4, 5])])])
    },
    reference: excitation,
    between: ['global_average_pool', 'conv', 'scale_shift', 'conv', 'mul'],
  },
  'squeeze and excitation of a pool and Gemm': {
    build: (m, x) => {
      const flat = m.node('Flatten', [m.node('GlobalAveragePool', [x])])
      const gate = linearLayers(m, flat, true)
      return m.node('Mul', [m.node('Reshape', [gate, m.ints([-1, C, 1, 1, 1, 1])]), x])
    },
    reference: excitation,
    between: EXCITED,
  },
}

for (const [name, { build, reference, opset = 18, between }] of Object.entries({
  ...CASES,
  ...EXCITATIONS,
})) {
  test(`between two convolutions: ${name}`, async (t) => {
    const values = new Random(11)
    const weights = [0, 1].map(() => ({
      shape: [C, C, 3, 3, 3, 3],
      data: values.values(C * C * 81).map((v) => v / 15),
    }))
    const x: Array6 = { shape: SHAPE, data: values.values(SHAPE.reduce((a, b) => a * b)) }
    const model = new ModelBuilder(opset)
    const [first, second] = weights.map((w) => model.floats(w.shape, w.data))
    model.input('x', ['n', ...SHAPE.slice(1)])
    const middle = build(model, model.node('Conv', ['x', first!], PADS))
    model.node('Conv', [middle, second!], PADS, 'y')
    model.output('y')

    const hidden = reference(conv4d(x, weights[0]!, null, WINDOW, 1))
    const expected = conv4d(hidden, weights[1]!, null, WINDOW, 1)
    const portable = await compileFor('cpu-portable', model.bytes)
    const [y] = await run({ bytes: portable.model }, { x })
    t.true(relativeError(y!, expected) < 1e-5, 'cpu-portable')

    const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const versions = { folder, onnxruntime: 'test', onednn: 'test' }
    const options = { target: 'cpu', resolve: noFiles, exactTaps: true } as const
    const { path } = await compileCached(model.bytes, options, versions)
    const nodes = decodeModel(await readFile(path!)).graph.node
    t.deepEqual(
      nodes.map((n) => n.opType),
      ['Region4D'],
    )
    const plan = Buffer.from(nodes[0]!.attribute.find((a) => a.name === 'plan')!.s).toString()
    const words = plan.split('\n').map((line) => line.split(' ')[0]!)
    const steps = words.slice(words.indexOf('conv') + 1, words.lastIndexOf('conv'))
    t.deepEqual(steps, between)
    const [z] = await run({ path: path! }, { x })
    t.true(relativeError(z!, expected) < 1e-5, 'cpu')
  })
}
