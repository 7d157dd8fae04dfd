import type { Readable } from 'node:stream'
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
} from '@grpc/grpc-js'
import { isSentinodeError, SentinodeError } from '../errors.js'
import { monotonicDeadline, whyCancelled, type CallOptions } from './call.js'
import type { Decoded } from './codec.js'
import { toStatus } from './status.js'
import { MAX_STREAM_MESSAGE } from './stream-ingress.js'
import type { StreamLedger } from './stream-ledger.js'

export interface StreamOptions extends CallOptions {
  readonly ledger: StreamLedger
}

/** What a handler knows of its call besides the messages. */
export interface StreamContext {
  readonly requestId: string
  /** Monotonic milliseconds, Infinity where the caller set none. */
  readonly deadline: number
  /** Aborted, with a SentinodeError, when the caller goes away, its deadline passes, or the call has ended. */
  readonly signal: AbortSignal
}

/** The messages of a stream, read one by one: the stream is held while nobody asks for the next. */
export interface Messages<T> {
  /**
   * The next message, null after the last. It is valid until the call after it: then its bytes count as free.
   * Rejects with INVALID_REQUEST, with what admission refused, or with the signal's reason.
   */
  next(): Promise<T | null>
}

class CallMessages<T> implements Messages<T> {
  #holding = false
  #refusal: SentinodeError | null = null
  #ended = false
  #wake: () => void = () => undefined

  constructor(
    private readonly call: Readable,
    metadata: Metadata,
    private readonly signal: AbortSignal,
    ledger: StreamLedger,
  ) {
    const { taken } = ledger.attach(metadata, (error) => {
      this.#refusal = error
      this.#wake()
    })
    this.#taken = taken
    call.on('readable', () => this.#wake())
    call.once('end', () => {
      this.#ended = true
      this.#wake()
    })
    signal.addEventListener('abort', () => this.#wake(), { once: true })
  }

  readonly #taken: () => void

  async next(): Promise<T | null> {
    if (this.#holding) this.#taken()
    this.#holding = false
    for (;;) {
      this.signal.throwIfAborted()
      if (this.#refusal !== null) throw this.#refusal
      const decoded = this.call.read() as Decoded<T> | null
      if (decoded !== null) return this.#accept(decoded)
      if (this.#ended) return null
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  #accept(decoded: Decoded<T>): T {
    this.#holding = true
    if (!decoded.ok) throw decoded.error
    if (decoded.bytes > MAX_STREAM_MESSAGE) {
      throw new SentinodeError(
        'REQUEST_TOO_LARGE',
        `expected messages of at most ${MAX_STREAM_MESSAGE} bytes in a stream, found one that unpacks to ${decoded.bytes}`,
      )
    }
    return decoded.message
  }
}

type AnyStream = ServerReadableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>

function contextOf(call: AnyStream, options: StreamOptions): StreamContext {
  const abort = new AbortController()
  const deadline = monotonicDeadline(call)
  // Emitted as well once the call is answered, when nobody listens any more.
  call.once('cancelled', () => abort.abort(whyCancelled(deadline)))
  return { requestId: options.newRequestId(), deadline, signal: abort.signal }
}

function statusOf(
  error: unknown,
  { requestId }: StreamContext,
  options: StreamOptions,
): ReturnType<typeof toStatus> {
  if (!isSentinodeError(error) || error.code === 'INTERNAL') options.onFault(error, requestId)
  return toStatus(error, requestId, options.statusCodes)
}

/** A call that takes a stream of messages and answers once. Nothing that the handler throws escapes. */
export function clientStream<Request, Response>(
  handler: (messages: Messages<Request>, context: StreamContext) => Promise<Response>,
  options: StreamOptions,
): handleClientStreamingCall<Decoded<Request>, Response> {
  return (call, callback) => {
    const context = contextOf(call, options)
    const messages = new CallMessages<Request>(call, call.metadata, context.signal, options.ledger)
    handler(messages, context).then(
      (response) => callback(null, response),
      (error: unknown) => callback(statusOf(error, context, options)),
    )
  }
}

/** Sends one response; resolves when it has left, so that who does not read holds nothing but the next one. */
export type Send<Response> = (response: Response) => Promise<void>

/** A call with a stream of messages each way; it ends when the handler does. Nothing that it throws escapes. */
export function bidirectional<Request, Response>(
  handler: (messages: Messages<Request>, send: Send<Response>, context: StreamContext) => Promise<void>,
  options: StreamOptions,
): handleBidiStreamingCall<Decoded<Request>, Response> {
  return (call) => {
    const context = contextOf(call, options)
    const { signal } = context
    const messages = new CallMessages<Request>(call, call.metadata, signal, options.ledger)
    const send: Send<Response> = (response) =>
      new Promise((resolve, reject) => {
        const gone = (): void => reject(signal.reason as Error)
        if (signal.aborted) {
          gone()
          return
        }
        signal.addEventListener('abort', gone, { once: true })
        call.write(response, () => {
          signal.removeEventListener('abort', gone)
          resolve()
        })
      })
    handler(messages, send, context).then(
      () => call.end(),
      (error: unknown) => {
        const status = statusOf(error, context, options)
        if (!signal.aborted) call.emit('error', status)
      },
    )
  }
}
