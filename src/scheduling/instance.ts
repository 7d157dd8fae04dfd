import type { InstanceView } from './decide.js'
import type { DurationEstimates, Expectation } from './estimates.js'
import type { PendingRequest } from './pending.js'
import type { BatchResult, BatchRunner, RunningBatch, RunStage } from './types.js'

/** One batch runs, one more is gathered meanwhile. */
const SLOTS = 2
/** Timers count milliseconds and are late by up to one, and JavaScript's thread has other work. */
const LEAD_MARGIN_MS = 2

/** A batch from its dispatch until all its requests are answered. */
export interface Flight<P, R> {
  readonly requests: readonly PendingRequest<P, R>[]
  readonly bucket: string
  readonly rows: number
  readonly dispatchedAt: number
  readonly done: Promise<BatchResult<R>>
  readonly stage: () => RunStage
}

/** One copy of the model, with the batches that it holds. */
export class Instance<P, R> {
  readonly #runner: BatchRunner<P, R>
  readonly #estimates: DurationEstimates
  /** The first runs, the second waits gathered. */
  readonly #flights: Flight<P, R>[] = []
  #retired = false
  #lastRunEnd = -Infinity
  #lastDispatch = -Infinity

  constructor(runner: BatchRunner<P, R>, estimates: DurationEstimates) {
    this.#runner = runner
    this.#estimates = estimates
  }

  get isIdle(): boolean {
    return this.#flights.length === 0
  }

  get hasRoom(): boolean {
    return !this.#retired && this.#flights.length < SLOTS
  }

  get name(): string {
    return this.#runner.name
  }

  get isRetired(): boolean {
    return this.#retired
  }

  get flights(): readonly Flight<P, R>[] {
    return this.#flights
  }

  /** When the running batch should be done; null where it is idle or nothing is known. */
  idleAt(): number | null {
    const [running] = this.#flights
    const expected = running ? this.#estimates.expect(running.bucket, running.rows) : null
    if (!running || !expected) return null
    return Math.max(running.dispatchedAt + expected.gather, this.#lastRunEnd) + expected.run
  }

  /** Milliseconds from `now` until it has run what it holds, by the estimates; 0 where nothing is known. */
  backlog(now: number): number {
    const idleAt = this.idleAt()
    const { perRow } = this.#estimates
    return this.#flights.reduce((sum, { bucket, rows }, index) => {
      if (index === 0 && idleAt !== null) return sum + Math.max(0, idleAt - now)
      return sum + (this.#estimates.expect(bucket, rows)?.run ?? rows * perRow)
    }, 0)
  }

  view(): InstanceView {
    const [running] = this.#flights
    if (!running) return { kind: 'idle' }
    const expected = this.#estimates.expect(running.bucket, running.rows)
    return {
      kind: 'busy',
      idleAt: this.idleAt(),
      leadFor: (bucket, rows) => this.#lead(bucket, rows, expected),
    }
  }

  /** The order in which instances are given work: idle ones, then those that will be idle soonest. */
  isPreferredTo(other: Instance<P, R>): boolean {
    if (this.#flights.length !== other.#flights.length) return this.#flights.length < other.#flights.length
    const mine = this.idleAt() ?? Infinity
    const its = other.idleAt() ?? Infinity
    return mine === its ? this.#lastDispatch < other.#lastDispatch : mine < its
  }

  start(requests: readonly PendingRequest<P, R>[], now: number): Flight<P, R> {
    const running = this.#run(requests)
    for (const [index, request] of requests.entries()) {
      request.place = this.isIdle ? 'running' : 'gathered'
      request.cancelRun = () => (running instanceof Error ? undefined : running.cancel(index))
    }
    const flight: Flight<P, R> = {
      requests,
      bucket: requests[0]?.bucket ?? '',
      rows: requests.reduce((sum, request) => sum + request.rows, 0),
      dispatchedAt: now,
      done: running instanceof Error ? Promise.reject(running) : running.done,
      stage: () => (running instanceof Error ? 'waiting' : (running.stage?.() ?? 'run')),
    }
    this.#lastDispatch = now
    this.#flights.push(flight)
    return flight
  }

  /** Takes it out of service for good; returns what it holds, which is its concern no more. */
  retire(): readonly Flight<P, R>[] {
    this.#retired = true
    return this.#flights.splice(0)
  }

  /** @param result null where the instance itself failed */
  finish(flight: Flight<P, R>, result: BatchResult<R> | null): void {
    this.#flights.splice(this.#flights.indexOf(flight), 1)
    for (const request of this.#flights[0]?.requests ?? []) request.place = 'running'
    if (!result || result.rows === 0) return
    this.#lastRunEnd = Math.max(this.#lastRunEnd, result.timings.runEnd)
    // A run that failed or was terminated says nothing of how long one takes.
    if (result.outcomes.some(({ kind }) => kind === 'ok'))
      this.#estimates.observe(flight.bucket, result.rows, result.timings)
  }

  #run(requests: readonly PendingRequest<P, R>[]): RunningBatch<R> | Error {
    try {
      return this.#runner.start(requests.map((request) => request.entry()))
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  #lead(bucket: string, rows: number, running: Expectation | null): number {
    if (!running) return 0
    const gather = this.#estimates.expect(bucket, rows)?.gather ?? running.gather
    // Runs that vary wildly must not close the batch so early that few could join it.
    return gather + LEAD_MARGIN_MS + Math.min(2 * running.deviation, running.run / 2)
  }
}
