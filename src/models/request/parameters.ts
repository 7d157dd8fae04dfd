/** Parameters of a request and of its tensors: known keys are checked, others are let through as Triton does. */
import { SentinodeError } from '../../errors.js'
import { invalid, quote } from './messages.js'
import type { Parameters, RequestedOutput } from './types.js'

export interface RequestParameters {
  /** 0 for the default level. */
  readonly priority: number
  readonly timeoutMicroseconds: number | null
}

const ALLOWED_RESERVED = 'triton_enable_empty_final_response'
const SHARED_MEMORY = ['shared_memory_region', 'shared_memory_offset', 'shared_memory_byte_size']

/** INVALID_REQUEST for a known key with another type, or a key that is reserved. */
export function readParameters(parameters: Parameters): RequestParameters {
  let priority = 0
  let timeout: number | null = null
  for (const [key, { parameterChoice: choice }] of Object.entries(parameters)) {
    const kind = choice?.$case
    const wrong = (expected: string): SentinodeError =>
      invalid(`invalid value type for ${quote(key)} parameter, expected ${expected}.`)
    switch (key) {
      // Served models keep no sequences, so that ids and flags have nothing to act on.
      case 'sequence_id':
        if (kind !== 'int64Param' && kind !== 'stringParam') throw wrong('int64_param or string_param')
        break
      case 'sequence_start':
      case 'sequence_end':
      case ALLOWED_RESERVED:
        if (kind !== 'boolParam') throw wrong('bool_param')
        break
      case 'priority':
        if (choice?.$case !== 'int64Param' && choice?.$case !== 'uint64Param') {
          throw wrong('int64_param or uint64_param')
        }
        if (choice.value < 0n) throw invalid("invalid value for 'priority', expected value >= 0.")
        // No model has that many levels, and a level that does not exist means the default.
        priority = choice.value > 0xffff_ffffn ? 0 : Number(choice.value)
        break
      case 'timeout':
        if (choice?.$case !== 'int64Param') throw wrong('int64_param')
        if (choice.value < 0n) throw invalid("invalid value for 'timeout', expected value >= 0.")
        timeout = choice.value === 0n ? null : Number(choice.value)
        break
      default:
        if (key.startsWith('triton_')) {
          throw invalid(
            "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys " +
              `starting with 'triton_' are allowed: ${ALLOWED_RESERVED}`,
          )
        }
        if (kind === undefined || kind === 'uint64Param')
          throw wrong('int64_param, bool_param, or string_param')
    }
  }
  return { priority, timeoutMicroseconds: timeout }
}

/** NOT_IMPLEMENTED where a tensor is said to lie in shared memory, which is not offered. */
export function refuseSharedMemory(name: string, parameters: Parameters): void {
  if (SHARED_MEMORY.some((key) => Object.hasOwn(parameters, key))) {
    throw new SentinodeError(
      'NOT_IMPLEMENTED',
      `shared memory of tensor ${quote(name)}: not offered by this server`,
    )
  }
}

/** The `classification` parameter: how many classes to answer, null where it is absent. */
export function readClassification(output: RequestedOutput): number | null {
  const choice = Object.hasOwn(output.parameters, 'classification')
    ? output.parameters['classification']?.parameterChoice
    : null
  if (choice === null) return null
  if (choice?.$case !== 'int64Param') {
    throw invalid("invalid value type for 'classification' parameter, expected int64_param")
  }
  if (choice.value <= 0n) throw invalid("invalid value for 'classification' parameter, expected >= 1")
  return Number(choice.value > 0xffff_ffffn ? 0xffff_ffffn : choice.value)
}
