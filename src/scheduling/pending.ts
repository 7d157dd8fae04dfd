import { SentinodeError } from '../errors.js'
import type { Queued } from './queue.js'
import type { Ticket } from './release-order.js'
import type { BatchEntry, Completion } from './types.js'

/**
 * Where a request is until it is answered: in the queue; in a batch that is closed and waits for the run
 * before it; in a run; or its batch failed and it waits to be run again alone.
 */
export type Place = 'queue' | 'gathered' | 'running' | 'again'

export interface PendingFields<P, R> {
  readonly sequence: number
  readonly payload: P
  readonly rows: number
  readonly bytes: number
  readonly bucket: string
  readonly level: number
  readonly rank: number
  readonly enqueuedAt: number
  /** The caller's deadline. */
  readonly deadline: number
  /** The earlier of the caller's deadline and the queue timeout. */
  readonly expiry: number
  /** Its place among the answers, null where their order is free. */
  readonly ticket: Ticket | null
  readonly signal: AbortSignal | null
  readonly resolve: (completion: Completion<R>) => void
  readonly reject: (error: Error) => void
}

/** A request from admission until it is answered. It is answered once; later attempts change nothing. */
export class PendingRequest<P, R> implements Queued {
  readonly sequence: number
  readonly rows: number
  readonly bytes: number
  readonly bucket: string
  readonly level: number
  readonly rank: number
  readonly enqueuedAt: number
  readonly deadline: number
  readonly ticket: Ticket | null
  place: Place = 'queue'
  /** Terminates the run for this request's part, once it is in a batch. */
  cancelRun: (() => void) | null = null
  #payload: P | null
  #expiry: number
  #answered = false
  readonly #fields: Pick<PendingFields<P, R>, 'resolve' | 'reject' | 'signal'>
  #onAbort: (() => void) | null = null

  constructor(fields: PendingFields<P, R>) {
    this.sequence = fields.sequence
    this.rows = fields.rows
    this.bytes = fields.bytes
    this.bucket = fields.bucket
    this.level = fields.level
    this.rank = fields.rank
    this.enqueuedAt = fields.enqueuedAt
    this.deadline = fields.deadline
    this.#expiry = fields.expiry
    this.ticket = fields.ticket
    this.#payload = fields.payload
    this.#fields = { resolve: fields.resolve, reject: fields.reject, signal: fields.signal }
  }

  get answered(): boolean {
    return this.#answered
  }

  /** Called at most once, while the request is unanswered. */
  whenAborted(callback: () => void): void {
    this.#onAbort = callback
    this.#fields.signal?.addEventListener('abort', callback, { once: true })
  }

  /** When it is given up unless it runs by then: the earlier of the caller's deadline and the queue timeout. */
  get expiry(): number {
    return this.#expiry
  }

  /** The request as a batch takes it. It is kept until it is answered, since it may have to run again. */
  entry(): BatchEntry<P> {
    if (this.#payload === null)
      throw new SentinodeError('INTERNAL', 'an answered request was put into a batch')
    return { payload: this.#payload, rows: this.rows, deadline: this.#expiry }
  }

  /** Its batch has failed. It was in time for that run, so only the caller's deadline counts from now on. */
  waitAgain(): void {
    this.place = 'again'
    this.#expiry = this.deadline
  }

  resolve(completion: Completion<R>): void {
    if (this.#answer()) this.#fields.resolve(completion)
  }

  reject(error: Error): void {
    if (this.#answer()) this.#fields.reject(error)
  }

  #answer(): boolean {
    if (this.#answered) return false
    this.#answered = true
    this.#payload = null
    this.cancelRun = null
    if (this.#onAbort) this.#fields.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}
