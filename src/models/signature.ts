/**
 * What a request must look like and what an answer will: the completed configuration joined to the
 * network, in the shape that the checks need for every request. Built once when a model is loaded.
 */
import type { DataType } from '../engine/index.js'
import type { ModelConfig } from '../generated/model_config.js'
import type { Network } from './config/complete.js'
import { fromConfigType } from './datatypes.js'
import { SentinodeError } from '../errors.js'
import type { DefaultValue } from './network-file.js'

export interface SignatureTensor {
  readonly name: string
  readonly dataType: DataType
  /** As clients see it, without the batch dimension; -1 for a variable dimension. */
  readonly dims: readonly number[]
  /** As the network has it, without the batch dimension, where that differs; null where it does not. */
  readonly reshape: readonly number[] | null
  /** Position among the session's inputs or outputs. */
  readonly index: number
  /** Whether it may have any number of dimensions; `dims` says nothing then. */
  readonly unranked?: boolean
}

export interface SignatureInput extends SignatureTensor {
  readonly optional: boolean
  /** What the network is given where a request leaves the input out. */
  readonly value?: DefaultValue
}

export interface SignatureOutput extends SignatureTensor {
  /** Names of the classes by index, null where the model has none. */
  readonly labels: readonly string[] | null
}

export interface ModelSignature {
  readonly name: string
  /** 0 for a model without a batch dimension. */
  readonly maxBatchSize: number
  /** Every input of the session. */
  readonly inputs: readonly SignatureInput[]
  readonly outputs: readonly SignatureOutput[]
}

/**
 * @param config completed, so that its names and types are the network's
 * @param labels by output name
 * @param defaults values of inputs that a request may leave out, by name
 */
export function buildSignature(
  config: ModelConfig,
  network: Network,
  labels: ReadonlyMap<string, readonly string[]>,
  defaults: ReadonlyMap<string, DefaultValue> = new Map(),
): ModelSignature {
  return {
    name: config.name,
    maxBatchSize: config.maxBatchSize,
    inputs: config.input.map((input) => {
      const value = defaults.get(input.name)
      const described = tensor(input, network.inputs)
      return value === undefined
        ? { ...described, optional: input.optional }
        : { ...described, optional: true, value }
    }),
    outputs: config.output.map((output) => ({
      ...tensor(output, network.outputs),
      labels: labels.get(output.name) ?? null,
    })),
  }
}

function tensor(
  given: ModelConfig['input'][number] | ModelConfig['output'][number],
  network: Network['inputs'],
): SignatureTensor {
  const index = network.findIndex((candidate) => candidate.name === given.name)
  const dataType = fromConfigType(given.dataType)
  if (index < 0 || dataType === null)
    throw new SentinodeError('INTERNAL', 'the configuration is not completed')
  const unranked = network[index]?.unranked === true
  const scalar = !unranked && network[index]?.shape.length === 0
  return {
    name: given.name,
    dataType,
    dims: given.dims.map(Number),
    reshape: scalar ? [] : (given.reshape?.shape.map(Number) ?? null),
    index,
    ...(unranked && { unranked }),
  }
}
