import test from 'ava'
import type { DataType as Datatype, NativeTensorInfo } from '../../src/engine/native.js'
import { isSentinodeError } from '../../src/errors.js'
import { DataType, ModelConfig, ModelInstanceGroup_Kind } from '../../src/generated/model_config.js'
import { completeConfig, type Network, type ResolvedPlacement } from '../../src/models/config/complete.js'
import { readPolicy } from '../../src/models/config/policy.js'
import { readSettings, type EngineSettings } from '../../src/models/config/settings.js'
import { ConfigSource } from '../../src/models/config/source.js'
import { validateConfig } from '../../src/models/config/validate.js'
import { buildSignature } from '../../src/models/signature.js'
import { checkRequest } from '../../src/models/request/check.js'
import { input, request } from './helpers/requests.js'

const CPU: readonly ResolvedPlacement[] = [{ target: 'cpu', deviceId: 0, count: 1 }]

function tensors(entries: Record<string, number[]>, dataType: Datatype = 'FP32'): NativeTensorInfo[] {
  return Object.entries(entries).map(([name, shape]) => ({
    name,
    dataType,
    shape,
    symbols: shape.map(() => null),
  }))
}

function network(inputs: Record<string, number[]>, outputs: Record<string, number[]>): Network {
  return { inputs: tensors(inputs), outputs: tensors(outputs) }
}

function complete(text: string | null, net: Network): ModelConfig {
  const source = text === null ? ConfigSource.absent('m') : ConfigSource.parse('m', text)
  validateConfig(source, 'm')
  return completeConfig(source, 'm', net, CPU, { maxBatchSize: 4 })
}

const batchable = network({ image: [-1, 1, -1, 48], clinical: [-1, 5] }, { p: [-1, 2] })

test('A batchable network without a configuration is given a batch and dynamic batching', (t) => {
  const config = complete(null, batchable)
  t.is(config.name, 'm')
  t.is(config.platform, 'onnxruntime_onnx')
  t.is(config.backend, 'onnxruntime')
  t.is(config.maxBatchSize, 4)
  t.is(config.defaultModelFilename, 'model.onnx')
  t.deepEqual(
    config.input.map(({ name, dataType, dims }) => ({ name, dataType, dims })),
    [
      { name: 'image', dataType: DataType.TYPE_FP32, dims: [1n, -1n, 48n] },
      { name: 'clinical', dataType: DataType.TYPE_FP32, dims: [5n] },
    ],
  )
  t.deepEqual(config.output[0]?.dims, [2n])
  t.deepEqual(config.versionPolicy?.policyChoice, { $case: 'latest', value: { numVersions: 1 } })
  t.is(config.schedulingChoice?.$case, 'dynamicBatching')
  t.deepEqual(
    config.schedulingChoice?.$case === 'dynamicBatching' && config.schedulingChoice.value.preferredBatchSize,
    [4],
  )
  t.deepEqual(
    config.instanceGroup.map(({ name, kind, count, gpus }) => ({ name, kind, count, gpus })),
    [{ name: 'm_0', kind: ModelInstanceGroup_Kind.KIND_CPU, count: 1, gpus: [] }],
  )
  t.false(config.modelTransactionPolicy?.decoupled)
})

test('A network is given no batch where one input or output has a fixed first dimension', (t) => {
  for (const net of [
    network({ a: [-1, 2], b: [1, 2] }, { y: [-1] }),
    network({ a: [-1, 2] }, { y: [3] }),
    network({ a: [-1, 2] }, { y: [] }),
  ]) {
    const config = complete(null, net)
    t.is(config.maxBatchSize, 0)
    t.is(config.schedulingChoice, undefined)
    t.deepEqual(config.input[0]?.dims, [-1n, 2n])
  }
})

test('Tensors without dimensions are one element long for clients', (t) => {
  const batched = complete(null, network({ x: [-1] }, { y: [-1] }))
  t.deepEqual([batched.input[0]?.dims, batched.input[0]?.reshape], [[1n], { shape: [] }])
  const plain = complete(null, network({ x: [] }, { y: [2] }))
  t.deepEqual([plain.input[0]?.dims, plain.input[0]?.reshape], [[1n], undefined])
  const scalar = network({ x: [] }, { y: [2] })
  const signature = buildSignature(complete(null, scalar), scalar, new Map())
  t.deepEqual(checkRequest(signature, request([input('x', 'FP32', [1])], [4])).shapes, [[]])
})

test('What the configuration says stays as it is', (t) => {
  const text = `max_batch_size: 2 input [
    { name: "clinical" data_type: TYPE_FP32 dims: [5] },
    { name: "image" data_type: TYPE_FP32 dims: [-1, 48] reshape { shape: [1, -1, 48] } } ]
  output { name: "p" data_type: TYPE_FP32 dims: [2] }`
  const config = complete(text, batchable)
  t.is(config.maxBatchSize, 2)
  t.is(config.schedulingChoice, undefined, 'a configuration with inputs and outputs is not given a scheduler')
  t.deepEqual(
    config.input.map(({ name }) => name),
    ['clinical', 'image'],
  )
  const signature = buildSignature(config, batchable, new Map([['p', ['no', 'yes']]]))
  t.deepEqual(
    signature.inputs.map(({ name, index }) => [name, index]),
    [
      ['clinical', 1],
      ['image', 0],
    ],
  )
  t.deepEqual(signature.outputs[0]?.labels, ['no', 'yes'])
  const checked = checkRequest(
    signature,
    request([input('clinical', 'FP32', [2, 5]), input('image', 'FP32', [2, 3, 48])], [40, 2 * 3 * 48 * 4]),
  )
  t.deepEqual(checked.shapes, [
    [2, 1, 3, 48],
    [2, 5],
  ])
})

test('Only some outputs may be listed, and max_batch_size 0 written out is kept', (t) => {
  const config = complete(
    'max_batch_size: 0 output { name: "b" data_type: TYPE_FP32 dims: [-1, 2] }',
    network({ x: [-1, 3] }, { a: [-1, 1], b: [-1, 2] }),
  )
  t.is(config.maxBatchSize, 0)
  t.deepEqual(config.input[0]?.dims, [-1n, 3n])
  t.deepEqual(
    config.output.map(({ name }) => name),
    ['b'],
  )
})

test('A partial configuration is completed', (t) => {
  const config = complete(
    'max_batch_size: 16 dynamic_batching { max_queue_delay_microseconds: 100 }',
    batchable,
  )
  t.is(config.maxBatchSize, 16)
  t.is(config.input.length, 2)
  const batching =
    config.schedulingChoice?.$case === 'dynamicBatching' ? config.schedulingChoice.value : undefined
  t.is(batching?.maxQueueDelayMicroseconds, 100n)
  t.deepEqual(batching?.preferredBatchSize, [16])
  t.is(complete('max_batch_size: 1', batchable).schedulingChoice, undefined)
})

const io = (inputs: string, rest = 'output { name: "p" data_type: TYPE_FP32 dims: 2 }'): string =>
  `max_batch_size: 4\n${inputs}\n${rest}`
const image = '{ name: "image" data_type: TYPE_FP32 dims: [1, -1, 48] }'
const clinical = '{ name: "clinical" data_type: TYPE_FP32 dims: 5 }'

const CONTRADICTIONS: readonly [title: string, text: string, net: Network, message: RegExp][] = [
  [
    'max_batch_size of a fixed network',
    '\nmax_batch_size: 8',
    network({ x: [1, 3] }, { y: [-1] }),
    /^m:2:1: expected 0, because "x" has dimension 0 fixed at 1, found 8$/,
  ],
  [
    'max_batch_size of a scalar output',
    'max_batch_size: 8',
    network({ x: [-1] }, { y: [] }),
    /"y" is a scalar/,
  ],
  [
    'an input that is not there',
    io(`input [ ${image}, { name: "klinical" data_type: TYPE_FP32 dims: 5 } ]`),
    batchable,
    /^m:2:69: expected one of the network's "image", "clinical", found "klinical"/,
  ],
  [
    'an output that is not there',
    io(`input [ ${image}, ${clinical} ]`, 'output { name: "q" data_type: TYPE_FP32 dims: 2 }'),
    batchable,
    /^m:3:10: expected one of the network's "p", found "q"/,
  ],
  [
    'an input left out',
    io(`input [ ${image} ]`),
    batchable,
    /^m:2:1: expected an entry for the network's input "clinical", found none/,
  ],
  [
    'another type',
    io(`input [ ${image}, { name: "clinical" data_type: TYPE_FP64 dims: 5 } ]`),
    batchable,
    /^m:2:86: expected TYPE_FP32 as in the network, found TYPE_FP64/,
  ],
  [
    'another size',
    io(`input [ ${image}, { name: "clinical" data_type: TYPE_FP32 dims: 6 } ]`),
    batchable,
    /expected \[5\] after the batch dimension as in the network, found \[6\]/,
  ],
  [
    'a variable size for a fixed one',
    io(`input [ ${image}, { name: "clinical" data_type: TYPE_FP32 dims: -1 } ]`),
    batchable,
    /found \[-1\]/,
  ],
  [
    'the batch dimension in dims',
    io(`input [ ${image}, { name: "clinical" data_type: TYPE_FP32 dims: [-1, 5] } ]`),
    batchable,
    /found \[-1, 5\]/,
  ],
  [
    'a reshape that does not fit',
    io(`input [ ${image}, { name: "clinical" data_type: TYPE_FP32 dims: 5 reshape { shape: [5, 1] } } ]`),
    batchable,
    /^m:2:\d+: expected \[5\].*found \[5, 1\]/,
  ],
  [
    'a preferred size over the completed batch',
    'dynamic_batching { preferred_batch_size: 5 }',
    batchable,
    /^m:1:42: expected 1 to max_batch_size 4, found 5/,
  ],
]

for (const [title, text, net, message] of CONTRADICTIONS) {
  test(`A contradiction with the network is named: ${title}`, (t) => {
    const error = t.throws(() => complete(text, net))
    t.true(isSentinodeError(error) && error.code === 'MODEL_CONFIG_INVALID', String(error))
    t.regex(error.message, message)
  })
}

function settings(
  text: string,
  targets: EngineSettings['placements'][number]['targets'] = ['cpu'],
  warnings: string[] = [],
): EngineSettings {
  return readSettings(ConfigSource.parse('m', text), { targets, instanceCount: 1 }, warnings)
}

test('Instance groups say how many instances run where', (t) => {
  t.deepEqual(settings('').placements, [{ targets: ['cpu'], deviceId: 0, count: 1 }])
  t.deepEqual(settings('', ['cuda', 'cpu']).placements[0]?.targets, ['cuda', 'cpu'])
  t.deepEqual(
    settings('instance_group [{ count: 2 kind: KIND_CPU }, { kind: KIND_GPU gpus: [0, 2] }]', ['cuda', 'cpu'])
      .placements,
    [
      { targets: ['cpu'], deviceId: 0, count: 2 },
      { targets: ['cuda'], deviceId: 0, count: 1 },
      { targets: ['cuda'], deviceId: 2, count: 1 },
    ],
  )
  t.deepEqual(
    settings(
      'parameters { key: "target" value { string_value: "cpu-portable" } } instance_group { kind: KIND_CPU }',
    ).placements[0]?.targets,
    ['cpu-portable'],
  )
})

test('TensorRT is used where a GPU was asked for by name, and tried where the choice was left open', (t) => {
  const accelerator =
    'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" parameters { key: "precision_mode" value: "FP16" } parameters { key: "max_workspace_size_bytes" value: "1024" } parameters { key: "trt_engine_cache_enable" value: "1" } } } }'
  t.deepEqual(settings(`${accelerator} instance_group { kind: KIND_GPU }`).placements[0]?.targets, [
    'tensorrt',
  ])
  const open = settings(accelerator)
  t.deepEqual(open.placements[0]?.targets, ['tensorrt', 'cpu'])
  t.deepEqual(open.providerOptions.tensorrt, {
    trt_fp16_enable: '1',
    trt_max_workspace_size: '1024',
    trt_engine_cache_enable: '1',
  })
  const warnings: string[] = []
  t.deepEqual(
    settings(`${accelerator} instance_group { kind: KIND_CPU }`, ['cpu'], warnings).placements[0]?.targets,
    ['cpu'],
  )
  t.is(warnings.length, 1)
})

test('Parameters and optimization set the session', (t) => {
  const warnings: string[] = []
  const read = settings(
    `parameters [ { key: "intra_op_thread_count" value { string_value: "3" } }, { key: "precision" value { string_value: "bf16" } },
    { key: "exact_taps" value { string_value: "true" } }, { key: "fast_taps" value { string_value: "1" } },
    { key: "enable_mem_arena" value { string_value: "0" } },
    { key: "gpu_mem_limit" value { string_value: "99" } }, { key: "cudnn_conv_algo_search" value { string_value: "2" } },
    { key: "inter_op_thread_count" value { string_value: "4" } } ]
    optimization { graph { level: -1 } }`,
    ['cpu'],
    warnings,
  )
  t.is(read.threads, 3)
  t.is(read.precision, 'bf16')
  t.true(read.exactTaps)
  t.true(read.fastTaps)
  t.false(read.cpuMemoryArena)
  t.is(read.graphOptimization, 'basic')
  t.deepEqual(read.providerOptions.cuda, { gpu_mem_limit: '99', cudnn_conv_algo_search: 'DEFAULT' })
  t.deepEqual(warnings, ['m:5:12: parameter "inter_op_thread_count" has no effect here'])
  const defaults = settings('')
  t.deepEqual(
    [
      defaults.threads,
      defaults.precision,
      defaults.exactTaps,
      defaults.fastTaps,
      defaults.cpuMemoryArena,
      defaults.graphOptimization,
    ],
    [null, 'fp32', false, false, true, 'all'],
  )
  t.is(settings('optimization { graph { level: 1 } }').graphOptimization, 'extended')
  t.is(settings('optimization { graph { level: 2 } }').graphOptimization, 'disabled')
})

const SETTING_FAULTS: readonly [text: string, code: string, message: RegExp][] = [
  ['instance_group { kind: KIND_MODEL }', 'MODEL_CONFIG_UNSUPPORTED', /^m:1:18: KIND_MODEL/],
  ['instance_group { passive: true }', 'MODEL_CONFIG_UNSUPPORTED', /passive/],
  ['instance_group { count: -1 }', 'MODEL_CONFIG_INVALID', /0 or more, found -1/],
  ['instance_group { kind: KIND_CPU gpus: 0 }', 'MODEL_CONFIG_INVALID', /none where kind is KIND_CPU/],
  ['instance_group { gpus: -1 }', 'MODEL_CONFIG_INVALID', /a GPU's number/],
  [
    'parameters { key: "target" value { string_value: "tpu" } }',
    'MODEL_CONFIG_INVALID',
    /^m:1:36: expected one of cpu, cpu-portable, cuda, tensorrt for|^m:1:36: expected one of cpu, cpu-portable, cuda, tensorrt, found "tpu"/,
  ],
  [
    'parameters { key: "target" value { string_value: "cuda" } } instance_group { kind: KIND_CPU }',
    'MODEL_CONFIG_INVALID',
    /a CPU target where kind is KIND_CPU, found cuda/,
  ],
  [
    'parameters { key: "target" value { string_value: "cpu" } } instance_group { kind: KIND_GPU }',
    'MODEL_CONFIG_INVALID',
    /a GPU target/,
  ],
  [
    'parameters { key: "intra_op_thread_count" value { string_value: "many" } }',
    'MODEL_CONFIG_INVALID',
    /a number of threads/,
  ],
  ['parameters { key: "exact_taps" value { string_value: "perhaps" } }', 'MODEL_CONFIG_INVALID', /one of/],
  [
    'optimization { execution_accelerators { cpu_execution_accelerator { name: "openvino" } } }',
    'MODEL_CONFIG_UNSUPPORTED',
    /"openvino" is not offered/,
  ],
  [
    'optimization { execution_accelerators { gpu_execution_accelerator { name: "auto_io" } } }',
    'MODEL_CONFIG_UNSUPPORTED',
    /"auto_io" is not offered/,
  ],
  [
    'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" parameters { key: "precision_mode" value: "FP8" } } } }',
    'MODEL_CONFIG_INVALID',
    /FP32, FP16, BF16 or INT8, found "FP8"/,
  ],
  [
    'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" parameters { key: "speed" value: "1" } } } }',
    'MODEL_CONFIG_INVALID',
    /an option of TensorRT's provider, found "speed"/,
  ],
]

for (const [text, code, message] of SETTING_FAULTS) {
  test(`Settings refused: ${text}`, (t) => {
    const error = t.throws(() => settings(text))
    t.is(isSentinodeError(error) ? error.code : String(error), code)
    t.regex(error.message, message)
  })
}

function policy(text: string): ReturnType<typeof readPolicy> {
  const source = ConfigSource.parse('m', text)
  const config = completeConfig(source, 'm', batchable, CPU, { maxBatchSize: 4 })
  return readPolicy(source, config, { maxQueuedRequests: 77, maxQueuedBytes: 1e6 })
}

test('The scheduler is given the policy that the configuration describes', (t) => {
  const full =
    policy(`max_batch_size: 8 dynamic_batching { preferred_batch_size: [8, 4] max_queue_delay_microseconds: 250
    priority_levels: 3 default_priority_level: 2
    default_queue_policy { default_timeout_microseconds: 5000 max_queue_size: 9 }
    priority_queue_policy [ { key: 1 value { allow_timeout_override: false } }, { key: 3 value { allow_timeout_override: true } } ] }`)
  t.is(full.maxBatchSize, 8)
  t.true(full.dynamicBatching)
  t.deepEqual(full.preferredBatchSizes, [4, 8])
  t.is(full.maxQueueDelayMicroseconds, 250)
  t.deepEqual([full.priorityLevels, full.defaultPriorityLevel], [3, 2])
  t.deepEqual(full.defaultQueuePolicy, {
    maxQueueSize: 9,
    defaultTimeoutMicroseconds: 5000,
    allowTimeoutOverride: true,
    timeoutAction: 'REJECT',
  })
  t.false(full.queuePolicies.get(1)?.allowTimeoutOverride, 'false where the text says so')
  t.true(full.queuePolicies.get(3)?.allowTimeoutOverride)
  t.is(full.maxQueuedRequests, 77)
  t.true(policy('dynamic_batching { preserve_ordering: true }').preserveOrdering)
})

test('Without dynamic batching every request runs alone', (t) => {
  const alone = policy(io(`input [ ${image}, ${clinical} ]`))
  t.false(alone.dynamicBatching)
  t.is(alone.maxBatchSize, 4)
})
