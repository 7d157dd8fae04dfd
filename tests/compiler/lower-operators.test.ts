import test from 'ava'
import { Graph } from '../../src/compiler/graph.js'
import { type Attributes, decodeModel } from '../../src/compiler/onnx.js'
import { Shapes } from '../../src/compiler/shapes.js'
import { ModelBuilder, type Size, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import {
  type Array6,
  type Window,
  conv4d,
  normalize,
  outputSizes,
  perChannel,
  pool4d,
  reduceSpace,
  samePads,
  volume,
} from './lib/reference.js'

const SPATIAL = ['T', 'D', 'H', 'W']
const WINDOWED = /^(Conv|MaxPool|AveragePool|Global|BatchNorm|InstanceNorm|GroupNorm)/

/** Every operator that convolves, pools or normalises must be left with rank 5 or less. */
function highestRank(bytes: Uint8Array): number {
  const graph = Graph.of(decodeModel(bytes))
  const shapes = new Shapes(graph)
  const ranks = graph.nodes.filter((n) => WINDOWED.test(n.opType)).map((n) => shapes.rank(n.input[0]!) ?? 0)
  return Math.max(0, ...ranks)
}

function input(random: Random, channels: number, least: readonly number[]): Array6 {
  const shape = [random.int(1, 2), channels, ...least.map((low) => random.int(low, Math.max(low, 5)))]
  return { shape, data: random.values(volume(shape)) }
}

/** The shape as a model declares it: each size fixed or open, all of them open now and then. */
function declared(random: Random, shape: readonly number[]): Size[] {
  const open = random.pick([0, 0.4, 1])
  return shape.map((size, axis) => (axis !== 1 && random.chance(open) ? random.pick([`s${axis}`, '']) : size))
}

function window(
  random: Random,
  dilated: boolean,
  poolLike: boolean,
): { window: Window; attributes: Attributes; least: number[]; auto: string } {
  const kernel = SPATIAL.map(() => random.int(1, 3))
  const strides = SPATIAL.map(() => random.pick([1, 1, 2]))
  const dilations = SPATIAL.map(() => (dilated && random.chance(0.3) ? 2 : 1))
  const auto = random.pick(['NOTSET', 'NOTSET', 'NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'])
  const most = (k: number): number => (poolLike ? k - 1 : 2)
  const pads = [...kernel, ...kernel].map((k) =>
    auto === 'NOTSET' && random.chance(0.6) ? random.int(0, most(k)) : 0,
  )
  const least = kernel.map((k, i) =>
    Math.max(1, (k - 1) * dilations[i]! + 1 - (auto.startsWith('SAME') ? 5 : 0)),
  )
  const attributes: Attributes = {
    kernel_shape: kernel,
    strides,
    ...(dilations.some((d) => d > 1) ? { dilations } : {}),
    ...(auto === 'NOTSET' ? { pads } : { auto_pad: auto }),
  }
  return { window: { kernel, strides, dilations, pads }, attributes, least, auto }
}

function resolved(w: Window, auto: string, sizes: readonly number[]): Window {
  return auto.startsWith('SAME') ? { ...w, pads: samePads(sizes, w, auto === 'SAME_UPPER') } : w
}

for (const opset of [7, 9, 10, 11, 13, 17, 21, 23]) {
  test(`Conv over four axes equals its loop for random attributes and open sizes, opset ${opset}`, async (t) => {
    for (let seed = 0; seed < 24; seed++) {
      const random = new Random(opset * 1000 + seed)
      const { window: w, attributes, least, auto } = window(random, true, false)
      const groups = random.pick([1, 1, 2, 3])
      const perGroup = random.int(1, 2)
      const m = groups * random.int(1, 2)
      const x = input(random, groups * perGroup, least)
      const weight = {
        shape: [m, perGroup, ...w.kernel],
        data: random.values(m * perGroup * volume(w.kernel)),
      }
      const bias = random.chance(0.5) ? random.values(m) : null
      const model = new ModelBuilder(opset, opset < 9 ? 3 : 8)
      const open = declared(random, x.shape)
      const stepsOverOpenSize = open.some(
        (size, axis) => axis > 1 && typeof size === 'string' && w.strides[axis - 2]! > 1,
      )
      const dilatedSpace = w.dilations.slice(1).some((d) => d > 1)
      // What the compiler refuses by design is tested by name below.
      if (auto.startsWith('SAME') && stepsOverOpenSize && (opset < 11 || dilatedSpace)) continue
      model.input('x', open)
      const atRun = random.chance(0.2)
      const inputs = { x, ...(atRun ? { w: weight } : {}) }
      const name = atRun ? model.input('w', weight.shape) : model.floats(weight.shape, weight.data)
      const terms = bias === null ? ['x', name] : ['x', name, model.floats([m], bias)]
      model.node('Conv', terms, { ...attributes, ...(groups > 1 ? { group: groups } : {}) }, 'y')
      model.output('y')
      const compiled = await compileFor('cpu-portable', model.bytes)
      t.true(compiled.rewritten)
      t.true(highestRank(compiled.model) <= 5)
      const [y] = await run({ bytes: compiled.model }, inputs)
      const expected = conv4d(x, weight, bias, resolved(w, auto, x.shape.slice(2)), groups)
      t.true(relativeError(y!, expected) < 1e-5, `opset ${opset}, seed ${seed}`)
    }
  })
}

for (const kind of ['max', 'mean', 'mean with padding'] as const) {
  test(`${kind} pooling over four axes equals its loop for random attributes and open sizes`, async (t) => {
    for (let seed = 0; seed < 60; seed++) {
      const random = new Random(7000 + seed)
      const { window: w, attributes, least, auto } = window(random, kind === 'max', true)
      const ceil = auto === 'NOTSET' && random.chance(0.4)
      const x = input(random, random.int(1, 3), least)
      const full = resolved(w, auto, x.shape.slice(2))
      const sizes = outputSizes(x.shape.slice(2), full, ceil)
      if (sizes.some((size) => size < 1)) continue
      const model = new ModelBuilder(random.pick([13, 17, 21]))
      const open = declared(random, x.shape)
      const stepsOverOpenSize = open.some(
        (size, axis) => axis > 1 && typeof size === 'string' && w.strides[axis - 2]! > 1,
      )
      const refused = w.dilations.some((d) => d > 1) || w.kernel.some((k, i) => k < w.strides[i]!)
      if (auto.startsWith('SAME') && stepsOverOpenSize && refused) continue
      const expected = pool4d(x, full, kind, ceil)
      // The largest or the mean of padding alone is nothing that ONNX defines.
      if (!expected.data.every(Number.isFinite)) continue
      model.input('x', open)
      model.node(
        kind === 'max' ? 'MaxPool' : 'AveragePool',
        ['x'],
        {
          ...attributes,
          ...(ceil ? { ceil_mode: 1 } : {}),
          ...(kind === 'mean with padding' ? { count_include_pad: 1 } : {}),
        },
        'y',
      )
      model.output('y')
      const compiled = await compileFor('cpu-portable', model.bytes)
      t.true(highestRank(compiled.model) <= 5)
      const [y] = await run({ bytes: compiled.model }, { x })
      t.true(relativeError(y!, expected) < 1e-5, `seed ${seed}`)
    }
  })
}

for (const [op, reference] of Object.entries({
  GlobalAveragePool: (x: Array6) => reduceSpace(x, 'mean'),
  GlobalMaxPool: (x: Array6) => reduceSpace(x, 'max'),
})) {
  test(`${op} over four axes equals its loop, plain and after a convolution`, async (t) => {
    for (let seed = 0; seed < 12; seed++) {
      const random = new Random(900 + seed)
      const x = input(random, 2, [2, 2, 2, 2])
      const model = new ModelBuilder(random.pick([11, 17, 18]))
      model.input('x', declared(random, x.shape))
      const after = seed % 2 === 1
      const weight = { shape: [3, 2, 1, 1, 1, 1], data: random.values(6) }
      const from = after ? model.node('Conv', ['x', model.floats(weight.shape, weight.data)]) : 'x'
      model.node(op, [from], {}, 'y')
      model.output('y')
      const compiled = await compileFor('cpu-portable', model.bytes)
      const [y] = await run({ bytes: compiled.model }, { x })
      const one = {
        kernel: [1, 1, 1, 1],
        strides: [1, 1, 1, 1],
        dilations: [1, 1, 1, 1],
        pads: new Array<number>(8).fill(0),
      }
      const expected = reference(after ? conv4d(x, weight, null, one, 1) : x)
      t.true(relativeError(y!, expected) < 1e-5, `seed ${seed}`)
      t.true(highestRank(compiled.model) <= 5)
    }
  })
}

test('normalisations over four axes see all of T', async (t) => {
  for (let seed = 0; seed < 18; seed++) {
    const random = new Random(500 + seed)
    const x = input(random, 4, [2, 2, 2, 2])
    const [scale, shift, mean] = [random.values(4), random.values(4), random.values(4)]
    const variance = random.values(4).map((v) => Math.abs(v) + 0.1)
    const model = new ModelBuilder(21, 10)
    model.input('x', declared(random, x.shape))
    const [s, b] = [model.floats([4], scale), model.floats([4], shift)]
    const kind = seed % 3
    if (kind === 0) model.node('InstanceNormalization', ['x', s, b], { epsilon: { float: 1e-3 } }, 'y')
    if (kind === 1)
      model.node('GroupNormalization', ['x', s, b], { epsilon: { float: 1e-3 }, num_groups: 2 }, 'y')
    if (kind === 2) {
      const statistics = [model.floats([4], mean), model.floats([4], variance)]
      model.node('BatchNormalization', ['x', s, b, ...statistics], { epsilon: { float: 1e-3 } }, 'y')
    }
    model.output('y')
    const compiled = await compileFor('cpu-portable', model.bytes)
    t.true(highestRank(compiled.model) <= 5)
    const [y] = await run({ bytes: compiled.model }, { x })
    const expected =
      kind < 2
        ? normalize(x, kind + 1, 1e-3, scale, shift)
        : perChannel(x, (v, c) => ((v - mean[c]!) / Math.sqrt(variance[c]! + 1e-3)) * scale[c]! + shift[c]!)
    t.true(relativeError(y!, expected) < 1e-5, `seed ${seed}`)
  }
})
