import { Metadata, status as Status, type StatusObject } from '@grpc/grpc-js'
import {
  CODE_KEY,
  ERRORS,
  isSentinodeError,
  PUSHBACK_KEY,
  type ErrorCode,
  type GrpcStatus,
} from '../errors.js'

/** Metadata key of the daemon's own id of the call, which is in its log lines. */
export const REQUEST_ID_KEY = 'sentinode-request-id'
export const PUSHBACK_MS = 250

/** Clients bound the headers that a message travels in, some at 8 KiB; escaped, a character takes up to 12. */
const LONGEST_MESSAGE = 512

export type StatusCodes = 'sentinode' | 'triton'

/** Where Triton sends another status than ours. */
const TRITON_STATUS: Readonly<Partial<Record<ErrorCode, GrpcStatus>>> = {
  QUEUE_FULL: 'UNAVAILABLE',
  REQUEST_TOO_LARGE: 'UNAVAILABLE',
  MEMORY_LIMIT: 'UNAVAILABLE',
  DEADLINE_EXCEEDED: 'UNAVAILABLE',
  TRANSFER_TOO_SLOW: 'UNAVAILABLE',
}

const SHED: ReadonlySet<ErrorCode> = new Set([
  'QUEUE_FULL',
  'EXAM_STORE_FULL',
  'MEMORY_LIMIT',
  'SHUTTING_DOWN',
])

export function statusOf(code: ErrorCode, codes: StatusCodes): Status {
  const own: GrpcStatus = ERRORS[code].status
  const name = codes === 'triton' ? (TRITON_STATUS[code] ?? own) : own
  return Status[name]
}

/**
 * Trailing metadata of an error.
 * @param retryMs when a client may come again where it may
 */
export function errorTrailers(
  code: ErrorCode,
  requestId: string,
  retryMs = PUSHBACK_MS,
): Record<string, string> {
  return {
    [CODE_KEY]: code,
    [REQUEST_ID_KEY]: requestId,
    ...(SHED.has(code) ? { [PUSHBACK_KEY]: String(Math.ceil(retryMs)) } : {}),
  }
}

/**
 * Code and message that a client gets. An unknown exception says nothing but the id under which the log has
 * it: its message could hold anything.
 */
export function toCoded(error: unknown, requestId: string): { code: ErrorCode; message: string } {
  if (isSentinodeError(error) && error.code !== 'INTERNAL') {
    return { code: error.code, message: sendable(error.message) }
  }
  return { code: 'INTERNAL', message: `internal error, request id ${requestId}` }
}

/** The status that a client gets. */
export function toStatus(error: unknown, requestId: string, codes: StatusCodes): StatusObject {
  const { code, message } = toCoded(error, requestId)
  const metadata = new Metadata()
  for (const [key, value] of Object.entries(errorTrailers(code, requestId))) metadata.set(key, value)
  return { code: statusOf(code, codes), details: message, metadata }
}

/** Bounded, and well-formed: grpc-js cannot escape half a surrogate pair, and would throw out of its own code. */
function sendable(message: string): string {
  const short = message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}...` : message
  return Buffer.from(short, 'utf8').toString('utf8')
}
