/** Models in ONNX Runtime itself, through everything but the wire. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { loadEngine } from '../../src/engine/index.js'
import { DATA_TYPES, elementSize } from '../../src/models/datatypes.js'
import { ModelManager } from '../../src/models/lifecycle.js'
import { Cores } from '../../src/models/cores.js'
import { createLoader } from '../../src/models/loader.js'
import { encodeBytesTensor } from '../../src/models/request/bytes-tensor.js'
import type { DecodedRequest } from '../../src/models/request/types.js'
import { scanRepositories } from '../../src/models/repository.js'
import type { Inference } from '../../src/models/servable.js'
import { ByteBudget } from '../../src/scheduling/index.js'
import { folder } from './helpers/folders.js'
import { contents, input, request } from './helpers/requests.js'

const engine = loadEngine()
const fixtures = fileURLToPath(new URL('../fixtures/engine', import.meta.url))

/** Serves fixtures of the engine by their names, each with the configuration given. */
async function serve(
  t: ExecutionContext,
  names: Readonly<Record<string, string | null>>,
): Promise<ModelManager> {
  const root = folder(t, {})
  for (const [name, config] of Object.entries(names)) {
    mkdirSync(join(root, name, '1'), { recursive: true })
    copyFileSync(join(fixtures, `${name}.onnx`), join(root, name, '1', 'model.onnx'))
    if (config !== null) writeFileSync(join(root, name, 'config.pbtxt'), config)
  }
  return load(t, root)
}

async function load(t: ExecutionContext, root: string): Promise<ModelManager> {
  const models = new ModelManager({
    load: createLoader({
      compile: ({ model }) => Promise.resolve({ modelPath: null, modelBytes: model, ownOperators: false }),
      createSession: (options) => engine.createSession(options),
      budget: new ByteBudget(1e9),
      settings: { targets: ['cpu'], instanceCount: 1 },
      policy: {},
      maxBatchSize: 4,
      cores: new Cores(1, null),
    }),
    concurrency: 2,
  })
  t.teardown(() => models.unloadAll(Infinity))
  await models.loadAll((await scanRepositories([root])).models)
  return models
}

function infer(models: ModelManager, name: string, message: DecodedRequest): Promise<Inference> {
  return models.get(name, '').infer(message, { id: '', deadline: Infinity, signal: null })
}

const floats = (data: Uint8Array | undefined): number[] =>
  Array.from(new Float32Array(Uint8Array.from(data ?? []).buffer))

test('Every datatype passes through ONNX Runtime with its bytes', async (t) => {
  const models = await serve(t, Object.fromEntries(DATA_TYPES.map((type) => [`identity_${type}`, null])))
  t.deepEqual(
    models.index().filter(({ state }) => state !== 'READY'),
    [],
  )
  for (const type of DATA_TYPES) {
    const data =
      type === 'BYTES'
        ? encodeBytesTensor(
            ['', 'a', 'bc', '\u0000é', 'x', 'y'].map((text) => new TextEncoder().encode(text)),
          )
        : Uint8Array.from({ length: 6 * elementSize(type) }, (_, i) => (type === 'BOOL' ? i % 2 : i + 1))
    const { outputs } = await infer(models, `identity_${type}`, request([input('x', type, [2, 3])], [data]))
    t.is(outputs[0]?.datatype, type)
    t.deepEqual(outputs[0]?.shape, [2, 3])
    t.deepEqual(Uint8Array.from(outputs[0]?.data ?? []), Uint8Array.from(data), type)
  }
})

test('Requests of several rows each get their own rows of the shared batch', async (t) => {
  const models = await serve(t, { rows: null })
  const ask = async (rows: number, start: number): Promise<[number[], number[]]> => {
    const a = Float32Array.from({ length: rows * 3 }, (_, i) => start + i)
    const { outputs, timing } = await infer(
      models,
      'rows',
      request([
        input('b', 'INT64', [rows, 2], {
          contents: contents({ int64Contents: new Array<bigint>(rows * 2).fill(BigInt(start)) }),
        }),
        input('a', 'FP32', [rows, 3], { contents: contents({ fp32Contents: Array.from(a) }) }),
      ]),
    )
    const total = outputs.find(({ name }) => name === 'total')
    t.deepEqual(total?.shape, [rows, 1], 'one number a row is [rows, 1] for clients')
    const twice = outputs.find(({ name }) => name === 'twice')
    t.deepEqual(
      Array.from(new BigInt64Array(Uint8Array.from(twice?.data ?? []).buffer)),
      new Array<bigint>(rows * 2).fill(2n * BigInt(start)),
    )
    return [floats(total?.data), [timing.batchRows]]
  }
  const answers = await Promise.all([ask(1, 10), ask(2, 20), ask(1, 30)])
  t.deepEqual(answers, [
    [[33], [4]],
    [[63, 72], [4]],
    [[93], [4]],
  ])
})

test('A scalar network is served as one element', async (t) => {
  const models = await serve(t, { scalar: null })
  const { outputs } = await infer(
    models,
    'scalar',
    request([input('x', 'FP32', [1], { contents: contents({ fp32Contents: [2.5] }) })]),
  )
  t.deepEqual(outputs[0]?.shape, [1])
  t.deepEqual(floats(outputs[0]?.data), [2.5])
})

test('A network whose output has no rows is not given a batch', async (t) => {
  const models = await serve(t, { no_rows: null, nonzero: null })
  t.is(models.get('no_rows', '').signature.maxBatchSize, 0)
  const x = contents({ fp32Contents: [0, 3, 0, 4] })
  const { outputs } = await infer(models, 'nonzero', request([input('x', 'FP32', [4], { contents: x })]))
  t.deepEqual(outputs[0]?.shape, [1, 2])
})

test('A wanted output alone is computed and answered, classified if that was asked for', async (t) => {
  const models = await serve(t, { rows: null })
  const inputs = [
    input('a', 'FP32', [1, 3], { contents: contents({ fp32Contents: [1, 2, 3] }) }),
    input('b', 'INT64', [1, 3], { contents: contents({ int64Contents: [5n, 9n, 7n] }) }),
  ]
  const parameters = { classification: { parameterChoice: { $case: 'int64Param' as const, value: 2n } } }
  const { outputs } = await infer(
    models,
    'rows',
    request(inputs, [], { outputs: [{ name: 'twice', parameters }] }),
  )
  t.is(outputs.length, 1)
  t.deepEqual(outputs[0]?.shape, [1, 2])
  t.deepEqual(Buffer.from(outputs[0]?.data ?? []).toString('latin1'), '\u0004\0\0\x0018:1\u0004\0\0\x0014:2')
})

test('Requests for different outputs share a batch, and each gets what it asked for', async (t) => {
  const models = await serve(t, { rows: null })
  const ask = async (outputs: readonly string[]): Promise<[string[], number]> => {
    const inputs = [
      input('a', 'FP32', [1, 3], { contents: contents({ fp32Contents: [1, 2, 3] }) }),
      input('b', 'INT64', [1, 2], { contents: contents({ int64Contents: [5n, 9n] }) }),
    ]
    const wanted = outputs.map((name) => ({ name, parameters: {} }))
    const { outputs: given, timing } = await infer(models, 'rows', request(inputs, [], { outputs: wanted }))
    return [given.map(({ name }) => name), timing.batchRows]
  }
  t.deepEqual(await Promise.all([ask(['total']), ask(['twice']), ask(['twice', 'total'])]), [
    [['total'], 3],
    [['twice'], 3],
    [['twice', 'total'], 3],
  ])
})

test('A configuration that contradicts the network is refused with its place', async (t) => {
  const models = await serve(t, {
    identity_FP32: 'max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP16 dims: -1 }',
    square: null,
  })
  const reasons = new Map(models.index().map(({ name, reason }) => [name, reason]))
  t.is(
    reasons.get('identity_FP32'),
    'MODEL_CONFIG_INVALID: identity_FP32/config.pbtxt:2:19: expected TYPE_FP32 as in the network, found TYPE_FP16',
  )
  t.is(reasons.get('square'), '')
})

test('A file that is no network leaves the model out', async (t) => {
  const root = folder(t, { 'text/1/model.onnx': 'not a network' })
  const models = await load(t, root)
  t.regex(models.index()[0]?.reason ?? '', /^MODEL_INVALID: /)
})
