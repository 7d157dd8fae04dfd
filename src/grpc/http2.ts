import {
  constants,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Server, ServerCredentials } from '@grpc/grpc-js'
import { Connections, type Connection } from './connections.js'

export interface Http2Settings {
  /** Bytes that a peer may send ahead on one stream. */
  readonly windowBytes: number
  readonly connectionWindowBytes: number
  readonly frameBytes: number
  readonly maxConcurrentStreams: number
  readonly maxConnections: number
  /** A connection that has not said hello in TLS and in HTTP/2 by then is closed. */
  readonly handshakeMs: number
  /**
   * Sees every stream before grpc-js does. Called on the JavaScript thread; must not throw. Without a connection
   * where that was given up meanwhile.
   */
  readonly onStream: (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    connection: Connection | undefined,
  ) => void
}

/** A connection that was given up may send what it has begun for so long. */
const FAREWELL_MS = 1000
/**
 * A stream that a client opens when it has reset another may come before Node has let go of that one. Node refuses
 * it, and after a hundred refusals, over the whole life of a session, it would end the session with all its calls.
 * The streams of an address that are taken back are counted where they are (see ingress.ts).
 */
const REFUSED_STREAMS = 2 ** 32 - 1

/** What this file needs of grpc-js beyond its public types. */
interface ServerInternals {
  commonServerOptions: ServerOptions
  createHttp2Server(credentials: ServerCredentials): Http2Server
}

/**
 * Sets the HTTP/2 window and frame sizes of a grpc-js server, bounds its connections, and shows each stream to `onStream`.
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
  Object.assign(internals.commonServerOptions, {
    maxSessionRejectedStreams: REFUSED_STREAMS,
    handshakeTimeout: settings.handshakeMs,
  })
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
    const connections = new Connections(settings.maxConnections, settings.handshakeMs)
    http2Server.prependListener('connection', (socket: Socket) => void connections.admit(socket))
    http2Server.on('session', (session: ServerHttp2Session) => {
      // The setting above is the window of each stream; the connection has its own.
      session.setLocalWindowSize(settings.connectionWindowBytes)
      sessions.add(session)
      session.once('close', () => sessions.delete(session))
      const connection = connections.of(session.socket)
      if (connection !== undefined) {
        connection.end = (why) => (why === 'idle' ? bidFarewell(session) : expel(session))
        session.once('remoteSettings', () => connection.established())
      }
      // Not of the server: a stream that was reset at once has lost its session when it is shown there.
      session.prependListener('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
        settings.onStream(stream, headers, connection)
      })
    })
    return http2Server
  }
  return () => {
    for (const session of sessions) session.destroy(undefined, constants.NGHTTP2_CANCEL)
  }
}

/** Tells the client to go elsewhere with its next call. */
function bidFarewell(session: ServerHttp2Session): void {
  session.close()
  setTimeout(() => session.destroy(), FAREWELL_MS).unref()
}

/**
 * Not destroyed at once: this is called while nghttp2 is still within a frame of the session, and Node then aborts the
 * whole process by an assertion about nghttp2's memory (nodejs/node#38964).
 */
function expel(session: ServerHttp2Session): void {
  if (session.destroyed) return
  session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  // What else came in the same piece is refused before it becomes a stream.
  session.close()
  setImmediate(() => session.destroy())
}
