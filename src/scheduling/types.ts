/**
 * What the scheduler is given and what it gives back. It knows neither gRPC nor the engine: a payload
 * and a result are opaque, an instance is something that runs a batch, time is a clock.
 */

/** How late a timer may be: 'fine' well under a millisecond, at the price of polling; 'coarse' a few. */
export type TimerPrecision = 'fine' | 'coarse'

/** Monotonic milliseconds. */
export interface Clock {
  now(): number
  /** Calls back once, never before `atMs` by `now()`. Returns a function that cancels it. */
  setTimer(atMs: number, callback: () => void, precision: TimerPrecision): () => void
  /** Calls back once everything that this turn of the event loop has received was handed over. */
  defer(callback: () => void): void
}

export interface SubmitOptions<P> {
  /** The request's own id, for logs; never a label. */
  readonly id: string
  readonly payload: P
  /** Rows along the batch axis, >= 1. */
  readonly rows: number
  /** Bytes that the request holds while it waits. */
  readonly bytes: number
  /** Only requests of one bucket (same input shapes without the batch) share a batch. */
  readonly bucket: string
  /** 0 = the default level; 1 is the highest. */
  readonly priority: number
  /** From the request's `timeout` parameter, null where it has none. */
  readonly timeoutMicroseconds: number | null
  /** The caller's deadline in the clock's milliseconds, Infinity for none. */
  readonly deadline: number
  readonly signal: AbortSignal | null
  /** Where the request was announced with `expect`; it is let in while the queue drains. */
  readonly expected?: Expectation
}

/** Requests to come, whose payloads are still being made. */
export interface Expectation {
  /** It will not come, or has come. Idempotent. */
  settle(): void
  /** One of its requests has come. */
  arrived(): void
}

/** One request of a batch as an instance sees it. */
export interface BatchEntry<P> {
  readonly payload: P
  readonly rows: number
  /** The earlier of the caller's deadline and the queue timeout. */
  readonly deadline: number
}

export type Outcome<R> =
  | { readonly kind: 'ok'; readonly result: R }
  | { readonly kind: 'expired' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: Error }

export interface BatchTimings {
  readonly gatherStart: number
  readonly gatherEnd: number
  readonly runStart: number
  readonly runEnd: number
  readonly scatterEnd: number
}

export interface BatchResult<R> {
  /** One per entry, in order. */
  readonly outcomes: readonly Outcome<R>[]
  /** Rows that were run. */
  readonly rows: number
  readonly timings: BatchTimings
}

export interface RunningBatch<R> {
  /**
   * Resolves once the instance has let go of every payload. Never rejects for a request's sake; a rejection
   * fails every entry. 'cancelled' for an entry that nobody cancelled: the instance was stopped.
   */
  readonly done: Promise<BatchResult<R>>
  cancel(index: number): void
  /** Where it is now, by the instance's threads. */
  stage?(): RunStage
}

/** 'waiting' is between the others, or before them. */
export type RunStage = 'waiting' | 'gather' | 'run' | 'scatter'

/** A run that did not end in its time. */
export interface HungRun {
  /** Of the instance, which is out of service from now on. */
  readonly instance: string
  readonly stage: RunStage
  readonly requests: number
  readonly rows: number
  readonly milliseconds: number
  /** Copies of the model that are still in service. */
  readonly instancesLeft: number
}

/** One copy of a model: runs one batch at a time and gathers the next meanwhile. */
export interface BatchRunner<P, R> {
  readonly name: string
  start(entries: readonly BatchEntry<P>[]): RunningBatch<R>
}

/** What a caller gets: the result and where the time went. */
export interface Completion<R> {
  readonly result: R
  /** Rows of the batch that the request ran in. */
  readonly batchRows: number
  readonly enqueuedAt: number
  readonly timings: BatchTimings
}
