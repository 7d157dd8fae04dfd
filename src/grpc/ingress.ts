import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { ErrorCode } from '../errors.js'
import { PrefixReader, type AnnouncedMessage } from './prefix-reader.js'
import type { RequestBudget, Reservation } from './request-budget.js'
import { StallTimer } from './stall-timer.js'
import { errorTrailers, statusOf, type StatusCodes } from './status.js'
import { followStream } from './stream-ingress.js'
import type { StreamLedger } from './stream-ledger.js'

/** deflate cannot shrink a message further than this. */
const MAX_INFLATION = 1032
/** A call that announced a message and sends nothing of it for this long gives its bytes back. */
const STALL_MS = 30_000
/** grpc-js keeps a timeout in a 32-bit integer of milliseconds: a longer one would be due at once. */
const LONGEST_TIMEOUT_HOURS = 24 * 20

export interface IngressOptions {
  readonly budget: RequestBudget
  readonly maxMessageBytes: number
  /** Bytes that a stream may hold while it is not read: its flow control window. */
  readonly windowBytes: number
  readonly statusCodes: StatusCodes
  readonly onShed: (code: ErrorCode) => void
  readonly newRequestId: () => string
  /** Paths of the methods that take a stream of messages; see stream-ingress.ts. */
  readonly streaming?: ReadonlySet<string>
  readonly ledger?: StreamLedger
  readonly stallMs?: number
}

/**
 * Admission before the body: every stream passes here before grpc-js sees it. The prefix of a message
 * tells its size; the stream is not read further until the budget has room for it, so that overload stays
 * in the senders' flow control and not in our memory. Messages that are here whole already are charged
 * without waiting, so that health checks and small calls answer under overload. What a stream reserved is
 * given back when it closes: its answer was sent, or the call died.
 */
export function createIngress(
  options: IngressOptions,
): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void {
  const { streaming, ledger, stallMs = STALL_MS } = options
  const inflated = (bytes: number): number => Math.min(bytes * MAX_INFLATION, options.maxMessageBytes)
  return (stream, headers) => {
    capTimeout(headers)
    if (ledger !== undefined && streaming?.has(headers[':path'] ?? '') === true) {
      followStream(stream, headers, { ...options, ledger, stallMs, inflated })
      return
    }
    const reader = new PrefixReader()
    const reservations: Reservation[] = []
    let stall: StallTimer | null = null

    const refuse = (code: ErrorCode, details: string): void => {
      if (stream.headersSent || stream.closed) return
      options.onShed(code)
      respondWithError(
        stream,
        statusOf(code, options.statusCodes),
        details,
        errorTrailers(code, options.newRequestId()),
      )
    }

    /** False where the call was refused. */
    const admit = (message: AnnouncedMessage): boolean => {
      if (message.bytes > options.maxMessageBytes) {
        refuse(
          'REQUEST_TOO_LARGE',
          `expected a message of at most ${options.maxMessageBytes} bytes, found one of ${message.bytes}`,
        )
        return false
      }
      // A compressed message is charged for the largest that it can become.
      const bytes = message.compressed ? inflated(message.bytes) : message.bytes
      if (message.arrived === message.bytes && !message.compressed) {
        reservations.push(options.budget.charge(bytes))
        return true
      }
      const reservation = options.budget.reserve(bytes, Math.min(message.bytes, options.windowBytes), () => {
        stall?.refresh()
        stream.resume()
      })
      if (reservation === null) {
        refuse('QUEUE_FULL', 'the memory for requests is full; retry later')
        return false
      }
      reservations.push(reservation)
      if (!reservation.granted) stream.pause()
      stall ??= new StallTimer(stallMs, () => {
        if (!reader.incomplete || reservations.some((r) => !r.granted)) return
        refuse('DEADLINE_EXCEEDED', 'the rest of the message did not arrive')
      })
      return true
    }

    stream.on('data', (chunk: Buffer) => {
      // Answered already: what still arrives is read and dropped.
      if (stream.headersSent || stream.closed) return
      stall?.refresh()
      reader.push(chunk).every(admit)
    })
    stream.once('close', () => {
      stall?.stop()
      for (const reservation of reservations) reservation.release()
    })
  }
}

function capTimeout(headers: IncomingHttpHeaders): void {
  const match = /^(\d{1,8})H$/.exec(String(headers['grpc-timeout'] ?? ''))
  if (match && Number(match[1]) > LONGEST_TIMEOUT_HOURS) headers['grpc-timeout'] = `${LONGEST_TIMEOUT_HOURS}H`
}

/**
 * Answers with trailers only, then resets the stream without an error, which tells the sender to stop
 * sending (RFC 9113, 8.1). grpc-js finds the stream closed and lets it be.
 */
function respondWithError(
  stream: ServerHttp2Stream,
  status: number,
  details: string,
  trailers: Record<string, string>,
): void {
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc+proto',
      'grpc-status': String(status),
      'grpc-message': encodeURI(details),
      ...trailers,
    },
    { endStream: true },
  )
  stream.close(constants.NGHTTP2_NO_ERROR)
}
