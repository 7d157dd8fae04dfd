import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { setTimeout } from 'node:timers/promises'
import {
  Server,
  type ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { HealthImplementation, service as healthService } from 'grpc-health-check'
import { GRPCInferenceServiceService } from '../generated/grpc_service.js'
import { SentinodeError, type ErrorCode } from '../errors.js'
import { observeCalls, type CallObserver } from './call-observer.js'
import { tuneHttp2 } from './http2.js'
import { receiveInPieces } from './grpc-js-receive.js'
import { InFlight } from './in-flight.js'
import type { Connection } from './connections.js'
import { createIngress } from './ingress.js'
import type { Load } from './load.js'
import { addReflection } from './reflection.js'
import { forSmallMessages } from './small-messages.js'
import { RequestBudget } from './request-budget.js'
import { Rounds } from './rounds.js'
import type { StatusCodes } from './status.js'
import { StreamLedger } from './stream-ledger.js'

/** Of a stream: what a call that has to wait, or is refused, may have sent in vain. */
const WINDOW_BYTES = 2 ** 20
/** Of a connection. */
const CONNECTION_WINDOW_BYTES = 8 * 2 ** 20
const FRAME_BYTES = 2 ** 20
const KEEPALIVE_MS = 60_000
const LINGER_MS = 250
/** In which a connection has to say hello, in TLS and in HTTP/2. */
const HANDSHAKE_MS = 10_000
const LOOK_MS = 250

export interface ServedService {
  /** Full name, such as `inference.GRPCInferenceService`. */
  readonly name: string
  readonly definition: ServiceDefinition
  readonly implementation: UntypedServiceImplementation
}

export interface GrpcServerOptions {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly credentials: ServerCredentials
  readonly services: readonly ServedService[]
  /** Protoc's FileDescriptorSet of the services; null to serve no reflection. */
  readonly descriptorSet: Uint8Array | null
  readonly maxMessageBytes: number
  readonly requestMemoryBytes: number
  readonly maxConcurrentStreams: number
  readonly maxConnections: number
  /** A connection without a call is closed after this. */
  readonly connectionIdleMs: number
  /** Bytes a second that a message must come with, beyond a grace. */
  readonly leastRate: number
  readonly statusCodes: StatusCodes
  readonly newRequestId: () => string
  readonly observer: CallObserver
  readonly onShed: (code: ErrorCode) => void
  /** Of the models, to turn away what cannot be in time. */
  readonly load?: Load
  /** Shared with the services that read streams. */
  readonly ledger?: StreamLedger
}

export interface GrpcServer {
  /** host:port that clients dial. */
  readonly address: string
  readonly budget: RequestBudget
  /** Answers health checks and watchers for every service. */
  setServing(serving: boolean): void
  /** Finishes calls in flight and refuses new ones; ends what is left after `graceMs`. Idempotent. */
  shutdown(graceMs: number): Promise<void>
}

interface Method {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
}

function paths(definitions: readonly object[], which: (method: Method) => boolean): Set<string> {
  const methods = definitions.flatMap((definition) => Object.values(definition as Record<string, Method>))
  return new Set(methods.filter(which).map(({ path }) => path))
}

function bind(server: Server, host: string, port: number, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    const authority = host.includes(':') ? `[${host}]` : host
    server.bindAsync(`${authority}:${port}`, credentials, (error, bound) => {
      if (error === null) resolve(bound)
      else
        reject(
          new SentinodeError(
            'INVALID_OPTION',
            `grpc-port: cannot listen on ${authority}:${port}: ${error.message}`,
          ),
        )
    })
  })
}

/** Starts the gRPC server: services, health, reflection, admission. Not serving until `setServing(true)`. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  receiveInPieces()
  const server = new Server({
    // Admission answers with our own error at this size; grpc-js stays as the second fence.
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.max_connection_idle_ms': options.connectionIdleMs,
    'grpc.enable_channelz': 0,
  })
  const names = options.services.map((service) => service.name)
  const health = new HealthImplementation(
    Object.fromEntries(['', ...names].map((name) => [name, 'NOT_SERVING'])),
  )
  health.addToServer(forSmallMessages(server))
  for (const { definition, implementation } of options.services) server.addService(definition, implementation)
  if (options.descriptorSet) addReflection(server, options.descriptorSet, names)

  const rounds = new Rounds(LOOK_MS)
  const budget = new RequestBudget(
    options.requestMemoryBytes,
    Math.max(options.requestMemoryBytes / 4, CONNECTION_WINDOW_BYTES),
    rounds,
  )
  const own = options.services.map((service) => service.definition)
  const all = [healthService, ...own]
  const observe = observeCalls(
    paths(all, () => true),
    options.observer,
  )
  // A watch of the health never ends by itself; every call of ours does.
  const working = new Set([
    ...paths(own, () => true),
    ...paths([healthService], (method) => !method.responseStream),
  ])
  const inFlight = new InFlight(working)
  const { load, ...rest } = options
  const admit = createIngress({
    ...rest,
    ...(load ? { load: { paths: new Set([GRPCInferenceServiceService.modelInfer.path]), of: load } } : {}),
    budget,
    rounds,
    windowBytes: WINDOW_BYTES,
    working,
    streaming: paths(own, (method) => method.requestStream),
    ledger: options.ledger ?? new StreamLedger(),
  })
  const dropConnections = tuneHttp2(server, {
    windowBytes: WINDOW_BYTES,
    connectionWindowBytes: CONNECTION_WINDOW_BYTES,
    frameBytes: FRAME_BYTES,
    handshakeMs: HANDSHAKE_MS,
    maxConcurrentStreams: options.maxConcurrentStreams,
    maxConnections: options.maxConnections,
    onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, connection?: Connection) => {
      observe(stream, headers)
      inFlight.track(stream, headers)
      admit(stream, headers, connection)
    },
  })
  const port = await bind(server, options.host, options.port, options.credentials)
  const host = options.host.includes(':') ? `[${options.host}]` : options.host

  let stopped: Promise<void> | null = null
  return {
    address: `${host}:${port}`,
    budget,
    setServing: (serving) => {
      for (const name of ['', ...names]) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING')
    },
    shutdown: (graceMs) => (stopped ??= shutDown(server, dropConnections, inFlight, graceMs)),
  }
}

/**
 * Stops listening, tells every client to go elsewhere, and ends once no call is in flight or `graceMs` are
 * over. grpc-js alone would wait for ever on an open stream such as a health watch; those are not counted.
 */
async function shutDown(
  server: Server,
  dropConnections: () => void,
  inFlight: InFlight,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
  const answered = Promise.race([closed, inFlight.idle()])
  await within(graceMs, answered)
  // Connections without a stream close by themselves once their last bytes are out.
  await within(Math.min(LINGER_MS, graceMs), closed)
  dropConnections()
  server.forceShutdown()
  // A stream whose end nobody was told of has been seen after its caller went away; it holds up nobody.
  await within(LINGER_MS, closed)
}

/** Resolves with `promise`, or after `ms` without it. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  const timer = new AbortController()
  await Promise.race([promise, setTimeout(ms, undefined, { signal: timer.signal }).catch(() => undefined)])
  timer.abort()
}
