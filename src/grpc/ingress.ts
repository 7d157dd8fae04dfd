import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { ErrorCode } from '../errors.js'
import { monotonicNow } from '../scheduling/index.js'
import { Answers } from './answers.js'
import type { Connection } from './connections.js'
import { Gate, modelOf, type Load } from './load.js'
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
  /** Of the calls that take an inference request. */
  readonly load?: { readonly paths: ReadonlySet<string>; readonly of: Load }
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
  const gate = options.load ? new Gate(options.load.of) : null
  const answers = new Answers({ ...options, graceMs })
  const inflated = (bytes: number): number => Math.min(bytes * MAX_INFLATION, options.maxMessageBytes)
  return (stream, headers, connection) => {
    capTimeout(headers)
    if (connection) countResets(stream, connection)
    if (ledger !== undefined && streaming?.has(headers[':path'] ?? '') === true) {
      if (connection) keepBusy(stream, connection)
      answers.follow(stream, () => undefined)
      followStream(stream, headers, { ...options, ledger, graceMs, inflated })
      return
    }
    const arrival = new Arrival(stream, headers, connection, { ...options, gate, graceMs, inflated })
    arrival.follow()
    // Its message is not needed any more once it is answered.
    answers.follow(stream, () => arrival.release())
  }
}

interface ArrivalOptions extends IngressOptions {
  readonly gate: Gate | null
  readonly graceMs: number
  readonly inflated: (bytes: number) => number
}

/** One call's message on its way in. */
class Arrival implements Watched {
  readonly #reader = new PrefixReader()
  readonly #patience: Patience
  readonly #charges: (() => void)[] = []
  #reservation: Reservation | null = null
  /** Monotonic milliseconds. */
  readonly #deadline: number
  /** Leaves those that are on their way to their model. */
  #come: (() => void) | null = null

  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly headers: IncomingHttpHeaders,
    private readonly connection: Connection | undefined,
    private readonly options: ArrivalOptions,
  ) {
    this.#patience = new Patience(options.graceMs, options.leastRate)
    this.#deadline = monotonicNow() + timeoutMs(headers)
  }

  follow(): void {
    const { stream } = this
    const { rounds } = this.options
    rounds.add(this)
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.once('end', () => {
      rounds.remove(this)
      // It is decoded and in its queue by the next turn.
      if (this.#come) setImmediate(this.#come)
      const { connection } = this
      if (connection && this.options.working?.has(this.headers[':path'] ?? '') === true)
        keepBusy(stream, connection)
    })
    stream.once('close', () => {
      rounds.remove(this)
      this.release()
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
    for (const message of this.#reader.push(chunk)) if (!this.#admit(message, chunk)) return
    const reservation = this.#reservation
    if (reservation === null) return
    reservation.arrived(chunk.length)
    if (this.#reader.incomplete) return
    reservation.complete()
  }

  /** False where the call was refused. */
  #admit(message: AnnouncedMessage, chunk: Buffer): boolean {
    const { options, stream } = this
    if (message.bytes > options.maxMessageBytes) {
      const found = `expected a message of at most ${options.maxMessageBytes} bytes, found one of ${message.bytes}`
      this.#refuse('REQUEST_TOO_LARGE', found)
      return false
    }
    if (!this.#inTime(message, chunk)) return false
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
      deadline: this.#deadline,
      onGrant: () => this.#begin(),
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

  /** Whether the request can be answered by its deadline, by what waits at its model and is on its way to it. */
  #inTime(message: AnnouncedMessage, chunk: Buffer): boolean {
    const { gate, load } = this.options
    if (gate === null || load?.paths.has(this.headers[':path'] ?? '') !== true || this.#come) return true
    const model = modelOf(chunk)
    if (model === null) return true
    const retryMs = gate.refuses(model, message.bytes, this.#deadline - monotonicNow())
    if (retryMs !== null) {
      this.#refuse('QUEUE_FULL', 'too much is ahead for an answer by the deadline; retry later', retryMs)
      return false
    }
    this.#come = gate.enter(model, message.bytes)
    return true
  }

  /** Its room is there, and it may be read, unless it is too late for that. */
  #begin(): void {
    if (monotonicNow() >= this.#deadline) this.#refuse('DEADLINE_EXCEEDED', 'there was no room until then')
    else this.stream.resume()
  }

  #shed(): void {
    this.#refuse('QUEUE_FULL', 'the memory for requests is full; retry later')
  }

  #refuse(code: ErrorCode, details: string, retryMs?: number): void {
    refuse(this.stream, this.options, { code, details, ...(retryMs === undefined ? {} : { retryMs }) })
    this.release()
  }

  /** Gives its room back. Idempotent. */
  release(): void {
    this.#come?.()
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
