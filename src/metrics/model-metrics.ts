import { isSentinodeError } from '../errors.js'
import type {
  ExecutedBatch,
  RunStage,
  SchedulerObserver,
  ShedReason,
  Stage,
  SucceededRequest,
} from '../scheduling/index.js'
import type { FailureReason, InferenceCounters } from './inference-counters.js'
import type { Losses } from './losses.js'
import type { ModelLoad } from './model-load.js'
import { ModelStatisticsRecorder, type ModelStatisticsSnapshot } from './model-statistics.js'
import type { Sizes } from './sizes.js'
import type { StageSeconds, TimedStage } from './stage-seconds.js'
import { stageMilliseconds } from './stages.js'

export interface BoundFamilies {
  readonly counters: InferenceCounters
  readonly seconds: StageSeconds
  readonly sizes: Sizes
  readonly losses: Losses
  readonly load: ModelLoad
}

/** Everything that is recorded of one model version: its scheduler's observer, and what others tell. */
export class ModelMetrics implements SchedulerObserver {
  readonly #families: BoundFamilies
  readonly #statistics = new ModelStatisticsRecorder()

  constructor(families: BoundFamilies) {
    this.#families = families
  }

  /** @param targets what the instances run on */
  onLoaded(seconds: number, targets: readonly string[]): void {
    this.#families.load.loaded(seconds, targets)
  }

  /** A request for this model that never came to its queue, because it does not fit the model. */
  onInvalid(): void {
    this.#fail('OTHER', 0)
  }

  /** An answer that was sent: bytes of the request's message, and of the tensors in the answer. */
  onAnswer(requestBytes: number, responseBytes: number): void {
    this.#families.sizes.request_bytes.observe(requestBytes)
    this.#families.sizes.response_bytes.observe(responseBytes)
  }

  onHung(stage: RunStage): void {
    this.#families.losses.hung[stage].inc()
  }

  statistics(): ModelStatisticsSnapshot {
    return this.#statistics.snapshot()
  }

  onEnqueue(): void {
    // Queue gauges are read from the scheduler when they are scraped.
  }

  onShed(reason: ShedReason): void {
    this.#families.losses.shed[reason].inc()
    this.#fail('REJECTED', 0)
  }

  onExpired(stage: Stage, waited: number): void {
    this.#families.losses.deadlineMissed[stage].inc()
    this.#fail('REJECTED', waited)
  }

  onCancelled(stage: Stage, waited: number): void {
    this.#families.losses.cancelled[stage].inc()
    this.#fail('CANCELED', waited)
  }

  onFailed(error: Error, waited: number): void {
    this.#fail(isSentinodeError(error) && error.code === 'INVALID_REQUEST' ? 'OTHER' : 'BACKEND', waited)
  }

  onSuccess(request: SucceededRequest): void {
    const { counters, seconds, losses } = this.#families
    counters.success.inc()
    const stages = stageMilliseconds(request)
    for (const stage of Object.keys(stages) as TimedStage[]) {
      counters.microseconds[stage].inc(Math.round(stages[stage] * 1000))
      seconds[stage].observe(stages[stage] / 1000)
    }
    if (request.late) losses.deadlineMissed.run.inc()
    this.#statistics.succeeded(request)
  }

  onBatch(batch: ExecutedBatch): void {
    const { counters, sizes } = this.#families
    counters.inferences.inc(batch.rows)
    counters.executions.inc()
    sizes.batch_rows.observe(batch.rows)
    this.#statistics.executed(batch)
  }

  onSplit(): void {
    this.#families.losses.split.inc()
  }

  #fail(reason: FailureReason, waited: number): void {
    this.#families.counters.failure[reason].inc()
    this.#statistics.failed(waited)
  }
}
