import { randomBytes } from 'node:crypto'
import type { Deadline, handleBidiStreamingCall, handleUnaryCall } from '@grpc/grpc-js'
import { isSentinodeError, SentinodeError } from '../errors.js'
import { monotonicNow } from '../scheduling/index.js'
import type { Decoded } from './codec.js'
import { toStatus, type StatusCodes } from './status.js'

/** What a handler knows of its call besides the message. */
export interface CallContext {
  /** The daemon's own id of the call: in its log lines and error metadata, never the caller's text. */
  readonly requestId: string
  /** Monotonic milliseconds, Infinity where the caller set none. */
  readonly deadline: number
  /** Aborted, with a SentinodeError, when the caller goes away or its deadline passes. */
  readonly signal: AbortSignal
  /** Bytes of the request message. */
  readonly bytes: number
}

export interface CallOptions {
  readonly statusCodes: StatusCodes
  readonly newRequestId: () => string
  /** A fault of ours: everything that is not a SentinodeError. */
  readonly onFault: (error: unknown, requestId: string) => void
}

/** Ids that are unique over daemons and cheap: a random prefix of the process and a count. */
export function requestIds(): () => string {
  const prefix = randomBytes(6).toString('hex')
  let count = 0
  return () => `${prefix}-${(++count).toString(36)}`
}

/** grpc-js gives the deadline as wall-clock milliseconds; the scheduler and the addon count monotonic ones. */
export function monotonicDeadline(call: { getDeadline(): Deadline }): number {
  const deadline = Number(call.getDeadline())
  return Number.isFinite(deadline) ? monotonicNow() + (deadline - Date.now()) : Infinity
}

/** grpc-js says of a deadline that passed as of a caller that left that the call is cancelled. */
export function whyCancelled(deadline: number): SentinodeError {
  return monotonicNow() >= deadline - 1
    ? new SentinodeError('DEADLINE_EXCEEDED', 'the deadline passed before the answer was there')
    : new SentinodeError('CANCELLED', 'the caller went away')
}

/**
 * Turns an async function into a grpc-js handler: deadline and cancellation in, coded errors out.
 * Nothing that it throws or rejects with escapes.
 */
export function unary<Request, Response>(
  handler: (request: Request, context: CallContext) => Promise<Response> | Response,
  options: CallOptions,
): handleUnaryCall<Decoded<Request>, Response> {
  return (call, callback) => {
    const requestId = options.newRequestId()
    const abort = new AbortController()
    const deadline = monotonicDeadline(call)
    let answered = false
    // grpc-js calls every stream that has closed cancelled, and an error with its stack costs time.
    call.once('cancelled', () => {
      if (!answered) abort.abort(whyCancelled(deadline))
    })
    const context: CallContext = {
      requestId,
      deadline,
      signal: abort.signal,
      bytes: call.request.bytes,
    }
    const run = async (): Promise<Response> => {
      if (!call.request.ok) throw call.request.error
      return handler(call.request.message, context)
    }
    run().then(
      (response) => {
        answered = true
        callback(null, response)
      },
      (error: unknown) => {
        answered = true
        if (!isSentinodeError(error) || error.code === 'INTERNAL') options.onFault(error, requestId)
        callback(toStatus(error, requestId, options.statusCodes))
      },
    )
  }
}

/** Refuses a streaming call; it has no callback to answer through. */
export function refuseStream(
  error: SentinodeError,
  options: CallOptions,
): handleBidiStreamingCall<unknown, unknown> {
  return (call) => {
    call.emit('error', toStatus(error, options.newRequestId(), options.statusCodes))
  }
}
