import { createHash } from 'node:crypto'
import { symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { encodeModel, ModelProto, TensorProto_DataLocation } from '../../src/compiler/onnx.js'
import { SentinodeError } from '../../src/errors.js'
import type { ReadContract } from '../../src/models/content.js'
import { ModelManager } from '../../src/models/lifecycle.js'
import { Cores } from '../../src/models/cores.js'
import { createLoader, type LoaderOptions } from '../../src/models/loader.js'
import { scanRepositories } from '../../src/models/repository.js'
import { modelMetadata, type InferContext } from '../../src/models/servable.js'
import { ByteBudget } from '../../src/scheduling/index.js'
import type { Contract } from '../../src/screening/index.js'
import { fakeEngine, type FakeEngine, type FakeNetwork } from './helpers/fake-engine.js'
import { folder } from './helpers/folders.js'
import { input, request } from './helpers/requests.js'

const CONTEXT: InferContext = { id: 'r1', deadline: Infinity, signal: null }
const BATCHABLE: FakeNetwork = { inputs: { x: [-1, 2] }, outputs: { y: [-1, 2] } }

/** Loads a repository of one or more models; what went wrong is in the index. */
async function load(
  t: ExecutionContext,
  files: Readonly<Record<string, string | Uint8Array>>,
  network: FakeNetwork = BATCHABLE,
  options: Partial<LoaderOptions> = {},
  prepare: (root: string) => void = () => undefined,
): Promise<{ models: ModelManager; engine: FakeEngine; warnings: string[]; reason: string }> {
  const engine = fakeEngine(network)
  const warnings: string[] = []
  const models = new ModelManager({
    load: createLoader({
      compile: engine.compile,
      createSession: engine.createSession,
      budget: new ByteBudget(1e9),
      settings: { targets: ['cpu'], instanceCount: 1 },
      policy: {},
      maxBatchSize: 4,
      cores: new Cores(2, null),
      ...options,
    }),
    concurrency: 2,
    events: { onWarning: (_, message) => warnings.push(message) },
  })
  const root = folder(t, files)
  prepare(root)
  await models.loadAll((await scanRepositories([root])).models)
  t.teardown(() => models.unloadAll(Infinity))
  return { models, engine, warnings, reason: models.index()[0]?.reason ?? '' }
}

test('A bare model answers, and tells what it is', async (t) => {
  const { models, engine } = await load(t, { 'm/3/model.onnx': 'network' })
  const model = models.get('m', '')
  const data = Uint8Array.of(1, 2, 3, 4)
  const { outputs, timing } = await model.infer(request([input('x', 'UINT8', [2, 2])], [data]), CONTEXT)
  t.deepEqual(outputs, [{ name: 'y', datatype: 'UINT8', shape: [2, 2], data: Uint8Array.of(2, 3, 4, 5) }])
  t.is(timing.batchRows, 2)
  t.is(
    engine.batches.at(-1)?.[1][0]?.payload.inputs[0],
    data,
    'the received bytes go to the engine as they are',
  )
  t.is(model.contentHash, createHash('sha256').update('network').digest('hex'))
  t.deepEqual(engine.sessions[0]?.modelBytes, new Uint8Array(Buffer.from('network')))
  t.is(engine.sessions[0]?.threads, 2)
  t.false(engine.sessions[0]?.allowSpinning, 'not beside operators of our own')
  t.deepEqual(modelMetadata(model, [3]), {
    name: 'm',
    versions: ['3'],
    platform: 'onnxruntime_onnx',
    inputs: [{ name: 'x', datatype: 'UINT8', shape: [-1, 2] }],
    outputs: [{ name: 'y', datatype: 'UINT8', shape: [-1, 2] }],
    properties: { content_sha256: model.contentHash, target: 'cpu' },
  })
})

test('The hash covers the files that the network names, byte by byte of what it uses', async (t) => {
  const withWeights = (location: string): Uint8Array =>
    encodeModel(
      ModelProto.fromPartial({
        irVersion: 8n,
        graph: {
          initializer: [
            {
              name: 'w',
              dims: [2n],
              dataType: 1,
              dataLocation: TensorProto_DataLocation.EXTERNAL,
              externalData: [
                { key: 'location', value: location },
                { key: 'offset', value: '4' },
                { key: 'length', value: '8' },
              ],
            },
          ],
        },
      }),
    )
  const hashOf = async (network: string, weights: string): Promise<string> => {
    const files = { 'm/1/model.onnx': withWeights(network), [`m/1/${network}`]: weights }
    return (await load(t, files)).models.get('m', '').contentHash
  }
  const hash = await hashOf('w.bin', '....weights!')
  t.not(hash, createHash('sha256').update(withWeights('w.bin')).digest('hex'))
  t.is(await hashOf('w.bin', '????weights!and more'), hash, 'what no tensor uses is not part of it')
  t.not(await hashOf('w.bin', '....Weights!'), hash)
  t.not(await hashOf('v.bin', '....weights!'), hash)
})

test('A contract is read from the version and told with the metadata; a bad one keeps the model out', async (t) => {
  const seen: string[] = []
  const contract = { sha256: 'ab', provenance: { notice: 'NOT FOR CLINICAL USE' } } as unknown as Contract
  const readContract: ReadContract = async (version, signature) => {
    seen.push(`${signature.name} ${Buffer.from(await version.read('screening.yaml')).toString()}`)
    return contract
  }
  const files = { 'm/1/model.onnx': 'x', 'm/1/screening.yaml': 'format: 1' }
  const { models } = await load(t, files, BATCHABLE, { readContract })
  const model = models.get('m', '')
  t.deepEqual(seen, ['m format: 1'])
  t.is(model.contract, contract)
  const { properties } = modelMetadata(model, [1])
  t.like(properties, { contract_sha256: 'ab', notice: 'NOT FOR CLINICAL USE' })

  const refuse: ReadContract = () =>
    Promise.reject(new SentinodeError('CONTRACT_INVALID', 'screening.yaml:1:1: no'))
  const { reason, engine } = await load(t, files, BATCHABLE, { readContract: refuse })
  t.is(reason, 'CONTRACT_INVALID: screening.yaml:1:1: no')
  t.deepEqual(engine.disposed, ['session 0'])
})

test('Every instance is warmed up with every batch size in use before a model is ready', async (t) => {
  const config =
    'max_batch_size: 8 dynamic_batching { preferred_batch_size: [2, 6] } instance_group { count: 2 kind: KIND_CPU }'
  const { engine } = await load(t, { 'm/1/model.onnx': 'x', 'm/config.pbtxt': config })
  const sizes = engine.batches.map(([name, entries]) => `${name}: ${entries[0]?.rows}`)
  t.deepEqual(
    sizes,
    ['0_cpu_0_0', '0_cpu_0_1'].flatMap((name) => [1, 2, 6, 8].map((rows) => `${name}: ${rows}`)),
  )
  t.deepEqual(engine.batches[1]?.[1][0]?.payload, {
    inputs: [Buffer.alloc(4)],
    shapes: [[2, 2]],
    outputs: [0],
  })
})

test('A model whose configured warm-up fails is unavailable with the reason, and nothing stays open', async (t) => {
  const config =
    'max_batch_size: 4 model_warmup { name: "w" batch_size: 4 inputs { key: "x" value { data_type: TYPE_UINT8 dims: 2 zero_data: true } } }'
  const { engine, reason } = await load(
    t,
    { 'm/1/model.onnx': 'x', 'm/config.pbtxt': config },
    { ...BATCHABLE, failsWhen: (entry) => entry.rows === 4 },
  )
  t.is(reason, 'MODEL_RUN_FAILED: warm-up "w" failed: it fails')
  t.deepEqual(engine.disposed, ['instance 0_cpu_0_0', 'session 0'])
})

test('A model that cannot take zeros is served, and one warning for all instances says so', async (t) => {
  const config = 'instance_group { count: 2 kind: KIND_CPU }'
  const { models, warnings } = await load(
    t,
    { 'm/1/model.onnx': 'x', 'm/config.pbtxt': config },
    { ...BATCHABLE, failsWhen: (entry) => entry.rows === 4 },
  )
  t.true(models.allReady)
  t.deepEqual(warnings, [
    'warm-up "zeros of batch size 4" failed: it fails; it is served all the same: give model_warmup a sample that it takes',
  ])
})

test('Warm-up samples come from zeros, chance and files', async (t) => {
  const variable: FakeNetwork = { inputs: { x: [-1, -1] }, outputs: { y: [-1, -1] } }
  const config = `model_warmup [
    { name: "zeros" inputs { key: "x" value { data_type: TYPE_UINT8 dims: 3 zero_data: true } } },
    { name: "chance" batch_size: 2 count: 3 inputs { key: "x" value { data_type: TYPE_UINT8 dims: 8 random_data: true } } },
    { name: "file" batch_size: 2 inputs { key: "x" value { data_type: TYPE_UINT8 dims: 2 input_data_file: "x.bin" } } } ]`
  const { engine, models } = await load(
    t,
    { 'm/1/model.onnx': 'x', 'm/config.pbtxt': config, 'm/warmup/x.bin': Uint8Array.of(7, 9) },
    variable,
  )
  t.true(models.allReady)
  const inputs = engine.batches.map(([, entries]) => Array.from(entries[0]?.payload.inputs[0] ?? []))
  t.is(inputs.length, 6)
  t.deepEqual(inputs[0], [0, 0, 0])
  t.true(inputs[1]?.includes(1) && inputs[1].every((byte) => byte < 2))
  t.deepEqual(inputs[3], inputs[1])
  t.deepEqual(inputs[4], [7, 9, 7, 9])
  t.deepEqual(inputs[5], new Array(4 * 3).fill(0), 'the largest batch, in the sizes of the first sample')
})

test('A network of open sizes without a sample is ready without warm-up, and a warning says so', async (t) => {
  const variable: FakeNetwork = { inputs: { x: [-1, -1] }, outputs: { y: [-1, -1] } }
  const { engine, models, warnings } = await load(t, { 'm/1/model.onnx': 'x' }, variable)
  t.true(models.allReady)
  t.deepEqual(engine.batches, [])
  t.deepEqual(warnings, ['no warm-up: input "x" has variable dimensions and model_warmup no sample'])
})

const BROKEN: readonly [title: string, config: string, reason: RegExp][] = [
  [
    'an unknown input',
    'model_warmup { name: "w" inputs { key: "z" value { data_type: TYPE_UINT8 dims: 2 zero_data: true } } }',
    /^MODEL_CONFIG_INVALID: m\/config\.pbtxt:1:40: expected one of the model's inputs, found "z"/,
  ],
  [
    'another type',
    'model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_FP32 dims: 2 zero_data: true } } }',
    /1:52: expected the type of the input, UINT8/,
  ],
  [
    'another shape',
    'model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_UINT8 dims: 3 zero_data: true } } }',
    /1:14: expected a sample that is a valid request, found unexpected shape/,
  ],
  [
    'no data',
    'model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_UINT8 dims: 2 } } }',
    /zero_data, random_data or input_data_file/,
  ],
  [
    'a batch over the limit',
    'model_warmup { name: "w" batch_size: 5 }',
    /1:26: expected 1 to max_batch_size 4, found 5/,
  ],
  [
    'a file that is missing',
    'model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_UINT8 dims: 2 input_data_file: "none" } } }',
    /^FILE_NOT_FOUND: .*"warmup\/none"/,
  ],
  [
    'a file outside',
    'model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_UINT8 dims: 2 input_data_file: "../../x" } } }',
    /^FILE_OUTSIDE_MODEL/,
  ],
  [
    'a file of another size',
    'model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_UINT8 dims: 2 input_data_file: "three" } } }',
    /valid request, found input byte size mismatch .*Expected 2, got 3/,
  ],
]

for (const [title, config, reason] of BROKEN) {
  test(`A warm-up sample is refused: ${title}`, async (t) => {
    const files = { 'm/1/model.onnx': 'x', 'm/config.pbtxt': config, 'm/warmup/three': 'abc' }
    const loaded = await load(t, files)
    t.regex(loaded.reason, reason)
    t.deepEqual(loaded.engine.disposed, ['session 0'])
  })
}

test('Labels are read from the model folder and never from outside it', async (t) => {
  const config = (file: string): string =>
    `max_batch_size: 4 output { name: "y" data_type: TYPE_UINT8 dims: 2 label_filename: "${file}" }`
  const good = await load(t, {
    'm/1/model.onnx': 'x',
    'm/config.pbtxt': config('l.txt'),
    'm/l.txt': 'no\r\nyes\r\n',
  })
  t.deepEqual(good.models.get('m', '').signature.outputs[0]?.labels, ['no', 'yes'])
  const missing = await load(t, { 'm/1/model.onnx': 'x', 'm/config.pbtxt': config('l.txt') })
  t.regex(missing.reason, /^FILE_NOT_FOUND: .*"l\.txt"/)
  const outside = await load(t, {
    'm/1/model.onnx': 'x',
    'm/config.pbtxt': config('../l.txt'),
    'l.txt': 'secret',
  })
  t.regex(outside.reason, /^FILE_OUTSIDE_MODEL/)
})

test('A network outside its version folder is not read', async (t) => {
  const root = folder(t, { 'secret.onnx': 'x', 'repo/m/1/': '' })
  symlinkSync(join(root, 'secret.onnx'), join(root, 'repo', 'm', '1', 'model.onnx'))
  const engine = fakeEngine(BATCHABLE)
  const models = new ModelManager({
    load: createLoader({
      ...engine,
      budget: new ByteBudget(1e9),
      settings: { targets: ['cpu'], instanceCount: 1 },
      policy: {},
      maxBatchSize: 4,
      cores: new Cores(1, null),
    }),
    concurrency: 1,
  })
  await models.loadAll((await scanRepositories([join(root, 'repo')])).models)
  t.regex(models.index()[0]?.reason ?? '', /^FILE_OUTSIDE_MODEL: .*"model\.onnx"/)
  t.deepEqual(engine.compiled, [])
})

test('Broken models beside good ones leave the good ones serving', async (t) => {
  const { models } = await load(t, {
    'empty/1/model.onnx': '',
    'missing/1/readme': '',
    'renamed/1/net.onnx': 'x',
    'renamed/config.pbtxt': 'default_model_filename: "net.onnx"',
    'wrong/1/model.onnx': 'x',
    'wrong/config.pbtxt': 'max_batch_size: 2\ninput { name: "z" data_type: TYPE_UINT8 dims: 2 }',
    'good/1/model.onnx': 'x',
    'good/2/model.onnx': 'x',
  })
  const index = new Map(
    models.index().map(({ name, version, state, reason }) => [`${name}:${version}`, `${state} ${reason}`]),
  )
  t.regex(
    index.get('empty:1') ?? '',
    /^UNAVAILABLE MODEL_INVALID: expected an ONNX model in "model\.onnx", found an empty file/,
  )
  t.regex(index.get('missing:1') ?? '', /^UNAVAILABLE FILE_NOT_FOUND/)
  t.regex(
    index.get('wrong:1') ?? '',
    /^UNAVAILABLE MODEL_CONFIG_INVALID: wrong\/config\.pbtxt:2:9: expected one of the network's "x", found "z"/,
  )
  t.is(index.get('renamed:1'), 'READY ')
  t.is(index.get('good:2'), 'READY ')
  t.false(index.has('good:1'), 'the latest version alone is served')
})

test('A target that was asked for by name does not fall back, an open choice does and says so', async (t) => {
  const noGpu = { ...BATCHABLE, missing: ['cuda', 'tensorrt'] }
  const files = { 'm/1/model.onnx': 'x' }
  const named = await load(t, { ...files, 'm/config.pbtxt': 'instance_group { kind: KIND_GPU }' }, noGpu)
  t.is(named.reason, 'PROVIDER_UNAVAILABLE: no cuda')
  const open = await load(t, files, noGpu, { settings: { targets: ['cuda', 'cpu'], instanceCount: 1 } })
  t.deepEqual(open.models.get('m', '').placements, [{ target: 'cpu', deviceId: 0, count: 1 }])
  t.deepEqual(open.warnings, ['target cuda cannot run here, cpu is tried: no cuda'])
  t.deepEqual(
    open.engine.compiled.map(({ target }) => target),
    ['cuda', 'cpu'],
  )
})

test('Each device has a session, each target one compilation, and the session its options', async (t) => {
  const config = `instance_group [ { kind: KIND_GPU gpus: [0, 1] count: 2 }, { kind: KIND_CPU } ]
    optimization { execution_accelerators { gpu_execution_accelerator { name: "cuda" parameters { key: "gpu_mem_limit" value: "5" } } } }
    parameters { key: "intra_op_thread_count" value { string_value: "3" } }
    input { name: "x" data_type: TYPE_UINT8 dims: [2] }`
  const { engine, models } = await load(t, { 'm/1/model.onnx': 'x', 'm/config.pbtxt': config })
  t.deepEqual(
    engine.sessions.map(({ provider, deviceId, providerOptions, threads, allowSpinning }) => [
      provider,
      deviceId,
      providerOptions,
      threads,
      allowSpinning,
    ]),
    [
      ['cuda', 0, { gpu_mem_limit: '5' }, 3, true],
      ['cuda', 1, { gpu_mem_limit: '5' }, 3, true],
      ['cpu', 0, {}, 3, false],
    ],
  )
  t.deepEqual(
    engine.compiled.map(({ target }) => target),
    ['cuda', 'cpu'],
  )
  t.deepEqual(
    [...new Set(engine.batches.map(([name]) => name))],
    ['0_cuda_0_0', '0_cuda_0_1', '1_cuda_1_0', '1_cuda_1_1', '2_cpu_0_0'],
  )
  t.deepEqual(
    models.get('m', '').config.instanceGroup.map(({ kind, count, gpus }) => [kind, count, gpus]),
    [
      [1, 2, [0]],
      [1, 2, [1]],
      [2, 1, []],
    ],
  )
})

test('The compiler is told the sizes that the configuration knows', async (t) => {
  const network: FakeNetwork = { inputs: { x: [-1, 1, -1, -1, -1, -1] }, outputs: { y: [-1] } }
  const config = `max_batch_size: 2 input { name: "x" data_type: TYPE_UINT8 dims: [1, 5, 48, 47, 46] }
    model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_UINT8 dims: [1, 5, 48, 47, 46] zero_data: true } } }`
  const { engine } = await load(t, { 'm/1/model.onnx': 'x', 'm/config.pbtxt': config }, network)
  t.deepEqual(engine.compiled[0]?.hints, [
    [5, 48, 47, 46],
    [5, 48, 47, 46],
  ])
})

test('Requests of one burst share a batch, and a bad one is refused alone', async (t) => {
  const { models, engine } = await load(t, { 'm/1/model.onnx': 'x' })
  const model = models.get('m', '')
  const before = engine.batches.length
  const good = (): Promise<unknown> => model.infer(request([input('x', 'UINT8', [1, 2])], [2]), CONTEXT)
  const bad = model.infer(request([input('x', 'UINT8', [1, 3])], [3]), CONTEXT)
  const answers = await Promise.allSettled([good(), good(), bad, good()])
  t.deepEqual(
    answers.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  )
  t.deepEqual(
    engine.batches.slice(before).map(([, entries]) => entries.length),
    [3],
  )
})

test('A model that is taken out of service frees instances before sessions and refuses what comes later', async (t) => {
  const { models, engine } = await load(t, { 'm/1/model.onnx': 'x' })
  const model = models.get('m', '')
  await models.unloadAll(Infinity)
  t.deepEqual(engine.disposed, ['instance 0_cpu_0_0', 'session 0'])
  await t.throwsAsync(model.infer(request([input('x', 'UINT8', [1, 2])], [2]), CONTEXT), {
    code: 'SHUTTING_DOWN',
  })
  await model.dispose(0)
  t.is(engine.disposed.length, 2)
})

test('A file that no protobuf message can be is refused unread, with what to do', async (t) => {
  const { models, reason } = await load(t, { 'm/1/model.onnx': 'network' }, BATCHABLE, {}, (root) =>
    truncateSync(join(root, 'm/1/model.onnx'), 2 ** 31),
  )
  t.is(models.ready().length, 0)
  t.regex(reason, /MODEL_INVALID.*below 2 GiB.*external data/)
})
