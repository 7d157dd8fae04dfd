import {
  constants,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { Server, ServerCredentials } from '@grpc/grpc-js'

export interface Http2Settings {
  /** Bytes that a peer may send ahead on one stream and on one connection. */
  readonly windowBytes: number
  readonly frameBytes: number
  readonly maxConcurrentStreams: number
  readonly maxConnections: number
  /** Sees every stream before grpc-js does. Called on the JavaScript thread; must not throw. */
  readonly onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void
}

/** What this file needs of grpc-js beyond its public types. */
interface ServerInternals {
  commonServerOptions: ServerOptions
  createHttp2Server(credentials: ServerCredentials): Http2Server
}

/**
 * Sets the HTTP/2 window and frame sizes of a grpc-js server, and shows each stream to `onStream`.
 *
 * grpc-js applies `grpc-node.flow_control_window` on clients only: a server is left at a window of 64 KiB,
 * at most 65 MB/s for each connection at 1 ms of round trip, in frames of 16 KiB (grpc/grpc-node#3058).
 * There is no public way to its http2 server, so this reaches for two members of the (exactly pinned)
 * version, in this one place. Call it before bindAsync.
 *
 * Returns a function that drops every connection: without channelz, forceShutdown forgets those.
 */
export function tuneHttp2(server: Server, settings: Http2Settings): () => void {
  const internals = server as unknown as ServerInternals
  if (
    typeof internals.createHttp2Server !== 'function' ||
    typeof internals.commonServerOptions !== 'object'
  ) {
    throw new Error('this version of @grpc/grpc-js keeps its http2 server elsewhere: adapt src/grpc/http2.ts')
  }
  internals.commonServerOptions.settings = {
    ...internals.commonServerOptions.settings,
    initialWindowSize: settings.windowBytes,
    maxFrameSize: settings.frameBytes,
    maxConcurrentStreams: settings.maxConcurrentStreams,
  }
  const sessions = new Set<ServerHttp2Session>()
  const createHttp2Server = internals.createHttp2Server.bind(server)
  internals.createHttp2Server = (credentials) => {
    const http2Server = createHttp2Server(credentials)
    http2Server.maxConnections = settings.maxConnections
    http2Server.on('session', (session: ServerHttp2Session) => {
      // The setting above is the window of each stream; the connection has its own.
      session.setLocalWindowSize(settings.windowBytes)
      sessions.add(session)
      session.once('close', () => sessions.delete(session))
    })
    http2Server.prependListener('stream', settings.onStream)
    return http2Server
  }
  return () => {
    for (const session of sessions) session.destroy(undefined, constants.NGHTTP2_CANCEL)
  }
}
