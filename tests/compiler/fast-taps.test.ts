import test from 'ava'
import { type Attributes, decodeModel } from '../../src/compiler/onnx.js'
import { compile } from '../../src/compiler/compile.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { toomCook } from '../../src/compiler/toom-cook.js'
import { ModelBuilder, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { type Array6, conv4d, volume } from './lib/reference.js'

const OPTIONS = { target: 'cpu-portable', resolve: noFiles, fastTaps: true } as const

test('F(m, k) gives the m sums of k products for every m and k that is used', (t) => {
  for (let outputs = 1; outputs <= 5; outputs++) {
    for (let taps = 2; taps <= 5; taps++) {
      const random = new Random(10 * outputs + taps)
      const form = toomCook(outputs, taps)
      const [x, w] = [random.values(form.products), random.values(taps)]
      const times = (matrix: Float64Array, v: ArrayLike<number>): number[] =>
        Array.from({ length: matrix.length / v.length }, (_, r) =>
          Array.from(v).reduce((sum, e, c) => sum + e * matrix[r * v.length + c]!, 0),
        )
      const weights = times(form.weight, w)
      const y = times(
        form.output,
        times(form.input, x).map((e, i) => e * weights[i]!),
      )
      for (let i = 0; i < outputs; i++) {
        const expected = Array.from(w).reduce((sum, e, k) => sum + e * x[i + k]!, 0)
        t.true(Math.abs(y[i]! - expected) < 1e-10, `F(${outputs}, ${taps}), output ${i}`)
      }
    }
  }
})

interface Case {
  readonly random: Random
  readonly x: Array6
  readonly model: ModelBuilder
  readonly expected: Array6
}

/** A convolution with stride and dilation 1 along T, and anything along the others. */
function convolution(seed: number, opset = 17): Case {
  const random = new Random(seed)
  const kernel = [random.int(2, 5), random.int(1, 3), random.int(1, 3), random.int(1, 3)]
  const strides = [1, random.pick([1, 2]), random.pick([1, 2]), 1]
  const dilations = [1, 1, random.pick([1, 2]), 1]
  const pads = [...kernel, ...kernel].map((k) => random.int(0, k - 1))
  const groups = random.pick([1, 1, 2, 3])
  const [perGroup, m] = [random.int(1, 3), groups * random.int(1, 3)]
  const shape = [random.int(1, 2), groups * perGroup, random.int(kernel[0]!, 12), 5, 6, 4]
  const x = { shape, data: random.values(volume(shape)) }
  const weight = { shape: [m, perGroup, ...kernel], data: random.values(m * perGroup * volume(kernel)) }
  const bias = random.chance(0.5) ? random.values(m) : null
  const model = new ModelBuilder(opset)
  model.input(
    'x',
    shape.map((size, axis) => (axis !== 1 && random.chance(0.3) ? `s${axis}` : size)),
  )
  const terms = ['x', model.floats(weight.shape, weight.data)]
  if (bias !== null) terms.push(model.floats([m], bias))
  const attributes: Attributes = { kernel_shape: kernel, strides, dilations, pads, group: groups }
  model.node('Conv', terms, attributes, 'y')
  model.output('y')
  const expected = conv4d(x, weight, bias, { kernel, strides, dilations, pads }, groups)
  return { random, x, model, expected }
}

test('a convolution with the fast algorithm along time equals its loop', async (t) => {
  let fast = 0
  for (let seed = 0; seed < 60; seed++) {
    const { x, model, expected } = convolution(seed)
    const compiled = await compile(model.bytes, OPTIONS)
    fast += compiled.report.rewrites.filter(({ what }) => what.includes('along time')).length
    const [y] = await run({ bytes: compiled.model }, { x })
    t.true(relativeError(y!, expected) < 1e-4, `seed ${seed}: ${relativeError(y!, expected)}`)
  }
  t.true(fast >= 50, `${fast} of 60 took the fast form`)
})

test('the fast algorithm takes one convolution in as many groups as there are products', async (t) => {
  const { model } = convolution(3)
  const { model: bytes } = await compile(model.bytes, OPTIONS)
  const { node } = decodeModel(bytes).graph
  t.is(node.filter(({ opType }) => opType === 'Conv').length, 1)
  t.is(node.filter(({ opType }) => opType === 'MatMul').length, 2)
})

test('where the algorithm does not apply, or nobody asked for it, taps are stacked', async (t) => {
  for (const [attributes, options] of [
    [{ strides: [2, 1, 1, 1] }, OPTIONS],
    [{ dilations: [2, 1, 1, 1] }, OPTIONS],
    [{}, { ...OPTIONS, fastTaps: false }],
  ] as const) {
    const model = new ModelBuilder()
    const random = new Random(1)
    model.input('x', [1, 2, 7, 4, 4, 4])
    model.node('Conv', ['x', model.floats([2, 2, 3, 1, 1, 1], random.values(12))], attributes, 'y')
    model.output('y')
    const { report } = await compile(model.bytes, options)
    t.true(report.rewrites.some(({ what }) => what.includes('stacked into channels')))
  }
})
