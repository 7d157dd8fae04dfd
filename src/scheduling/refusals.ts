/** What a scheduler answers where it has no result, and what is said of it. */
import { isSentinodeError, SentinodeError } from '../errors.js'
import type { Place } from './pending.js'

export function shuttingDown(): SentinodeError {
  return new SentinodeError('SHUTTING_DOWN', 'the server is shutting down and accepts no new requests')
}

export function cancelled(): SentinodeError {
  return new SentinodeError('CANCELLED', 'the caller cancelled the request')
}

/** How a request spent its time until it expired, by where it was then. */
export const WAITED: Readonly<Record<Place, string>> = {
  queue: 'it waited in the queue until then; it was not run',
  gathered: 'it waited for the run before it until then; it was not run',
  running: 'it began too late; it was not run',
  again: 'the batch that it was in had failed, and it waited until then to be run alone',
}

export function expired(how: string): SentinodeError {
  return new SentinodeError('DEADLINE_EXCEEDED', `Request timeout expired: ${how}`)
}

export function stopped(): SentinodeError {
  return new SentinodeError(
    'MODEL_NOT_READY',
    'the copy of the model that held the request was stopped; retry',
  )
}

export function outOfService(): SentinodeError {
  return new SentinodeError(
    'MODEL_NOT_READY',
    'a run of the model hangs, and no copy of it is left in service',
  )
}

export function tooFew(): SentinodeError {
  return new SentinodeError('INTERNAL', 'an instance answered with too few outcomes')
}

export function asError(error: unknown): Error {
  if (isSentinodeError(error)) return error
  return new SentinodeError('INTERNAL', 'an instance failed to run a batch', { cause: error })
}
