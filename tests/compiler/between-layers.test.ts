import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { compileCached } from '../../src/compiler/cache.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { type Array6, volume } from './lib/reference.js'

// ONNX Runtime runs a convolution over four axes by itself, slowly: it is the reference for what may stand
// between two of them.
const SHAPE = [2, 3, 4, 5, 4, 3]
const random = new Random(77)
const array = (shape: readonly number[]): Array6 => ({ shape, data: random.values(volume(shape)) })

/** A node between the layers, on `v` of shape SHAPE and a second tensor over four axes of the same shape. */
const BETWEEN: Record<string, (m: ModelBuilder, v: string, u: string) => string> = {
  nothing: (_, v) => v,
  'Add of the same shape': (m, v, u) => m.node('Add', [v, u]),
  'Sub from a graph input': (m, v) => m.node('Sub', ['other', v]),
  'Mul by [N, C, 1, 1, 1, 1]': (m, v) => m.node('Mul', [v, m.node('ReduceMean', [v, m.ints([2, 3, 4, 5])])]),
  'Mul by [1, 1, T, 1, 1, 1]': (m, v) => m.node('Mul', [v, constant(m, [1, 1, 4, 1, 1, 1])]),
  'Div by a constant': (m, v) => m.node('Div', [v, m.floats([], Float64Array.of(3))]),
  'a constant minus it': (m, v) => m.node('Sub', [constant(m, [3, 1, 1, 1, 1]), v]),
  'Add of [C, 1, 1, 1, 1]': (m, v) => m.node('Add', [v, constant(m, [3, 1, 1, 1, 1])]),
  'Add of [T, D, H, W]': (m, v) => m.node('Add', [v, constant(m, [4, 5, 4, 3])]),
  'Add of [H, W]': (m, v) => m.node('Add', [v, constant(m, [4, 3])]),
  'Max of three': (m, v, u) => m.node('Max', [v, u, m.floats([1], Float64Array.of(0.1))]),
  'PRelu per channel': (m, v) => m.node('PRelu', [v, constant(m, [3, 1, 1, 1, 1])]),
  'PRelu with one slope': (m, v) => m.node('PRelu', [v, m.floats([1], Float64Array.of(0.2))]),
  Clip: (m, v) =>
    m.node('Clip', [v, m.floats([], Float64Array.of(-0.2)), m.floats([], Float64Array.of(0.3))]),
  'Clip without an upper bound': (m, v) => m.node('Clip', [v, m.floats([], Float64Array.of(-0.2))]),
  Elu: (m, v) => m.node('Elu', [v]),
  Where: (m, v, u) => m.node('Where', [m.node('Greater', [v, m.floats([], Float64Array.of(0))]), v, u]),
  'Softmax over channels': (m, v) => m.node('Softmax', [v], { axis: 1 }),
  'Concat of frames': (m, v, u) => m.node('Concat', [v, u], { axis: 2 }),
  'Concat of rows of the batch': (m, v, u) => m.node('Concat', [v, u], { axis: 0 }),
  'Concat along width': (m, v, u) => m.node('Concat', [v, u], { axis: -1 }),
  'Pad of space': (m, v) => m.node('Pad', [v, m.ints([0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0])]),
  'Pad of time': (m, v) => m.node('Pad', [v, m.ints([0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0])]),
  'Pad by reflection': (m, v) =>
    m.node('Pad', [v, m.ints([0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0])], { mode: 'reflect' }),
  'Slice of time': (m, v) => m.node('Slice', [v, m.ints([1]), m.ints([4]), m.ints([2])]),
  'a mean over width': (m, v) => m.node('ReduceMean', [v, m.ints([5])]),
  'a round of transpositions': (m, v) =>
    m.node('Transpose', [m.node('Transpose', [v], { perm: [0, 3, 4, 5, 1, 2] })], {
      perm: [0, 4, 5, 1, 2, 3],
    }),
}

function constant(m: ModelBuilder, shape: readonly number[]): string {
  return m.floats(shape, new Random(volume(shape)).values(volume(shape)))
}

function network(
  between: (m: ModelBuilder, v: string, u: string) => string,
  open: readonly number[],
): Uint8Array {
  const m = new ModelBuilder(18)
  const shape = SHAPE.map((size, axis) => (open.includes(axis) ? `s${axis}` : size))
  m.input('x', shape)
  m.input('other', shape)
  const conv = (v: string, seed: number): string =>
    m.node('Conv', [v, m.floats([3, 3, 3, 1, 3, 1], new Random(seed).values(81))], {
      pads: [1, 0, 1, 0, 1, 0, 1, 0],
    })
  const value = between(m, conv('x', 1), conv('x', 2))
  m.node('Conv', [value, m.floats([3, 3, 2, 2, 1, 1], new Random(3).values(36))], {}, 'y')
  m.output('y')
  return m.bytes
}

for (const [name, between] of Object.entries(BETWEEN)) {
  test(`between two layers, ${name}, computes what ONNX Runtime computes`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const inputs = { x: array(SHAPE), other: array(SHAPE) }
    for (const open of [[], [0, 2, 3, 4, 5]]) {
      const bytes = network(between, open)
      const [expected] = await run({ bytes }, inputs)
      const { model } = await compileFor('cpu-portable', bytes)
      const [portable] = await run({ bytes: model }, inputs)
      t.true(relativeError(portable!, expected!) < 1e-5, `cpu-portable, open sizes ${open.join()}`)
      const cache = { folder, onnxruntime: 'test', onednn: 'test' }
      const { path } = await compileCached(bytes, { target: 'cpu', resolve: noFiles }, cache)
      const [own] = await run({ path: path! }, inputs)
      t.true(relativeError(own!, expected!) < 1e-4, `cpu, open sizes ${open.join()}`)
    }
  })
}

test('a value that is read inside a region and outside of it reaches both', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const m = new ModelBuilder(18)
  m.input('x', SHAPE)
  const conv = (v: string, seed: number): string =>
    m.node('Conv', [v, m.floats([3, 3, 1, 1, 1, 1], new Random(seed).values(9))])
  const first = conv('x', 1)
  // Leaves the region and comes back: the two halves must not become one node.
  const outside = m.node('Elu', [m.node('Relu', [first])])
  const dropped = m.node('Identity', [first])
  const sum = m.node('Add', [conv(outside, 2), conv(dropped, 3)])
  m.node('Identity', [sum], {}, 'y')
  m.node('Identity', [first], {}, 'z')
  m.output('y')
  m.output('z')
  const inputs = { x: array(SHAPE) }
  const expected = await run({ bytes: m.bytes }, inputs)
  const cache = { folder, onnxruntime: 'test', onednn: 'test' }
  const { path } = await compileCached(m.bytes, { target: 'cpu', resolve: noFiles }, cache)
  const actual = await run({ path: path! }, inputs)
  expected.forEach((want, i) => t.true(relativeError(actual[i]!, want) < 1e-4))
})
