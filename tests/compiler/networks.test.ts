import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { compileCached } from '../../src/compiler/cache.js'
import { decodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import {
  type Array6,
  conv4d,
  normalize,
  outputSizes,
  perChannel,
  pool4d,
  reduceSpace,
  volume,
} from './lib/reference.js'

interface Value {
  readonly name: string
  readonly value: Array6
}

const ONES = [1, 1, 1, 1]

/** A random network, written node by node beside the loops that say what it computes. */
function network(random: Random): { model: ModelBuilder; inputs: Record<string, Array6>; expected: Array6 } {
  const model = new ModelBuilder(random.pick([13, 17, 21]), 10)
  const shape = [
    random.int(1, 3),
    random.int(1, 3),
    random.int(2, 5),
    random.int(4, 7),
    random.int(4, 7),
    random.int(4, 6),
  ]
  const x: Array6 = { shape, data: random.values(volume(shape)) }
  const open = random.pick([[], [0], [0, 2], [0, 2, 3, 4, 5]])
  model.input(
    'x',
    shape.map((size, axis) => (open.includes(axis) ? `s${axis}` : size)),
  )
  const channels = (v: Value): number => v.value.shape[1]!

  const conv = (v: Value, m: number, k: number, stride = 1): Value => {
    const kernel = [random.pick([1, k]), k, k, k]
    const window = {
      kernel,
      strides: [random.pick([1, stride]), stride, stride, stride],
      dilations: ONES,
      pads: [...kernel, ...kernel].map((s) => (s - 1) >> 1),
    }
    const w: Array6 = {
      shape: [m, channels(v), ...kernel],
      data: random.values(m * channels(v) * volume(kernel)),
    }
    const bias = random.chance(0.5) ? random.values(m) : null
    const terms = [v.name, model.floats(w.shape, w.data), ...(bias === null ? [] : [model.floats([m], bias)])]
    const name = model.node('Conv', terms, {
      kernel_shape: kernel,
      strides: window.strides,
      pads: window.pads,
    })
    return { name, value: conv4d(v.value, w, bias, window, 1) }
  }
  const norm = (v: Value): Value => {
    const c = channels(v)
    const [scale, shift, mean] = [random.values(c), random.values(c), random.values(c)]
    const variance = random.values(c).map((s) => Math.fround(Math.abs(s) + 0.2))
    const [s, b] = [model.floats([c], scale), model.floats([c], shift)]
    if (random.chance(0.5)) {
      return {
        name: model.node('InstanceNormalization', [v.name, s, b]),
        value: normalize(v.value, 1, 1e-5, scale, shift),
      }
    }
    const name = model.node('BatchNormalization', [
      v.name,
      s,
      b,
      model.floats([c], mean),
      model.floats([c], variance),
    ])
    return {
      name,
      value: perChannel(
        v.value,
        (e, i) => ((e - mean[i]!) / Math.sqrt(variance[i]! + 1e-5)) * scale[i]! + shift[i]!,
      ),
    }
  }
  const map = (v: Value, op: string, f: (e: number) => number, attributes = {}): Value => ({
    name: model.node(op, [v.name], attributes),
    value: { shape: v.value.shape, data: v.value.data.map(f) },
  })
  const activation = (v: Value): Value =>
    random.pick([
      () => map(v, 'Relu', (e) => Math.max(0, e)),
      () => map(v, 'LeakyRelu', (e) => (e < 0 ? e * Math.fround(0.1) : e), { alpha: { float: 0.1 } }),
      () => map(v, 'Sigmoid', (e) => 1 / (1 + Math.exp(-e))),
      // Nothing that a region has: it ends here and another one begins.
      () => map(v, 'Softplus', (e) => Math.log(1 + Math.exp(e))),
    ])()
  const pool = (v: Value): Value => {
    const sizes = v.value.shape.slice(2)
    const kernel = sizes.map((s) => (s > 1 && random.chance(0.6) ? 2 : 1))
    const window = { kernel, strides: kernel, dilations: ONES, pads: new Array<number>(8).fill(0) }
    if (outputSizes(sizes, window, false).some((s) => s < 1)) return v
    const max = random.chance(0.5)
    const name = model.node(max ? 'MaxPool' : 'AveragePool', [v.name], {
      kernel_shape: kernel,
      strides: kernel,
    })
    return { name, value: pool4d(v.value, window, max ? 'max' : 'mean', false) }
  }
  const residual = (v: Value): Value => {
    const branch = activation(norm(conv(v, channels(v), 3)))
    const name = model.node('Add', [branch.name, v.name])
    return {
      name,
      value: { shape: v.value.shape, data: v.value.data.map((e, i) => e + branch.value.data[i]!) },
    }
  }
  const concat = (v: Value): Value => {
    const branch = conv(v, 2, 1)
    const name = model.node('Concat', [v.name, branch.name], { axis: 1 })
    const [n = 0, c = 0, ...space] = v.value.shape
    const rows = Array.from({ length: n }, (_, i) => [
      ...v.value.data.subarray(i * c * volume(space), (i + 1) * c * volume(space)),
      ...branch.value.data.subarray(i * 2 * volume(space), (i + 1) * 2 * volume(space)),
    ])
    return { name, value: { shape: [n, c + 2, ...space], data: Float64Array.from(rows.flat()) } }
  }
  const excite = (v: Value): Value => {
    const mean = { name: model.node('GlobalAveragePool', [v.name]), value: reduceSpace(v.value, 'mean') }
    const gate = map(conv(mean, channels(v), 1), 'Sigmoid', (e) => 1 / (1 + Math.exp(-e)))
    const size = volume(v.value.shape.slice(2))
    const data = v.value.data.map((e, i) => e * gate.value.data[Math.floor(i / size)]!)
    return { name: model.node('Mul', [v.name, gate.name]), value: { shape: v.value.shape, data } }
  }

  let v: Value = activation(norm(conv({ name: 'x', value: x }, random.int(2, 4), 3)))
  const blocks = random.int(2, 4)
  for (let i = 0; i < blocks; i++)
    v = random.pick([residual, concat, excite, pool, activation, (u: Value) => conv(u, 3, 3, 2)])(v)
  if (random.chance(0.5))
    v = { name: model.node('GlobalAveragePool', [v.name]), value: reduceSpace(v.value, 'mean') }
  model.node('Identity', [v.name], {}, 'y')
  model.output('y')
  return { model, inputs: { x }, expected: v.value }
}

test('random networks answer as their loops do, lowered to three axes', async (t) => {
  for (let seed = 0; seed < 40; seed++) {
    const { model, inputs, expected } = network(new Random(seed))
    const { model: bytes } = await compileFor('cpu-portable', model.bytes)
    const [y] = await run({ bytes }, inputs)
    t.true(relativeError(y!, expected) < 2e-5, `seed ${seed}`)
  }
})

test('random networks answer as their loops do, in regions of own operators', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  let regions = 0
  for (let seed = 100; seed < 140; seed++) {
    const { model, inputs, expected } = network(new Random(seed))
    const options = { target: 'cpu', resolve: noFiles, exactTaps: seed % 2 === 0 } as const
    const { path } = await compileCached(model.bytes, options, {
      folder,
      onnxruntime: 'test',
      onednn: 'test',
    })
    const { readFile } = await import('node:fs/promises')
    regions += decodeModel(await readFile(path!)).graph.node.filter((n) => n.opType === 'Region4D').length
    const [y] = await run({ path: path! }, inputs)
    t.true(relativeError(y!, expected) < 1e-4, `seed ${seed}`)
  }
  t.true(regions >= 40)
})

test('between two lowered layers nothing is transposed, also where N and T are open', async (t) => {
  const model = new ModelBuilder()
  const random = new Random(3)
  model.input('x', ['N', 2, 'T', 6, 6, 6])
  const weights = (m: number, c: number): string =>
    model.floats([m, c, 3, 3, 3, 3], random.values(m * c * 81))
  const same = { pads: [1, 1, 1, 1, 1, 1, 1, 1] }
  const first = model.node('Relu', [model.node('Conv', ['x', weights(4, 2)], same)])
  const second = model.node('MaxPool', [model.node('Conv', [first, weights(4, 4)], same)], {
    kernel_shape: [1, 2, 2, 2],
    strides: [1, 2, 2, 2],
  })
  const third = model.node('Add', [model.node('Conv', [second, weights(4, 4)], same), second])
  model.node('GlobalAveragePool', [third], {}, 'y')
  model.output('y')
  const compiled = await compileFor('cpu-portable', model.bytes)
  const transposes = decodeModel(compiled.model).graph.node.filter((n) => n.opType === 'Transpose')
  t.is(transposes.length, 1, 'one, where the input comes in')
})
