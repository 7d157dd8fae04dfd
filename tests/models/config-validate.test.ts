import test from 'ava'
import { isSentinodeError, type ErrorCode } from '../../src/errors.js'
import { ConfigSource } from '../../src/models/config/source.js'
import { validateConfig } from '../../src/models/config/validate.js'

const FAULTS: readonly [text: string, code: ErrorCode, message: RegExp][] = [
  ['name: "other"', 'MODEL_CONFIG_INVALID', /^m:1:1: expected "m" \(the folder's name\), found "other"$/],
  ['platform: "tensorrt_plan"', 'MODEL_CONFIG_UNSUPPORTED', /m:1:1: platform "tensorrt_plan" is not served/],
  ['backend: "pytorch"', 'MODEL_CONFIG_UNSUPPORTED', /backend "pytorch" is not served/],
  ['runtime: "x.so"', 'MODEL_CONFIG_UNSUPPORTED', /library/],
  ['default_model_filename: "../x.onnx"', 'MODEL_CONFIG_INVALID', /a file's name/],
  ['max_batch_size: -1', 'MODEL_CONFIG_INVALID', /m:1:1: expected 0 or more, found -1/],
  ['sequence_batching {}', 'MODEL_CONFIG_UNSUPPORTED', /m:1:1: sequence batching would change answers/],
  ['ensemble_scheduling {}', 'MODEL_CONFIG_UNSUPPORTED', /an ensemble/],
  ['\nbatch_input { kind: BATCH_ITEM_SHAPE }', 'MODEL_CONFIG_UNSUPPORTED', /m:2:1: batch_input/],
  ['batch_output { target_name: "y" }', 'MODEL_CONFIG_UNSUPPORTED', /batch_output/],
  ['model_transaction_policy { decoupled: true }', 'MODEL_CONFIG_UNSUPPORTED', /m:1:28: a decoupled/],
  ['model_operations { op_library_filename: "x.so" }', 'MODEL_CONFIG_UNSUPPORTED', /operator library/],
  ['cc_model_filenames { key: "7.5" value: "x" }', 'MODEL_CONFIG_UNSUPPORTED', /compute capability/],
  ['model_repository_agents { agents { name: "checksum" } }', 'MODEL_CONFIG_UNSUPPORTED', /agent/],
  [
    'input { name: "x" data_type: TYPE_FP32 dims: 1 allow_ragged_batch: true }',
    'MODEL_CONFIG_UNSUPPORTED',
    /m:1:48: a ragged batch/,
  ],
  [
    'input { name: "x" data_type: TYPE_FP32 dims: 1 is_shape_tensor: true }',
    'MODEL_CONFIG_UNSUPPORTED',
    /shape tensor/,
  ],
  [
    'output { name: "x" data_type: TYPE_FP32 dims: 1 is_non_linear_format_io: true }',
    'MODEL_CONFIG_UNSUPPORTED',
    /non-linear/,
  ],
  ['input { data_type: TYPE_FP32 dims: 1 }', 'MODEL_CONFIG_INVALID', /expected a name, found none/],
  ['input { name: "x" dims: 1 }', 'MODEL_CONFIG_INVALID', /expected a data type, found none/],
  ['input { name: "x" data_type: TYPE_FP32 }', 'MODEL_CONFIG_INVALID', /at least one dimension/],
  [
    'input { name: "x" data_type: TYPE_FP32 dims: [1, -2] }',
    'MODEL_CONFIG_INVALID',
    /m:1:50: expected a size, or -1/,
  ],
  [
    'input { name: "x" data_type: TYPE_FP32 dims: [4] format: FORMAT_NCHW }',
    'MODEL_CONFIG_INVALID',
    /3 dimensions/,
  ],
  [
    'max_batch_size: 2 input { name: "x" data_type: TYPE_FP32 dims: 1 optional: true }',
    'MODEL_CONFIG_INVALID',
    /optional|false where max_batch_size/,
  ],
  [
    'input { name: "x" data_type: TYPE_FP32 dims: [4] reshape { shape: [2, 3] } }',
    'MODEL_CONFIG_INVALID',
    /m:1:50: expected 4 elements as in dims, found 6/,
  ],
  [
    'input { name: "x" data_type: TYPE_FP32 dims: [2, -1] reshape { shape: [-1, 3] } }',
    'MODEL_CONFIG_INVALID',
    /expected 2 elements as in dims, found 1/,
  ],
  [
    'input { name: "x" data_type: TYPE_FP32 dims: [-1] reshape { shape: [-1, -1] } }',
    'MODEL_CONFIG_INVALID',
    /expected 1 variable dimensions/,
  ],
  [
    'output [{ name: "y" data_type: TYPE_FP32 dims: 1 }, { name: "y" data_type: TYPE_FP32 dims: 1 }]',
    'MODEL_CONFIG_INVALID',
    /m:1:55: expected each name once/,
  ],
  ['version_policy { latest {} }', 'MODEL_CONFIG_INVALID', /1 or more/],
  ['version_policy { specific {} }', 'MODEL_CONFIG_INVALID', /versions/],
  [
    'version_policy { specific { versions: [1, -2] } }',
    'MODEL_CONFIG_INVALID',
    /m:1:43: expected 1 or more, found -2/,
  ],
  [
    'max_batch_size: 4 dynamic_batching { preferred_batch_size: [2, 8] }',
    'MODEL_CONFIG_INVALID',
    /m:1:64: expected 1 to max_batch_size 4, found 8/,
  ],
  ['dynamic_batching { preferred_batch_size: 0 }', 'MODEL_CONFIG_INVALID', /found 0/],
  ['dynamic_batching { priority_levels: 2 }', 'MODEL_CONFIG_INVALID', /1 to priority_levels 2, found 0/],
  ['dynamic_batching { priority_levels: 2 default_priority_level: 3 }', 'MODEL_CONFIG_INVALID', /found 3/],
  [
    'dynamic_batching { priority_levels: 2 default_priority_level: 1 preserve_ordering: true }',
    'MODEL_CONFIG_INVALID',
    /several priority levels/,
  ],
  [
    'dynamic_batching { priority_queue_policy { key: 1 value {} } }',
    'MODEL_CONFIG_INVALID',
    /a level from 1 to priority_levels 0/,
  ],
  [
    'dynamic_batching { default_queue_policy { timeout_action: DELAY } }',
    'MODEL_CONFIG_UNSUPPORTED',
    /m:1:43: DELAY/,
  ],
  [
    'dynamic_batching { priority_levels: 1 default_priority_level: 1 priority_queue_policy { key: 1 value { timeout_action: DELAY } } }',
    'MODEL_CONFIG_UNSUPPORTED',
    /DELAY/,
  ],
]

for (const [text, code, message] of FAULTS) {
  test(`Refused: ${text.trim()}`, (t) => {
    const error = t.throws(() => validateConfig(ConfigSource.parse('m', text), 'm'))
    t.is(isSentinodeError(error) ? error.code : String(error), code)
    t.regex(error.message, message)
  })
}

test('What changes no answer is left aside with a warning that names its place', (t) => {
  const source = ConfigSource.parse(
    'm',
    `name: "m" metric_tags { key: "a" value: "b" }
model_metrics {}
response_cache { enable: true }
optimization { priority: PRIORITY_MAX eager_batching: true input_pinned_memory { enable: false } }
instance_group [{ count: 1 rate_limiter {} host_policy: "numa" }]`,
  )
  t.deepEqual(validateConfig(source, 'm'), [
    'm:1:11: metric_tags has no effect here',
    'm:2:1: model_metrics has no effect here',
    'm:3:1: response_cache has no effect here',
    'm:4:16: optimization.priority has no effect here',
    'm:4:60: optimization.input_pinned_memory has no effect here',
    'm:4:39: optimization.eager_batching has no effect here',
    'm:5:28: instance_group.rate_limiter has no effect here',
    'm:5:44: instance_group.host_policy has no effect here',
  ])
})

test('A usual configuration passes without a warning', (t) => {
  const text = `name: "m" platform: "onnxruntime_onnx" backend: "onnxruntime" max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [4, -1] reshape { shape: [2, 2, -1] } format: FORMAT_NONE }
output { name: "y" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } label_filename: "labels.txt" }
model_transaction_policy { decoupled: false } response_cache { enable: false }
dynamic_batching { preferred_batch_size: [4, 8] priority_levels: 3 default_priority_level: 2
  priority_queue_policy { key: 3 value { timeout_action: REJECT max_queue_size: 4 } } }`
  t.deepEqual(validateConfig(ConfigSource.parse('m', text), 'm'), [])
})
