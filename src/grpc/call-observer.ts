import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { status as Status } from '@grpc/grpc-js'

/** Receives one event at the start and one at the end of every call, whoever answered it. */
export interface CallObserver {
  started(method: string): void
  /** `code` is the name of the gRPC status, CANCELLED where the stream closed without one. */
  handled(method: string, code: string, seconds: number): void
}

/**
 * Watches streams rather than handlers: deadlines, oversized or broken messages and unknown methods are
 * answered inside grpc-js or by admission, and have to be counted too. Paths outside `methods` share one
 * label, as callers choose them.
 */
export function observeCalls(
  methods: ReadonlySet<string>,
  observer: CallObserver,
): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void {
  return (stream, headers) => {
    const path = headers[':path'] ?? ''
    const method = methods.has(path) ? path.slice(1) : 'unknown'
    const begin = performance.now()
    observer.started(method)
    stream.once('close', () => {
      const sent = sentStatus(stream)
      const code = Status[sent === undefined ? Status.CANCELLED : Number(sent)] ?? 'UNKNOWN'
      observer.handled(method, code, (performance.now() - begin) / 1000)
    })
  }
}

function sentStatus(stream: ServerHttp2Stream): unknown {
  // Without headers or trailers sent, these are undefined; their types do not say so.
  const { sentHeaders, sentTrailers } = stream as Partial<ServerHttp2Stream>
  return sentTrailers?.['grpc-status'] ?? sentHeaders?.['grpc-status']
}
