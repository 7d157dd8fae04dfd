/** Peers that hold what they were given and hardly use it. */
import { connect as connectSocket, type Socket } from 'node:net'
import type { ClientHttp2Stream } from 'node:http2'
import type { Attack } from '../attack.js'
import { frame, open } from '../wire.js'

const MIB = 2 ** 20

/** Writes one byte a second to each until the signal aborts. */
async function drip(write: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    write()
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

export const trickle: Attack = {
  name: 'trickle',
  what: 'eight calls that announce 128 MiB each and send a byte a second',
  promised: { answered: 0.9, probeMs: 1000, growthBytes: 256 * MIB },
  run: async (target, signal) => {
    const session = target.connect(signal)
    const streams: ClientHttp2Stream[] = []
    const begin = (): ClientHttp2Stream => {
      const stream = open(session)
      stream.resume()
      stream.write(frame(Buffer.alloc(0), 128 * MIB))
      return stream
    }
    await drip(() => {
      for (let i = 0; i < 8; i++) {
        const held = streams[i]
        if (held === undefined || held.closed || held.destroyed) streams[i] = begin()
        else held.write(Buffer.of(0))
      }
    }, signal)
  },
}

export const idleConnections: Attack = {
  name: 'idle-connections',
  what: '600 connections that say nothing',
  promised: { answered: 0.9, probeMs: 2000, growthBytes: 256 * MIB },
  run: async (target, signal) => {
    const [host = '', port = ''] = target.grpc.split(':')
    const sockets: Socket[] = []
    await drip(() => {
      const alive = sockets.filter((socket) => !socket.destroyed)
      sockets.splice(0, sockets.length, ...alive)
      while (sockets.length < 600) {
        const socket = connectSocket(Number(port), host)
        socket.on('error', () => undefined)
        sockets.push(socket)
      }
    }, signal)
    for (const socket of sockets) socket.destroy()
  },
}

export const halfRequests: Attack = {
  name: 'half-requests',
  what: '300 half-sent HTTP requests to the port of the probes',
  promised: { answered: 0.95, probeMs: 2000, growthBytes: 128 * MIB },
  run: async (target, signal) => {
    const [host = '', port = ''] = target.metrics.split(':')
    const sockets: Socket[] = []
    await drip(() => {
      const alive = sockets.filter((socket) => !socket.destroyed)
      sockets.splice(0, sockets.length, ...alive)
      for (const socket of alive) socket.write('x')
      while (sockets.length < 300) {
        const socket = connectSocket(Number(port), host)
        socket.on('error', () => undefined)
        socket.write('GET /livez HTTP/1.1\r\nhost: ')
        sockets.push(socket)
      }
    }, signal)
    for (const socket of sockets) socket.destroy()
  },
}
