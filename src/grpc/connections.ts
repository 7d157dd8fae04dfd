import type { Socket } from 'node:net'
import { Peers, type Peer } from './peers.js'
import type { Share } from './request-budget.js'

/** What of a socket is asked, that of a session's stand-in included. */
type Ends = Pick<Socket, 'remoteAddress' | 'remotePort'>

/** A connection, from the moment it is accepted. */
export interface Connection extends Share {
  readonly peer: Peer
  /** Calls that are being answered: while there are any, it is not given up for another connection. */
  working: number
  /** When it was last of use, in monotonic milliseconds. */
  usedAt: number
  /** Ends it: in order where another needs its place, at once where it does harm. */
  end: (why: 'idle' | 'hostile') => void
  /** It has shown that it speaks the protocol. */
  established(): void
}

/**
 * What a connection was opened for has this long to arrive before another takes its place: many may be accepted
 * before the first of them is read, a probe's among them.
 */
const TIME_TO_SPEAK_MS = 1000

/**
 * The connections of one server, bounded. One more than the bound is let in and the one that was of no use for
 * longest is ended, first of the address that has most of them: idle connections lock nobody out. Only where all
 * are at work is the newcomer turned away. One that does not begin to speak the protocol in time is closed.
 */
export class Connections {
  readonly #open = new Map<string, Connection>()
  /** Those of #open that have to go: they count no more, and are at most what addresses may open in a second. */
  readonly #going = new Set<Connection>()
  readonly #peers = new Peers()

  constructor(
    private readonly max: number,
    private readonly handshakeMs: number,
  ) {}

  /** Takes in a socket that was just accepted; null where it is closed instead, after its other listeners. */
  admit(socket: Socket): Connection | null {
    const peer = this.#peers.of(socket.remoteAddress)
    if (!peer.mayConnect() || (this.#open.size - this.#going.size >= this.max && !this.#makeRoom())) {
      setImmediate(() => socket.destroy())
      return null
    }
    const late = setTimeout(() => socket.destroy(), this.handshakeMs).unref()
    const connection: Connection = {
      peer,
      bytes: 0,
      working: 0,
      usedAt: performance.now(),
      end: () => socket.destroy(),
      established: () => clearTimeout(late),
    }
    const key = keyOf(socket)
    this.#open.set(key, connection)
    peer.connections++
    socket.once('close', () => {
      clearTimeout(late)
      this.#leave(key, connection)
    })
    return connection
  }

  /** Undefined for one that is closed or given up. */
  of(socket: Ends | undefined): Connection | undefined {
    return socket && this.#open.get(keyOf(socket))
  }

  #leave(key: string, connection: Connection): void {
    if (this.#open.get(key) !== connection) return
    this.#open.delete(key)
    if (!this.#going.delete(connection)) connection.peer.connections--
  }

  /** @returns whether there was one that could be given up */
  #makeRoom(): boolean {
    let worst: Connection | null = null
    for (const one of this.#open.values()) {
      if (one.working > 0 || this.#going.has(one)) continue
      if (worst === null || goesBefore(one, worst)) worst = one
    }
    if (worst === null) return false
    this.#giveUp(worst)
    return true
  }

  /** Where it turns out to be at work, it stays until that is done. */
  #giveUp(connection: Connection): void {
    this.#going.add(connection)
    connection.peer.connections--
    const end = (): void => {
      if (connection.working > 0) setTimeout(end, TIME_TO_SPEAK_MS).unref()
      else connection.end('idle')
    }
    const left = TIME_TO_SPEAK_MS - (performance.now() - connection.usedAt)
    if (left > 0) setTimeout(end, left).unref()
    else end()
  }
}

function goesBefore(a: Connection, b: Connection): boolean {
  const more = a.peer.connections - b.peer.connections
  return more !== 0 ? more > 0 : a.usedAt < b.usedAt
}

/** A TLS socket and the one under it have the same ends. */
function keyOf({ remoteAddress, remotePort }: Ends): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0}`
}
