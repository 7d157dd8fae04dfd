/**
 * What a config.pbtxt says, judged without the network: what is not valid in itself, what would change
 * answers and is not offered (the model is then UNAVAILABLE), and what changes no answer and is left
 * aside with a warning.
 */
import type {
  ModelDynamicBatching,
  ModelInput,
  ModelOutput,
  ModelQueuePolicy,
} from '../../generated/model_config.js'
import { DataType, ModelInput_Format, ModelQueuePolicy_TimeoutAction } from '../../generated/model_config.js'
import { checkReshape } from './reshape.js'
import type { ConfigSource } from './source.js'

/** Returns warnings. Throws MODEL_CONFIG_INVALID or MODEL_CONFIG_UNSUPPORTED. */
export function validateConfig(source: ConfigSource, modelName: string): string[] {
  checkIdentity(source, modelName)
  refuseUnsupported(source)
  const { config } = source
  if (config.maxBatchSize < 0)
    throw source.invalid('max_batch_size', '0 or more', String(config.maxBatchSize))
  config.input.forEach((input, i) => {
    checkInput(source, input, `input[${i}]`)
  })
  config.output.forEach((output, i) => {
    checkTensor(source, output, `output[${i}]`)
  })
  checkUnique(source, config.input, 'input')
  checkUnique(source, config.output, 'output')
  checkVersionPolicy(source)
  if (config.schedulingChoice?.$case === 'dynamicBatching')
    checkBatching(source, config.schedulingChoice.value)
  return warnings(source)
}

function checkIdentity(source: ConfigSource, modelName: string): void {
  const { config } = source
  if (config.name !== '' && config.name !== modelName) {
    throw source.invalid(
      'name',
      `${JSON.stringify(modelName)} (the folder's name)`,
      JSON.stringify(config.name),
    )
  }
  const onnx = config.platform === '' || config.platform === 'onnxruntime_onnx'
  if (!onnx)
    throw source.unsupported(
      'platform',
      `platform ${JSON.stringify(config.platform)} is not served, only "onnxruntime_onnx"`,
    )
  if (config.backend !== '' && config.backend !== 'onnxruntime') {
    throw source.unsupported(
      'backend',
      `backend ${JSON.stringify(config.backend)} is not served, only "onnxruntime"`,
    )
  }
  if (config.runtime !== '') throw source.unsupported('runtime', 'a backend library of its own is not loaded')
  if (/[/\\]|^\.\.?$/.test(config.defaultModelFilename)) {
    throw source.invalid('default_model_filename', "a file's name in the version folder", 'a path')
  }
}

function refuseUnsupported(source: ConfigSource): void {
  const { config } = source
  const refuse = (path: string, set: boolean, what: string): void => {
    if (set) throw source.unsupported(path, `${what} would change answers and is not offered`)
  }
  const scheduling = config.schedulingChoice?.$case
  refuse('sequence_batching', scheduling === 'sequenceBatching', 'sequence batching')
  refuse('ensemble_scheduling', scheduling === 'ensembleScheduling', 'an ensemble')
  refuse('batch_input', config.batchInput.length > 0, 'batch_input')
  refuse('batch_output', config.batchOutput.length > 0, 'batch_output')
  refuse(
    'model_transaction_policy.decoupled',
    config.modelTransactionPolicy?.decoupled === true,
    'a decoupled model',
  )
  refuse(
    'model_operations',
    (config.modelOperations?.opLibraryFilename ?? []).length > 0,
    'an operator library',
  )
  refuse(
    'cc_model_filenames',
    Object.keys(config.ccModelFilenames).length > 0,
    'a file per compute capability',
  )
  refuse(
    'model_repository_agents',
    (config.modelRepositoryAgents?.agents ?? []).length > 0,
    'a repository agent',
  )
  config.input.forEach((input, i) => {
    refuse(`input[${i}].allow_ragged_batch`, input.allowRaggedBatch, 'a ragged batch')
    refuse(`input[${i}].is_shape_tensor`, input.isShapeTensor, 'a shape tensor')
    refuse(`input[${i}].is_non_linear_format_io`, input.isNonLinearFormatIo, 'a non-linear format')
  })
  config.output.forEach((output, i) => {
    refuse(`output[${i}].is_shape_tensor`, output.isShapeTensor, 'a shape tensor')
    refuse(`output[${i}].is_non_linear_format_io`, output.isNonLinearFormatIo, 'a non-linear format')
  })
}

function checkInput(source: ConfigSource, input: ModelInput, path: string): void {
  checkTensor(source, input, path)
  if (input.format !== ModelInput_Format.FORMAT_NONE && input.dims.length !== 3) {
    throw source.invalid(`${path}.dims`, '3 dimensions where a format is given', String(input.dims.length))
  }
  if (input.optional && source.config.maxBatchSize > 0) {
    throw source.invalid(`${path}.optional`, 'false where max_batch_size is above 0', 'true')
  }
}

function checkTensor(source: ConfigSource, tensor: ModelInput | ModelOutput, path: string): void {
  if (tensor.name === '') throw source.invalid(path, 'a name', 'none')
  if (tensor.dataType === DataType.TYPE_INVALID)
    throw source.invalid(`${path}.data_type`, 'a data type', 'none')
  if (tensor.dims.length === 0) throw source.invalid(`${path}.dims`, 'at least one dimension', 'none')
  const check = (dims: readonly bigint[], at: string): void => {
    dims.forEach((dim, i) => {
      if (dim < -1n || dim > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw source.invalid(`${at}[${i}]`, 'a size, or -1 for a variable one', String(dim))
      }
    })
  }
  check(tensor.dims, `${path}.dims`)
  if (tensor.reshape === undefined) return
  check(tensor.reshape.shape, `${path}.reshape.shape`)
  const fault = checkReshape(tensor.dims, tensor.reshape.shape)
  if (fault !== null) throw source.invalid(`${path}.reshape`, fault.expected, fault.found)
}

function checkUnique(source: ConfigSource, tensors: readonly { name: string }[], field: string): void {
  tensors.forEach((tensor, i) => {
    if (tensors.findIndex((other) => other.name === tensor.name) < i) {
      throw source.invalid(
        `${field}[${i}].name`,
        'each name once',
        `${JSON.stringify(tensor.name)} a second time`,
      )
    }
  })
}

function checkVersionPolicy(source: ConfigSource): void {
  const choice = source.config.versionPolicy?.policyChoice
  if (choice?.$case === 'latest' && choice.value.numVersions === 0) {
    throw source.invalid('version_policy.latest.num_versions', '1 or more', '0')
  }
  if (choice?.$case !== 'specific') return
  if (choice.value.versions.length === 0) throw source.invalid('version_policy.specific', 'versions', 'none')
  choice.value.versions.forEach((version, i) => {
    if (version < 1n)
      throw source.invalid(`version_policy.specific.versions[${i}]`, '1 or more', String(version))
  })
}

function checkBatching(source: ConfigSource, batching: ModelDynamicBatching): void {
  const at = 'dynamic_batching'
  const levels = batching.priorityLevels
  batching.preferredBatchSize.forEach((size, i) => {
    const largest = source.config.maxBatchSize
    const free = !source.has('max_batch_size')
    if (size < 1 || (size > largest && !free)) {
      throw source.invalid(`${at}.preferred_batch_size[${i}]`, `1 to max_batch_size ${largest}`, String(size))
    }
  })
  if (levels > 255n) throw source.invalid(`${at}.priority_levels`, 'at most 255 levels', String(levels))
  const level = batching.defaultPriorityLevel
  if (levels > 0n && (level < 1n || level > levels)) {
    throw source.invalid(`${at}.default_priority_level`, `1 to priority_levels ${levels}`, String(level))
  }
  if (batching.preserveOrdering && levels > 1n) {
    throw source.invalid(`${at}.preserve_ordering`, 'false where there are several priority levels', 'true')
  }
  if (batching.defaultQueuePolicy !== undefined) {
    checkQueuePolicy(source, batching.defaultQueuePolicy, `${at}.default_queue_policy`)
  }
  for (const [key, policy] of batching.priorityQueuePolicy) {
    const path = `${at}.priority_queue_policy["${key}"]`
    if (key < 1n || key > levels)
      throw source.invalid(path, `a level from 1 to priority_levels ${levels}`, String(key))
    checkQueuePolicy(source, policy, path)
  }
}

function checkQueuePolicy(source: ConfigSource, policy: ModelQueuePolicy, path: string): void {
  if (policy.timeoutAction === ModelQueuePolicy_TimeoutAction.DELAY) {
    throw source.unsupported(
      `${path}.timeout_action`,
      'DELAY runs what has expired and is not offered, only REJECT',
    )
  }
}

function warnings(source: ConfigSource): string[] {
  const { config } = source
  const optimization = config.optimization
  const found: [string, boolean][] = [
    ['metric_tags', Object.keys(config.metricTags).length > 0],
    ['model_metrics', config.modelMetrics !== undefined],
    ['response_cache', config.responseCache?.enable === true],
    ['optimization.priority', (optimization?.priority ?? 0) !== 0],
    ['optimization.cuda', optimization?.cuda !== undefined],
    ['optimization.input_pinned_memory', optimization?.inputPinnedMemory?.enable === false],
    ['optimization.output_pinned_memory', optimization?.outputPinnedMemory?.enable === false],
    ['optimization.gather_kernel_buffer_threshold', (optimization?.gatherKernelBufferThreshold ?? 0) !== 0],
    ['optimization.eager_batching', optimization?.eagerBatching === true],
  ]
  config.instanceGroup.forEach((group, i) => {
    found.push([`instance_group[${i}].rate_limiter`, group.rateLimiter !== undefined])
    found.push([`instance_group[${i}].host_policy`, group.hostPolicy !== ''])
  })
  return found
    .filter(([, set]) => set)
    .map(([path]) => `${source.where(path)}: ${path.replace(/\[\d+\]/g, '')} has no effect here`)
}
