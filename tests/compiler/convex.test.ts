import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { compileCached } from '../../src/compiler/cache.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { regionFault } from './lib/convex.js'
import { ModelBuilder, compileFor, relativeError, run } from './lib/model.js'
import { GRAPH_SHAPE, randomGraph } from './lib/random-graph.js'
import { Random } from './lib/random.js'
import { volume } from './lib/reference.js'

const GRAPHS = 400
/** Of these, how many are run: each opens two sessions. */
const RUN = 24

test('regions of random graphs are convex, and every graph compiles', async (t) => {
  for (let seed = 0; seed < GRAPHS; seed++) {
    const { bytes } = randomGraph(new Random(seed))
    t.is(regionFault(bytes), null, `seed ${seed}`)
    await t.notThrowsAsync(compileFor('cpu', bytes), `seed ${seed}`)
  }
})

test('random graphs give the same values in regions as lowered for ONNX Runtime', async (t) => {
  for (let seed = 0; seed < RUN; seed++) await sameValues(t, randomGraph(new Random(seed)), `seed ${seed}`)
})

/** y = x * f(x) and y = x + f(x) where f leaves a region and comes back, operands in either order. */
for (const op of ['Mul', 'Add']) {
  for (const swapped of [false, true]) {
    test(`${op} of a value with what left its region and came back, swapped: ${swapped}`, async (t) => {
      const m = new ModelBuilder(18)
      const conv = (x: string, seed: number): string =>
        m.node('Conv', [x, m.floats([2, 2, 3, 3, 3, 3], new Random(seed).values(324))], {
          pads: new Array<number>(8).fill(1),
        })
      const hidden = conv(m.input('x', ['n', ...GRAPH_SHAPE.slice(1)]), 1)
      const back = m.node('Tanh', [m.node('Softplus', [hidden])])
      m.output(conv(m.node(op, swapped ? [back, hidden] : [hidden, back]), 2))
      t.is(regionFault(m.bytes), null)
      await sameValues(t, m, op)
    })
  }
}

test('one set of weights in two regions is one side file', async (t) => {
  const m = new ModelBuilder(18)
  const weights = m.floats([2, 2, 3, 3, 3, 3], new Random(3).values(324))
  const pads = new Array<number>(8).fill(1)
  const x = m.input('x', ['n', ...GRAPH_SHAPE.slice(1)])
  const first = m.node('Conv', [x, weights], { pads })
  m.output(m.node('Conv', [m.node('Erf', [first]), weights], { pads }))
  const { files } = await compileFor('cpu', m.bytes)
  t.is(files.length, 1)
  await sameValues(t, m, 'shared weights')
})

async function sameValues(t: ExecutionContext, model: ModelBuilder, message: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  try {
    const cache = { folder, onnxruntime: 'test', onednn: 'test' }
    const compiled = await compileCached(model.bytes, { target: 'cpu', resolve: noFiles }, cache)
    const x = { shape: GRAPH_SHAPE, data: new Random(9).values(volume(GRAPH_SHAPE)) }
    const portable = await compileFor('cpu-portable', model.bytes)
    const own = compiled.path === null ? { bytes: model.bytes } : { path: compiled.path }
    const [actual, expected] = await Promise.all([run(own, { x }), run({ bytes: portable.model }, { x })])
    expected.forEach((value, i) => t.true(relativeError(actual[i]!, value) < 1e-4, message))
  } finally {
    await rm(folder, { recursive: true })
  }
}
