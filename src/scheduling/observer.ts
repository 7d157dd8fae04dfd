import type { ShedReason } from './admission.js'
import type { BatchTimings } from './types.js'

/** Where a request was when it ended without a result. */
export type Stage = 'admission' | 'queue' | 'instance'

export interface SucceededRequest {
  readonly rows: number
  readonly enqueuedAt: number
  readonly finishedAt: number
  /** The caller's deadline passed while it ran. */
  readonly late: boolean
  readonly timings: BatchTimings
}

export interface ExecutedBatch {
  readonly requests: number
  /** Rows that were run. */
  readonly rows: number
  readonly timings: BatchTimings
}

/**
 * Told of what happens in a scheduler, on its thread and within its hot path: return quickly, never throw.
 * Every request that is submitted ends in exactly one of onShed, onExpired, onCancelled, onFailed and
 * onSuccess. Times are milliseconds of the scheduler's clock, `waited` since the request arrived.
 */
export interface SchedulerObserver {
  onEnqueue(rows: number, bytes: number): void
  onShed(reason: ShedReason): void
  onExpired(stage: Stage, waited: number): void
  onCancelled(stage: Stage, waited: number): void
  onFailed(error: Error, waited: number): void
  onSuccess(request: SucceededRequest): void
  /** A batch of which at least a row was run, and which did not fail. */
  onBatch(batch: ExecutedBatch): void
  /** A batch failed of which this many requests are run again, each alone. */
  onSplit(requests: number): void
}

export const silentObserver: SchedulerObserver = {
  onEnqueue: () => undefined,
  onShed: () => undefined,
  onExpired: () => undefined,
  onCancelled: () => undefined,
  onFailed: () => undefined,
  onSuccess: () => undefined,
  onBatch: () => undefined,
  onSplit: () => undefined,
}
