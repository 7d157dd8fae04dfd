import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { compileCached } from '../../src/compiler/cache.js'
import { noFiles } from '../../src/compiler/resolver.js'
import type { NativePreprocessOptions } from '../../src/engine/native.js'
import { DEFAULT_SESSION_OPTIONS, loadEngine } from '../../src/engine/index.js'
import { ModelBuilder } from '../compiler/lib/model.js'
import { Random } from '../compiler/lib/random.js'
import { addonPath } from './support.js'

const engine = loadEngine({ addonPath })
/** Far below the least normal float32, 1.2e-38. */
const DENORMAL = 1e-40
const SHAPE = [1, 8, 4, 20, 20, 20]

/** Processor time of all threads of the process while `work` runs, in ms. */
async function processorTime(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** The least of several: others use the machine too. */
async function least(rounds: number, work: () => Promise<unknown>): Promise<number> {
  let time = Infinity
  for (let i = 0; i < rounds; i++) time = Math.min(time, await processorTime(work))
  return time
}

/** Denormal arithmetic as this very thread does it; the numbers come from memory, so that nothing is folded. */
function halfOfTheLeast(): number {
  const numbers = Float64Array.of(2 ** -1073, 0.5)
  return numbers[0]! * numbers[1]!
}

function values(scale: number): Uint8Array {
  const random = new Random(7)
  const count = SHAPE.reduce((a, b) => a * b, 1)
  return new Uint8Array(Float32Array.from(random.values(count), (value) => value * scale).buffer)
}

for (const target of ['cpu', 'cpu-portable'] as const) {
  test.serial(`${target}: a request of denormals takes no more processor time than others`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'sentinode-denormals-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const model = new ModelBuilder()
    const random = new Random(3)
    const weights = model.floats([8, 8, 3, 3, 3, 3], random.values(8 * 8 * 81))
    const sum = model.node('Conv', [model.input('x', SHAPE), weights], { pads: Array<number>(8).fill(1) })
    // A pointwise operator of ONNX Runtime's own behind it.
    const power = model.node('Mul', [model.node('Abs', [sum]), model.floats([1], Float32Array.of(0.3))])
    model.node('Mul', [power, model.floats([1], Float32Array.of(0.7))], {}, 'y')
    model.output('y', SHAPE)
    const { version: onnxruntime, onednn } = engine.runtime
    const cache = { folder, onnxruntime, onednn }
    const compiled = await compileCached(model.bytes, { target, resolve: noFiles }, cache)
    const session = await engine.createSession({
      ...DEFAULT_SESSION_OPTIONS,
      modelPath: compiled.path,
      threads: 2,
      allowSpinning: false,
    })
    const instance = session.createInstance('denormals', false)
    const run = async (input: Uint8Array) => {
      const payload = { inputs: [input], shapes: [SHAPE], outputs: [0] }
      const { outcomes } = await instance.start([{ payload, rows: 1, deadline: Infinity }]).done
      if (outcomes[0]?.kind !== 'ok') throw new Error(outcomes[0]?.kind)
      const { data } = outcomes[0].result.outputs[0]!
      return new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4)
    }
    const usual = values(1)
    const denormal = values(DENORMAL)
    t.true((await run(usual)).some((value) => value > 0.1))
    // Not every processor is slow with denormals, but all of them show whether they count.
    t.true(
      (await run(denormal)).every((value) => value === 0),
      'denormals are zero',
    )
    const expected = await least(5, () => run(usual))
    const found = await least(5, () => run(denormal))
    t.log(`${expected.toFixed(1)} ms of processor time, with denormals ${found.toFixed(1)}`)
    t.true(found < 2 * expected, `${found} ms of processor time, expected less than 2 * ${expected}`)
    await instance.dispose()
    session.dispose()
    t.true(halfOfTheLeast() > 0, "JavaScript's thread keeps its denormals")
  })
}

test.serial('an exam of denormals is preprocessed as quickly as others', async (t) => {
  const shape = [2, 32, 96, 96] as const
  const identity = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
  const random = new Random(5)
  const samples = Float32Array.from(random.values(shape.reduce((a, b) => a * b, 1)))
  const options = (scale: number): NativePreprocessOptions => ({
    samples: samples.map((value) => value * scale),
    shape,
    slopes: new Float64Array(64).fill(1),
    intercepts: new Float64Array(64),
    affine: identity,
    gridShape: [60, 180, 180],
    gridAffine: Float64Array.from(identity, (value, i) => (i % 5 === 0 && i < 15 ? value / 2 : value)),
    phases: [
      { first: 0, second: 1, weight: 0.3 },
      { first: 1, second: 1, weight: 0 },
    ],
    scaling: 'none',
    domain: 'crop',
    scope: 'all',
    lowerPercentile: 0,
    upperPercentile: 100,
    clip: false,
    outside: null,
    threads: 2,
  })
  const usual = options(1)
  const denormal = options(DENORMAL)
  t.true((await engine.preprocess(usual)).data.some((value) => value > 0.1))
  t.true(
    (await engine.preprocess(denormal)).data.every((value) => value === 0),
    'denormals are zero',
  )
  const expected = await least(5, () => engine.preprocess(usual))
  const found = await least(5, () => engine.preprocess(denormal))
  t.log(`${expected.toFixed(1)} ms of processor time, with denormals ${found.toFixed(1)}`)
  t.true(found < 2 * expected, `${found} ms of processor time, expected less than 2 * ${expected}`)
  t.true(halfOfTheLeast() > 0, "JavaScript's thread keeps its denormals")
})
