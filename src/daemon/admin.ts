import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { SentinodeError } from '../errors.js'
import { Connections } from '../grpc/connections.js'

export interface AdminOptions {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** The text of /metrics and its content type. */
  readonly metrics: () => Promise<{ contentType: string; text: string }>
  /** False when the process should be restarted. */
  readonly isLive: () => boolean
  /** False when no requests should be sent here. */
  readonly isReady: () => boolean
}

export interface AdminServer {
  /** host:port that scrapers and probes dial. */
  readonly address: string
  close(): Promise<void>
}

const REQUEST_TIMEOUT_MS = 10_000
const MAX_CONNECTIONS = 256
/** Of one connection after which it is closed, so that a scraper which keeps it gets a new one now and then. */
const REQUESTS_PER_CONNECTION = 1000

/**
 * Serves /metrics, /livez and /readyz over plain HTTP; it reads no bodies and offers nothing else. A request has to be
 * here whole within seconds, and where all connections are taken the one idle for longest makes room, so that a probe
 * is always answered.
 */
export async function startAdminServer(options: AdminOptions): Promise<AdminServer> {
  const connections = new Connections(MAX_CONNECTIONS, REQUEST_TIMEOUT_MS)
  const timeouts = {
    headersTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1000,
  }
  const server = createServer(timeouts, (request, response) => {
    const connection = connections.of(request.socket)
    if (connection) {
      connection.established()
      connection.working++
      response.once('close', () => {
        connection.working--
        connection.usedAt = performance.now()
      })
    }
    answer(options, request, response).catch(() => {
      if (!response.headersSent) respond(response, 500, 'text/plain', 'the metrics could not be collected\n')
      else response.destroy()
    })
  })
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION
  server.prependListener('connection', (socket: Socket) => void connections.admit(socket))
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new SentinodeError(
          'INVALID_OPTION',
          `metrics-port: cannot listen on ${host}:${options.port}: ${error.message}`,
        ),
      )
    })
    server.listen(options.port, options.host, resolve)
  })
  return {
    address: `${host}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    respond(response, 405, 'text/plain', 'only GET and HEAD\n')
    return
  }
  const path = (request.url ?? '/').split('?', 1)[0]
  if (path === '/metrics') {
    const { contentType, text } = await options.metrics()
    respond(response, 200, contentType, text)
  } else if (path === '/livez') probe(response, options.isLive())
  else if (path === '/readyz') probe(response, options.isReady())
  else respond(response, 404, 'text/plain', 'there are /metrics, /livez and /readyz\n')
}

function probe(response: ServerResponse, good: boolean): void {
  respond(response, good ? 200 : 503, 'text/plain', good ? 'ok\n' : 'not ok\n')
}

function respond(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' })
  response.end(body)
}
