/**
 * The configuration in effect: what config.pbtxt says, held against the network and completed from it
 * as Triton completes one. The result answers the ModelConfig call.
 */
import type { NativeTensorInfo } from '../../engine/index.js'
import {
  DataType,
  ModelConfig,
  ModelDynamicBatching,
  ModelInput,
  ModelInstanceGroup_Kind,
  ModelOptimizationPolicy,
  ModelOutput,
  ModelTransactionPolicy,
  ModelVersionPolicy,
} from '../../generated/model_config.js'
import { isGpu, type Target } from '../../targets.js'
import { toConfigType } from '../datatypes.js'
import type { ConfigSource } from './source.js'

/** An input or output of the session. A scalar and a value of unknown rank both have the shape []. */
export interface NetworkTensor extends NativeTensorInfo {
  readonly unranked?: boolean
}

/** Inputs and outputs of the session, in its order. */
export interface Network {
  readonly inputs: readonly NetworkTensor[]
  readonly outputs: readonly NetworkTensor[]
}

export interface ResolvedPlacement {
  readonly target: Target
  readonly deviceId: number
  readonly count: number
}

export interface CompletionDefaults {
  /** max_batch_size of a network whose inputs and outputs all have a variable first dimension. */
  readonly maxBatchSize: number
}

/** Throws MODEL_CONFIG_INVALID where the configuration contradicts the network. */
export function completeConfig(
  source: ConfigSource,
  modelName: string,
  network: Network,
  placements: readonly ResolvedPlacement[],
  defaults: CompletionDefaults,
): ModelConfig {
  const given = source.config
  const outputs =
    given.output.length === 0
      ? network.outputs
      : given.output.map((output, i) => find(source, network.outputs, output.name, `output[${i}].name`))
  const all = [...network.inputs, ...outputs]
  const fixed = all.find((tensor) => tensor.shape[0] !== -1 && tensor.unranked !== true)
  if (given.maxBatchSize > 0 && fixed !== undefined) {
    const first = fixed.shape[0] === undefined ? 'is a scalar' : `has dimension 0 fixed at ${fixed.shape[0]}`
    throw source.invalid(
      'max_batch_size',
      `0, because ${JSON.stringify(fixed.name)} ${first}`,
      String(given.maxBatchSize),
    )
  }
  const completes = given.input.length === 0 || given.output.length === 0
  const batchable = all.every((tensor) => tensor.shape[0] === -1) && network.inputs.length > 0
  const maxBatchSize =
    completes && !source.has('max_batch_size') && batchable ? defaults.maxBatchSize : given.maxBatchSize
  const batched = maxBatchSize > 0
  return {
    ...given,
    name: modelName,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    versionPolicy: given.versionPolicy?.policyChoice ? given.versionPolicy : latestVersion(),
    maxBatchSize,
    input: completeInputs(source, network, batched),
    output: completeOutputs(source, outputs, batched),
    schedulingChoice: completeScheduling(source, completes && maxBatchSize > 1, maxBatchSize),
    optimization: completeOptimization(given.optimization),
    instanceGroup: placements.map(({ target, deviceId, count }, i) => {
      const gpu = isGpu(target)
      return {
        name: `${modelName}_${i}`,
        kind: gpu ? ModelInstanceGroup_Kind.KIND_GPU : ModelInstanceGroup_Kind.KIND_CPU,
        count,
        gpus: gpu ? [deviceId] : [],
        rateLimiter: undefined,
        secondaryDevices: [],
        profile: [],
        passive: false,
        hostPolicy: '',
      }
    }),
    defaultModelFilename: given.defaultModelFilename === '' ? 'model.onnx' : given.defaultModelFilename,
    modelTransactionPolicy: ModelTransactionPolicy.create({ decoupled: false }),
  }
}

function completeInputs(source: ConfigSource, network: Network, batched: boolean): ModelInput[] {
  const given = source.config.input
  if (given.length === 0) return network.inputs.map((tensor) => ModelInput.create(describe(tensor, batched)))
  given.forEach((input, i) => {
    const tensor = find(source, network.inputs, input.name, `input[${i}].name`)
    checkTensor(source, input, tensor, batched, `input[${i}]`)
  })
  const missing = network.inputs.find((tensor) => !given.some((input) => input.name === tensor.name))
  if (missing !== undefined) {
    throw source.invalid('input', `an entry for the network's input ${JSON.stringify(missing.name)}`, 'none')
  }
  return given
}

function completeOutputs(source: ConfigSource, outputs: Network['outputs'], batched: boolean): ModelOutput[] {
  const given = source.config.output
  if (given.length === 0) return outputs.map((tensor) => ModelOutput.create(describe(tensor, batched)))
  given.forEach((output, i) => {
    checkTensor(source, output, outputs[i] as NetworkTensor, batched, `output[${i}]`)
  })
  return given
}

/** Triton's form has at least one dimension: a tensor without one is [1], reshaped to []. */
function describe(
  tensor: NetworkTensor,
  batched: boolean,
): Pick<ModelInput, 'name' | 'dataType' | 'dims' | 'reshape'> {
  const dims = tensor.unranked === true ? [-1n] : tensor.shape.slice(batched ? 1 : 0).map(BigInt)
  return {
    name: tensor.name,
    dataType: toConfigType(tensor.dataType),
    dims: dims.length === 0 ? [1n] : dims,
    // Without a batch Triton refuses an empty reshape and knows a scalar by the network alone.
    reshape: dims.length === 0 && batched ? { shape: [] } : undefined,
  }
}

function find(
  source: ConfigSource,
  tensors: readonly NetworkTensor[],
  name: string,
  path: string,
): NetworkTensor {
  const found = tensors.find((tensor) => tensor.name === name)
  if (found !== undefined) return found
  const names = tensors.map((tensor) => JSON.stringify(tensor.name)).join(', ')
  throw source.invalid(path, `one of the network's ${names}`, JSON.stringify(name))
}

function checkTensor(
  source: ConfigSource,
  given: ModelInput | ModelOutput,
  tensor: NetworkTensor,
  batched: boolean,
  path: string,
): void {
  const type = toConfigType(tensor.dataType)
  if (given.dataType !== type) {
    throw source.invalid(`${path}.data_type`, `${DataType[type]} as in the network`, DataType[given.dataType])
  }
  if (tensor.unranked === true) return
  const network = tensor.shape.slice(batched ? 1 : 0)
  if (tensor.shape.length === 0 && given.dims.every((dim) => dim === 1n)) return
  const shape = given.reshape?.shape ?? given.dims
  const at = given.reshape === undefined ? `${path}.dims` : `${path}.reshape.shape`
  const fits =
    shape.length === network.length && network.every((dim, i) => dim === -1 || BigInt(dim) === shape[i])
  if (fits) return
  const note = batched ? ' after the batch dimension' : ''
  throw source.invalid(at, `[${network.join(', ')}]${note} as in the network`, `[${shape.join(', ')}]`)
}

function completeScheduling(
  source: ConfigSource,
  turnOn: boolean,
  maxBatchSize: number,
): ModelConfig['schedulingChoice'] {
  const choice = source.config.schedulingChoice
  if (choice?.$case !== 'dynamicBatching' && !turnOn) return undefined
  const batching = choice?.$case === 'dynamicBatching' ? choice.value : ModelDynamicBatching.create()
  batching.preferredBatchSize.forEach((size, i) => {
    if (size <= maxBatchSize) return
    const path = `dynamic_batching.preferred_batch_size[${i}]`
    throw source.invalid(path, `1 to max_batch_size ${maxBatchSize}`, String(size))
  })
  const preferred =
    batching.preferredBatchSize.length > 0 || maxBatchSize === 0
      ? batching.preferredBatchSize
      : [maxBatchSize]
  return { $case: 'dynamicBatching', value: { ...batching, preferredBatchSize: preferred } }
}

function completeOptimization(given: ModelOptimizationPolicy | undefined): ModelOptimizationPolicy {
  const optimization = given ?? ModelOptimizationPolicy.create()
  return {
    ...optimization,
    inputPinnedMemory: optimization.inputPinnedMemory ?? { enable: true },
    outputPinnedMemory: optimization.outputPinnedMemory ?? { enable: true },
  }
}

function latestVersion(): ModelVersionPolicy {
  return { policyChoice: { $case: 'latest', value: { numVersions: 1 } } }
}
