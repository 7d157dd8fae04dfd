/** Why a call had no answer, and whether the same call may have one later. */

import { status as Status, type ServiceError } from '@grpc/grpc-js'
import { CODE_KEY, isRetryable, PUSHBACK_KEY } from '../errors.js'

export class CallError extends Error {
  constructor(
    /** The server's stable code, or the name of the gRPC status where the server did not speak. */
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    /** For how long the server asks to be left alone, in milliseconds. */
    readonly pushbackMs: number,
    /** Whether there was no server at all. */
    readonly unreachable: boolean,
  ) {
    super(message)
  }
}

export function callError(error: ServiceError): CallError {
  const [code] = error.metadata.get(CODE_KEY)
  const pushback = Number(error.metadata.get(PUSHBACK_KEY)[0] ?? 0)
  const details = error.details === '' ? error.message : error.details
  if (typeof code === 'string') {
    // A deadline is the caller's own: what is left of the time is for the caller to say.
    const retryable = isRetryable(code) && code !== 'DEADLINE_EXCEEDED'
    return new CallError(code, details, retryable, pushback, false)
  }
  const name = Status[error.code]
  // Without a code of ours: a proxy, or nobody.
  const passing = error.code === Status.UNAVAILABLE || error.code === Status.RESOURCE_EXHAUSTED
  return new CallError(name, details, passing, pushback, error.code === Status.UNAVAILABLE)
}
