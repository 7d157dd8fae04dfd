import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { compileCached } from '../../src/compiler/cache.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { ModelBuilder, run } from './lib/model.js'
import { Random } from './lib/random.js'
import { type Array6, conv4d, volume } from './lib/reference.js'

const SHAPE = [1, 8, 7, 8, 8, 10]
const FRAME = volume(SHAPE.slice(3))
const WINDOW = {
  kernel: [3, 3, 3, 3],
  strides: [1, 1, 1, 1],
  dilations: [1, 1, 1, 1],
  pads: [1, 1, 1, 1, 1, 1, 1, 1],
}
const frameOf = (i: number): number => Math.floor(i / FRAME) % SHAPE[2]!

/** A convolution on target cpu, its algorithm chosen when it is loaded, and what loops in float64 make of it. */
async function convolve(t: ExecutionContext, x: Array6): Promise<{ found: Array6; expected: Array6 }> {
  const random = new Random(8)
  const w: Array6 = {
    shape: [8, 8, 3, 3, 3, 3],
    data: random.values(64 * 81).map((v) => Math.fround(v / 20)),
  }
  const model = new ModelBuilder()
  model.input('x', ['n', ...SHAPE.slice(1)])
  model.node('Conv', ['x', model.floats(w.shape, w.data)], { pads: WINDOW.pads }, 'y')
  model.output('y')
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const versions = { folder, onnxruntime: 'test', onednn: 'test' }
  const { path } = await compileCached(model.bytes, { target: 'cpu', resolve: noFiles }, versions)
  const [found] = await run({ path: path! }, { x })
  return { found: found!, expected: conv4d(x, w, null, WINDOW, 1) }
}

const noise = (): Array6 => ({ shape: SHAPE, data: new Random(9).values(volume(SHAPE)) })

test('a frame a million times brighter costs the frames that do not see it nothing', async (t) => {
  const x = noise()
  x.data.forEach((v, i) => (x.data[i] = Math.fround(frameOf(i) === 5 ? v * 1e6 : v)))
  const { found, expected } = await convolve(t, x)
  const errors = new Array<number>(SHAPE[2]!).fill(0)
  const largest = new Array<number>(SHAPE[2]!).fill(0)
  expected.data.forEach((want, i) => {
    const frame = frameOf(i)
    errors[frame] = Math.max(errors[frame]!, Math.abs(want - found.data[i]!))
    largest[frame] = Math.max(largest[frame]!, Math.abs(want))
  })
  errors.forEach((error, frame) =>
    t.true(error / largest[frame]! < 1e-5, `frame ${frame}: ${error / largest[frame]!}`),
  )
})

for (const odd of [NaN, Infinity, 1e38]) {
  test(`${odd} reaches the outputs that see it, and no others`, async (t) => {
    const x = noise()
    x.data[FRAME * 3 + 500] = Math.fround(odd)
    const { found, expected } = await convolve(t, x)
    const sees = (v: number): boolean => !(Math.abs(v) < 1e20)
    const reached = (of: Array6): number => of.data.reduce((sum, v) => sum + (sees(v) ? 1 : 0), 0)
    t.true(reached(expected) > 0)
    t.is(reached(found), reached(expected))
    t.true(expected.data.every((want, i) => sees(want) || Math.abs(want - found.data[i]!) < 1e-4))
  })
}
