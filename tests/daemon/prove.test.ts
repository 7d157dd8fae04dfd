import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { compile } from '../../src/compiler/compile.js'
import { decodeModel, encodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { compileWith } from '../../src/daemon/compile-model.js'
import { agree, proveWith } from '../../src/daemon/prove.js'
import { loadEngine } from '../../src/engine/index.js'

const engine = loadEngine()
const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'exported4d')
const network = (name: string): Promise<Uint8Array> => readFile(join(FIXTURES, name, 'model.onnx'))

async function temporary(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

test('what is recognised in exported networks computes what they compute, on random values', async (t) => {
  const prove = proveWith(engine)
  for (const name of [
    'flatpad_script',
    'roll_dynamo',
    'timelast_script',
    'unfoldall_dynamo',
    'tapbias_script',
  ])
    t.true(await prove(await network(name), noFiles), name)
})

test('a network that computes something else is found out', async (t) => {
  const before = await network('tapplain_script')
  const after = await compile(before, { target: 'cpu-portable', resolve: noFiles })
  t.true(await agree(engine, before, after.model))
  const wrong = decodeModel(after.model)
  const weights = wrong.graph.initializer.find(({ rawData }) => (rawData?.length ?? 0) > 400)!
  weights.rawData = new Uint8Array(weights.rawData!).reverse()
  t.false(await agree(engine, before, encodeModel(wrong)))
})

test('what is not proven is left as it was exported, with a warning; what is proven is tried once', async (t) => {
  const model = await network('tapplain_script')
  const task = {
    model,
    target: 'cpu',
    precision: 'fp32',
    exactTaps: false,
    fastTaps: false,
    resolve: noFiles,
  } as const
  const doubted = compileWith({
    cacheDir: await temporary(t),
    runtime: engine.runtime,
    prove: () => Promise.resolve(false),
  })
  const left = await doubted(task)
  t.is(left.modelBytes, model)
  t.regex(left.warning ?? '', /runs as it was exported/)

  let tries = 0
  const cacheDir = await temporary(t)
  const counting = compileWith({
    cacheDir,
    runtime: engine.runtime,
    prove: () => Promise.resolve(++tries > 0),
  })
  for (let i = 0; i < 2; i++) {
    const made = await counting(task)
    t.true(made.ownOperators)
    t.is(made.warning, null)
  }
  t.is(tries, 1)
})
