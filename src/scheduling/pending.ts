import { SentinodeError } from '../errors.js'
import type { Queued } from './queue.js'
import type { Ticket } from './release-order.js'
import type { BatchEntry, Completion } from './types.js'

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
  readonly expiry: number
  readonly ticket: Ticket | null
  /** Terminates the run for this request's part, once it is in a batch. */
  cancelRun: (() => void) | null = null
  #entry: BatchEntry<P> | null
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
    this.expiry = fields.expiry
    this.ticket = fields.ticket
    this.#entry = { payload: fields.payload, rows: fields.rows, deadline: fields.expiry }
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

  /** Hands the payload over to the batch, once; the request keeps no hold of it. */
  takeEntry(): BatchEntry<P> {
    const entry = this.#entry
    if (!entry) throw new SentinodeError('INTERNAL', 'a request was put into two batches')
    this.#entry = null
    return entry
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
    this.#entry = null
    this.cancelRun = null
    if (this.#onAbort) this.#fields.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}
