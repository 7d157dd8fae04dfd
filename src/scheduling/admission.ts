import { SentinodeError } from '../errors.js'
import { queuePolicyFor, type BatchingPolicy } from './policy.js'

/** Why a request was not let in; a metric label. */
export type ShedReason = 'queue_full' | 'queue_bytes' | 'memory' | 'too_large' | 'shutting_down'

/**
 * Bytes that the requests of all models may hold together, from admission until their batch has run.
 * One per daemon, shared by its schedulers.
 */
export class ByteBudget {
  readonly capacity: number
  #used = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get used(): number {
    return this.#used
  }

  tryReserve(bytes: number): boolean {
    if (this.#used + bytes > this.capacity) return false
    this.#used += bytes
    return true
  }

  release(bytes: number): void {
    this.#used -= bytes
  }
}

export interface Refusal {
  readonly reason: ShedReason
  readonly error: SentinodeError
}

interface QueueLoad {
  readonly size: number
  readonly bytes: number
  sizeOf(level: number): number
}

/**
 * Whether a request of `level` that holds `bytes` may wait: null if so, and then its bytes are reserved.
 * A full queue sheds the newcomer, never someone who waits already.
 */
export function admit(
  queue: QueueLoad,
  policy: BatchingPolicy,
  budget: ByteBudget,
  level: number,
  bytes: number,
): Refusal | null {
  const largest = Math.min(policy.maxQueuedBytes, budget.capacity)
  if (bytes > largest)
    return refuse(
      'too_large',
      'REQUEST_TOO_LARGE',
      `expected a request of at most ${largest} bytes, found ${bytes}`,
    )
  const { maxQueueSize } = queuePolicyFor(policy, level)
  if (maxQueueSize > 0 && queue.sizeOf(level) >= maxQueueSize)
    return refuse(
      'queue_full',
      'QUEUE_FULL',
      `Exceeds maximum queue size: ${maxQueueSize} requests wait at priority level ${level}; retry later`,
    )
  if (queue.size >= policy.maxQueuedRequests)
    return refuse(
      'queue_full',
      'QUEUE_FULL',
      `Exceeds maximum queue size: ${policy.maxQueuedRequests} requests wait; retry later`,
    )
  if (queue.bytes + bytes > policy.maxQueuedBytes)
    return refuse(
      'queue_bytes',
      'QUEUE_FULL',
      `Exceeds maximum queue size: ${policy.maxQueuedBytes} bytes; retry later`,
    )
  if (!budget.tryReserve(bytes))
    return refuse(
      'memory',
      'QUEUE_FULL',
      `Exceeds the memory for requests of all models: ${budget.capacity} bytes; retry later`,
    )
  return null
}

function refuse(reason: ShedReason, code: 'QUEUE_FULL' | 'REQUEST_TOO_LARGE', message: string): Refusal {
  return { reason, error: new SentinodeError(code, message) }
}
