/** The room's door: what models and the daemon use. */
export { ByteBudget, type ShedReason } from './admission.js'
export { monotonicNow, systemClock } from './clock.js'
export {
  silentObserver,
  type ExecutedBatch,
  type SchedulerObserver,
  type Stage,
  type SucceededRequest,
} from './observer.js'
export { batchingPolicy, DEFAULT_QUEUE_POLICY, type BatchingPolicy, type QueuePolicy } from './policy.js'
export { ModelScheduler, type SchedulerOptions, type SchedulerStats } from './scheduler.js'
export type {
  BatchEntry,
  BatchResult,
  BatchRunner,
  BatchTimings,
  Clock,
  Completion,
  Expectation,
  HungRun,
  Outcome,
  RunningBatch,
  RunStage,
  SubmitOptions,
  TimerPrecision,
} from './types.js'
export { WARMUP_MS, watched, type SingleWatch } from './watchdog.js'
