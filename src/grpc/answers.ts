import { constants, type ServerHttp2Stream } from 'node:http2'
import type { ErrorCode } from '../errors.js'
import { monotonicNow } from '../scheduling/index.js'
import { Patience } from './patience.js'
import type { RequestBudget } from './request-budget.js'
import type { Rounds, Watched } from './rounds.js'

/** An answer is handed over in pieces of this size, so that it shows how fast it is read. */
const PIECE = 512 * 1024
/** So long an answer may take before it is ended because the memory for messages is full. */
const YOUNG_MS = 2000

export interface AnswerOptions {
  readonly budget: RequestBudget
  readonly rounds: Rounds
  /** How long a reader may rest in all, and the bytes a second that buy it more. */
  readonly graceMs: number
  readonly leastRate: number
  readonly onShed: (code: ErrorCode) => void
}

type Written = (error?: Error | null) => void

/**
 * Counts answers in the budget of messages until they are written to their sockets, and ends those of slow readers:
 * such as fall below the least rate, and, while the budget is overdrawn, the slowest that were begun a while ago.
 * Their streams are reset with ENHANCE_YOUR_CALM, which gRPC takes for RESOURCE_EXHAUSTED: a status can only follow
 * the message.
 */
export class Answers implements Watched {
  readonly #open = new Set<Answer>()

  constructor(private readonly options: AnswerOptions) {}

  /**
   * Follows what is written to a stream. grpc-js knows of no such thing, so its `write` is replaced; grpc-js waits for
   * each message's callback before it writes the next or the status.
   * @param onAnswer called before each message
   */
  follow(stream: ServerHttp2Stream, onAnswer: () => void): void {
    const write = stream.write.bind(stream) as (chunk: Buffer, written: Written) => boolean
    let answer: Answer | null = null
    stream.write = ((message: Buffer, written: Written) => {
      onAnswer()
      answer ??= new Answer(stream, write, this.options, () => this.#ended(answer))
      this.#open.add(answer)
      if (this.#open.size === 1) this.options.rounds.add(this)
      return answer.send(message, written)
    }) as typeof stream.write
    stream.once('close', () => answer?.release())
  }

  look(ms: number): void {
    for (const answer of this.#open) answer.look(ms)
    const { budget } = this.options
    while (budget.used > budget.capacity) {
      const now = monotonicNow()
      const old = [...this.#open].filter(({ begun }) => now - begun > YOUNG_MS)
      const [slowest] = old.sort((a, b) => a.rate(now) - b.rate(now))
      if (slowest === undefined) return
      slowest.cut()
    }
  }

  #ended(answer: Answer | null): void {
    if (answer !== null) this.#open.delete(answer)
    if (this.#open.size === 0) this.options.rounds.remove(this)
  }
}

/** The messages of one call on their way out. */
class Answer {
  /** Of the message that is being sent, monotonic milliseconds. */
  begun = 0
  readonly #patience: Patience
  #sent = 0
  #free: () => void = () => undefined

  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly write: (chunk: Buffer, written: Written) => boolean,
    private readonly options: AnswerOptions,
    private readonly onEnd: () => void,
  ) {
    this.#patience = new Patience(options.graceMs, options.leastRate)
  }

  /** Bytes a millisecond. */
  rate(now: number): number {
    return this.#sent / (now - this.begun)
  }

  send(message: Buffer, written: Written): boolean {
    this.begun = monotonicNow()
    this.#sent = 0
    this.#patience.renew()
    this.#free = this.options.budget.charge(message.length)
    return this.#piece(message, written)
  }

  #piece(message: Buffer, written: Written): boolean {
    const end = Math.min(message.length, this.#sent + PIECE)
    return this.write(message.subarray(this.#sent, end), (error) => {
      this.#patience.moved(end - this.#sent)
      this.#sent = end
      // The deadline may have ended the stream in between.
      if (!error && end < message.length && !this.stream.writableEnded) {
        this.#piece(message, written)
        return
      }
      this.release()
      written(error)
    })
  }

  look(ms: number): void {
    if (!this.#patience.wait(ms)) this.cut()
  }

  cut(): void {
    this.options.onShed('TRANSFER_TOO_SLOW')
    this.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    this.release()
  }

  release(): void {
    this.#free()
    this.onEnd()
  }
}
