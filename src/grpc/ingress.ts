import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { ErrorCode } from '../errors.js'
import { monotonicNow } from '../scheduling/clock.js'
import type { Connection } from './connections.js'
import { Patience } from './patience.js'
import { PrefixReader, type AnnouncedMessage } from './prefix-reader.js'
import { refuse, type RefusalOptions } from './refusal.js'
import type { RequestBudget, Reservation } from './request-budget.js'
import type { Rounds, Watched } from './rounds.js'
import { followStream } from './stream-ingress.js'
import type { StreamLedger } from './stream-ledger.js'
import { capTimeout, timeoutMs } from './timeout.js'

/** deflate cannot shrink a message further than this. */
const MAX_INFLATION = 1032
/** A sender may rest for so long in all before the least rate is asked of it. */
export const GRACE_MS = 10_000
/** A call that is taken back within this was made to be taken back. */
const RAPID_MS = 100

export interface IngressOptions extends RefusalOptions {
  readonly budget: RequestBudget
  readonly rounds: Rounds
  readonly maxMessageBytes: number
  /** Bytes that a stream may hold while it is not read: its flow control window. */
  readonly windowBytes: number
  /** Bytes a second that a message must come with, beyond the grace. */
  readonly leastRate: number
  /** Paths of the methods that take a stream of messages; see stream-ingress.ts. */
  readonly streaming?: ReadonlySet<string>
  /** Paths of the methods that are work, once their message is here: not such as watch something for ever. */
  readonly working?: ReadonlySet<string>
  readonly ledger?: StreamLedger
  readonly graceMs?: number
}

/**
 * Admission before the body: every stream passes here before grpc-js sees it. The prefix of a message
 * tells its size; the stream is not read further until the budget has room for it, so that overload stays
 * in the senders' flow control and not in our memory. Messages that are here whole already are charged
 * without waiting, so that health checks and small calls answer under overload. What a stream reserved is
 * given back when it closes: its answer was sent, or the call died. A call has to send its message, and the end
 * of it, without long rests and at a least rate.
 */
export function createIngress(
  options: IngressOptions,
): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, connection?: Connection) => void {
  const { streaming, ledger, graceMs = GRACE_MS } = options
  const inflated = (bytes: number): number => Math.min(bytes * MAX_INFLATION, options.maxMessageBytes)
  return (stream, headers, connection) => {
    capTimeout(headers)
    if (connection) countResets(stream, connection)
    if (ledger !== undefined && streaming?.has(headers[':path'] ?? '') === true) {
      if (connection) keepBusy(stream, connection)
      followStream(stream, headers, { ...options, ledger, graceMs, inflated })
      return
    }
    new Arrival(stream, headers, connection, { ...options, graceMs, inflated }).follow()
  }
}

interface ArrivalOptions extends IngressOptions {
  readonly graceMs: number
  readonly inflated: (bytes: number) => number
}

/** One call's message on its way in. */
class Arrival implements Watched {
  readonly #reader = new PrefixReader()
  readonly #patience: Patience
  readonly #charges: (() => void)[] = []
  #reservation: Reservation | null = null

  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly headers: IncomingHttpHeaders,
    private readonly connection: Connection | undefined,
    private readonly options: ArrivalOptions,
  ) {
    this.#patience = new Patience(options.graceMs, options.leastRate)
  }

  follow(): void {
    const { stream } = this
    const { rounds } = this.options
    rounds.add(this)
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.once('end', () => {
      rounds.remove(this)
      const { connection } = this
      if (connection && this.options.working?.has(this.headers[':path'] ?? '') === true)
        keepBusy(stream, connection)
    })
    stream.once('close', () => {
      rounds.remove(this)
      this.#release()
    })
  }

  look(ms: number): void {
    if (this.#reservation?.granted === false) this.#patience.renew()
    else if (!this.#patience.wait(ms)) this.#refuse('TRANSFER_TOO_SLOW', 'the message did not arrive in time')
  }

  #take(chunk: Buffer): void {
    const { stream } = this
    // Answered already: what still arrives is read and dropped.
    if (stream.headersSent || stream.closed) return
    this.#patience.moved(chunk.length)
    if (this.connection) this.connection.usedAt = monotonicNow()
    for (const message of this.#reader.push(chunk)) if (!this.#admit(message)) return
    const reservation = this.#reservation
    if (reservation === null) return
    reservation.arrived(chunk.length)
    if (this.#reader.incomplete) return
    reservation.complete()
  }

  /** False where the call was refused. */
  #admit(message: AnnouncedMessage): boolean {
    const { options, stream } = this
    if (message.bytes > options.maxMessageBytes) {
      const found = `expected a message of at most ${options.maxMessageBytes} bytes, found one of ${message.bytes}`
      this.#refuse('REQUEST_TOO_LARGE', found)
      return false
    }
    // A compressed message is charged for the largest that it can become.
    const bytes = message.compressed ? options.inflated(message.bytes) : message.bytes
    if (message.arrived === message.bytes && !message.compressed) {
      this.#charges.push(options.budget.charge(bytes))
      return true
    }
    // A call has one message; a second one is an error that grpc-js answers, and is held to the same room.
    const before = this.#reservation
    if (before !== null) this.#charges.push(() => before.release())
    this.#reservation = options.budget.reserve({
      bytes,
      held: Math.min(message.bytes, options.windowBytes),
      growable: !message.compressed,
      shares: this.connection ? [this.connection, this.connection.peer] : [],
      deadline: monotonicNow() + timeoutMs(this.headers),
      onGrant: () => stream.resume(),
      onHold: () => stream.pause(),
      onEvict: () => this.#shed(),
    })
    if (this.#reservation === null) {
      this.#shed()
      return false
    }
    if (!this.#reservation.granted) stream.pause()
    return true
  }

  #shed(): void {
    this.#refuse('QUEUE_FULL', 'the memory for requests is full; retry later')
  }

  #refuse(code: ErrorCode, details: string): void {
    refuse(this.stream, this.options, { code, details })
    this.#release()
  }

  #release(): void {
    this.#reservation?.release()
    for (const release of this.#charges) release()
  }
}

/** The connection is at work until the call ends. */
function keepBusy(stream: ServerHttp2Stream, connection: Connection): void {
  connection.working++
  stream.once('close', () => {
    connection.working--
    connection.usedAt = monotonicNow()
  })
}

/** Ends a connection whose address takes back more calls, as soon as they are made, than it may. */
function countResets(stream: ServerHttp2Stream, connection: Connection): void {
  const begin = monotonicNow()
  stream.once('close', () => {
    if (stream.rstCode === 0 || monotonicNow() - begin > RAPID_MS || connection.peer.mayReset()) return
    connection.end('hostile')
  })
}
