import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { SentinodeError, type ErrorCode } from '../errors.js'
import { PrefixReader, type AnnouncedMessage } from './prefix-reader.js'
import { Patience } from './patience.js'
import type { RequestBudget } from './request-budget.js'
import type { Rounds, Watched } from './rounds.js'
import type { StreamLedger } from './stream-ledger.js'

/** A message of a stream is a piece of something larger; more would only wait in memory to be written. */
export const MAX_STREAM_MESSAGE = 4 * 2 ** 20
/** Messages of one stream that may be here and not be taken by its handler. */
const AHEAD = 2
/** What a message costs however small it is. */
const OVERHEAD = 256

export interface StreamIngressOptions {
  readonly budget: RequestBudget
  readonly ledger: StreamLedger
  readonly maxMessageBytes: number
  readonly rounds: Rounds
  /** A message that has begun may rest for so long in all, and has to come at a least rate besides. */
  readonly graceMs: number
  readonly leastRate: number
  /** The largest that a compressed message can become. */
  readonly inflated: (bytes: number) => number
  readonly onShed: (code: ErrorCode) => void
}

/**
 * Admission of a stream of messages. Its messages are pieces that its handler takes one by one, so what bounds
 * them is the stream's own flow control: it is not read on while two messages wait for the handler. They are
 * counted in the budget of messages and do not wait for it, since an upload that waits for room which another
 * upload's rest holds would wait for ever. Only compressed ones, which may become anything, wait.
 */
export function followStream(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: StreamIngressOptions,
): void {
  const { budget } = options
  const reader = new PrefixReader()
  /** Of messages that are not taken yet, the oldest first. */
  const held: { readonly ready: () => boolean; readonly release: () => void }[] = []
  let blocked = false
  let wanted = false
  let refused = false

  const { refuse, leave } = options.ledger.enter(headers, () => {
    held.shift()?.release()
    regulate()
  })
  const end = (code: ErrorCode, message: string): void => {
    if (over()) return
    refused = true
    options.onShed(code)
    refuse(new SentinodeError(code, message))
  }
  const patience = new Patience(options.graceMs, options.leastRate)
  const watched: Watched = {
    look: (ms) => {
      if (!reader.incomplete || blocked) patience.renew()
      else if (!patience.wait(ms)) end('TRANSFER_TOO_SLOW', 'the rest of a message did not arrive in time')
    },
  }
  options.rounds.add(watched)

  /** Nobody will take any more: what still arrives is read and dropped. */
  const over = (): boolean => refused || stream.writableEnded || stream.closed

  /** grpc-js pauses and resumes the stream by itself; here it is held while it must not be read. */
  function regulate(): void {
    const full = !over() && (held.length >= AHEAD || held.some(({ ready }) => !ready()))
    if (full === blocked) return
    blocked = full
    if (full) {
      wanted = true
      stream.pause()
    } else if (wanted) stream.resume()
  }
  stream.on('resume', () => {
    wanted = blocked
    if (blocked && !over()) stream.pause()
  })

  /** False where the rest of the stream was refused. */
  const admit = (message: AnnouncedMessage): boolean => {
    if (message.bytes > Math.min(MAX_STREAM_MESSAGE, options.maxMessageBytes)) {
      end(
        'REQUEST_TOO_LARGE',
        `expected messages of at most ${MAX_STREAM_MESSAGE} bytes in a stream, found one of ${message.bytes}`,
      )
    } else if (message.compressed) {
      const shed = (): void => end('QUEUE_FULL', 'the memory for requests is full; retry later')
      const reservation = budget.reserve({
        bytes: options.inflated(message.bytes),
        held: message.bytes,
        growable: false,
        shares: [],
        deadline: Infinity,
        onGrant: regulate,
        onHold: regulate,
        onEvict: shed,
      })
      if (reservation === null) shed()
      // It is here already, or soon: what it becomes is what has to have room.
      else held.push({ ready: () => reservation.granted, release: () => reservation.release() })
    } else held.push({ ready: () => true, release: budget.charge(message.bytes + OVERHEAD) })
    return !refused
  }

  stream.on('data', (chunk: Buffer) => {
    if (over()) return
    patience.moved(chunk.length)
    reader.push(chunk).every(admit)
    regulate()
  })
  stream.once('close', () => {
    options.rounds.remove(watched)
    leave()
    for (const { release } of held.splice(0)) release()
  })
}
