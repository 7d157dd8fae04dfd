import type { ExecutedBatch, SucceededRequest } from '../scheduling/index.js'
import { stageMilliseconds } from './stages.js'

export interface StatisticDuration {
  readonly count: bigint
  /** Cumulative nanoseconds. */
  readonly ns: bigint
}

/** The fields of Triton's ModelStatistics message, without the name and version. */
export interface ModelStatisticsSnapshot {
  /** Unix milliseconds; 0 before the first. */
  readonly lastInference: bigint
  readonly inferenceCount: bigint
  readonly executionCount: bigint
  readonly inferenceStats: Readonly<
    Record<
      'success' | 'fail' | 'queue' | 'computeInput' | 'computeInfer' | 'computeOutput',
      StatisticDuration
    >
  >
  /** Ascending by batch size. */
  readonly batchStats: readonly BatchStatistics[]
}

export interface BatchStatistics {
  readonly batchSize: bigint
  readonly computeInput: StatisticDuration
  readonly computeInfer: StatisticDuration
  readonly computeOutput: StatisticDuration
}

class Total {
  #count = 0
  #milliseconds = 0

  add(milliseconds: number): void {
    this.#count += 1
    this.#milliseconds += milliseconds
  }

  snapshot(): StatisticDuration {
    return { count: BigInt(this.#count), ns: BigInt(Math.round(this.#milliseconds * 1e6)) }
  }
}

/** What the ModelStatistics call answers for one model version. Requests count once each, batches once each. */
export class ModelStatisticsRecorder {
  #lastInference = 0
  #inferences = 0
  #executions = 0
  readonly #success = new Total()
  readonly #fail = new Total()
  readonly #queue = new Total()
  readonly #input = new Total()
  readonly #infer = new Total()
  readonly #output = new Total()
  readonly #batches = new Map<number, { input: Total; infer: Total; output: Total }>()

  succeeded(request: SucceededRequest): void {
    const stages = stageMilliseconds(request)
    this.#lastInference = Date.now()
    this.#success.add(stages.request)
    this.#queue.add(stages.queue)
    this.#input.add(stages.compute_input)
    this.#infer.add(stages.compute_infer)
    this.#output.add(stages.compute_output)
  }

  /** @param waited milliseconds from its arrival to its failure */
  failed(waited: number): void {
    this.#fail.add(waited)
  }

  executed({ rows, timings }: ExecutedBatch): void {
    this.#executions += 1
    this.#inferences += rows
    let batch = this.#batches.get(rows)
    if (!batch)
      this.#batches.set(rows, (batch = { input: new Total(), infer: new Total(), output: new Total() }))
    batch.input.add(timings.gatherEnd - timings.gatherStart)
    batch.infer.add(timings.runEnd - timings.runStart)
    batch.output.add(timings.scatterEnd - timings.runEnd)
  }

  snapshot(): ModelStatisticsSnapshot {
    const batches = [...this.#batches].sort(([a], [b]) => a - b)
    return {
      lastInference: BigInt(this.#lastInference),
      inferenceCount: BigInt(this.#inferences),
      executionCount: BigInt(this.#executions),
      inferenceStats: {
        success: this.#success.snapshot(),
        fail: this.#fail.snapshot(),
        queue: this.#queue.snapshot(),
        computeInput: this.#input.snapshot(),
        computeInfer: this.#infer.snapshot(),
        computeOutput: this.#output.snapshot(),
      },
      batchStats: batches.map(([rows, { input, infer, output }]) => ({
        batchSize: BigInt(rows),
        computeInput: input.snapshot(),
        computeInfer: infer.snapshot(),
        computeOutput: output.snapshot(),
      })),
    }
  }
}
