import { constants, type ServerHttp2Stream } from 'node:http2'
import type { ErrorCode } from '../errors.js'
import { errorTrailers, statusOf, type StatusCodes } from './status.js'

export interface RefusalOptions {
  readonly statusCodes: StatusCodes
  readonly onShed: (code: ErrorCode) => void
  readonly newRequestId: () => string
}

/**
 * Answers a call with trailers only, then resets its stream without an error, which tells the sender to stop sending
 * (RFC 9113, 8.1). grpc-js finds the stream closed and lets it be. What has arrived is read and dropped: Node keeps a
 * stream until that has been done. A call that is answered already is only closed.
 * @param retryMs when to come again, for codes that are worth it
 */
export function refuse(
  stream: ServerHttp2Stream,
  { statusCodes, onShed, newRequestId }: RefusalOptions,
  {
    code,
    details,
    retryMs,
  }: { readonly code: ErrorCode; readonly details: string; readonly retryMs?: number },
): void {
  if (stream.closed) return
  if (!stream.headersSent) {
    onShed(code)
    stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc+proto',
        'grpc-status': String(statusOf(code, statusCodes)),
        'grpc-message': encodeURI(details),
        ...errorTrailers(code, newRequestId(), retryMs),
      },
      { endStream: true },
    )
  }
  stream.close(constants.NGHTTP2_NO_ERROR)
  stream.resume()
}
