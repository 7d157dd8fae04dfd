/** Errors of the addon carry a code; here they become the errors that everyone else knows. */
import { ERRORS, SentinodeError, type ErrorCode } from '../errors.js'
import { readable } from './messages.js'

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code)
}

/** A code that src/errors.ts does not list is a fault of ours. */
export function codedError(code: unknown, message: string, cause?: unknown): SentinodeError {
  return new SentinodeError(isErrorCode(code) ? code : 'INTERNAL', readable(message), { cause })
}

export function fromAddon(error: unknown): Error {
  if (!(error instanceof Error))
    return codedError(undefined, 'the addon threw something that is no error', error)
  return codedError((error as { code?: unknown }).code, error.message, error)
}

/** Runs a call of the addon. @throws SentinodeError */
export function callAddon<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw fromAddon(error)
  }
}
