/** What is known of the work behind the wire; the daemon answers from its queues. */
export interface Load {
  /**
   * Milliseconds until a request of so many bytes for a model that came now would have been run, behind what waits
   * and runs and behind `arriving` bytes of requests that are on their way to it. 0 where nothing is known.
   */
  expectedWaitMs(model: string, bytes: number, arriving: number): number
}

/** Estimates are means: what is expected to end just in time often ends too late. A shorter queue loses no work. */
const MARGIN = 1.4
const MARGIN_MS = 20
/** Nobody is told to stay away for longer: queues empty sooner than expected where others give up. */
const LONGEST_RETRY_MS = 30_000
const SHORTEST_RETRY_MS = 50

/**
 * Turns away, before its body, a request that could not be answered by its deadline. What others send already counts
 * as work ahead, so that at many times the load that can be answered those that are let in are answered in time, and
 * the rest learns at once when to come again.
 */
export class Gate {
  readonly #arriving = new Map<string, number>()

  constructor(private readonly load: Load) {}

  /** Milliseconds after which the caller may come again, null where the request can be in time. */
  refuses(model: string, bytes: number, leftMs: number): number | null {
    if (leftMs === Infinity) return null
    const arriving = this.#arriving.get(model) ?? 0
    const wait = this.load.expectedWaitMs(model, bytes, arriving) * MARGIN + MARGIN_MS
    if (wait <= leftMs) return null
    // Nobody is ahead: the estimate may be of another time, and only a run can correct it.
    if (this.load.expectedWaitMs(model, 0, arriving) === 0) return null
    // They were refused together, and are not to come again together.
    const retry = (wait - leftMs) * (1 + Math.random())
    return Math.min(LONGEST_RETRY_MS, Math.max(SHORTEST_RETRY_MS, retry))
  }

  /** A request is on its way. Returns how to say, once, that it has come or will not. */
  enter(model: string, bytes: number): () => void {
    this.#add(model, bytes)
    let left = false
    return () => {
      if (left) return
      left = true
      this.#add(model, -bytes)
    }
  }

  #add(model: string, bytes: number): void {
    const sum = (this.#arriving.get(model) ?? 0) + bytes
    if (sum > 0) this.#arriving.set(model, sum)
    else this.#arriving.delete(model)
  }
}

/** Where the name of the model begins: after the prefix, the tag of field 1 and one byte of length. */
const NAME_AT = 7
const NAME_TAG = (1 << 3) | 2

/**
 * The model that a ModelInferRequest is for, from the first bytes of its call: the name is field 1, and encoders write
 * fields in order. Null where it is not there or not whole.
 */
export function modelOf(chunk: Buffer): string | null {
  if (chunk.length < NAME_AT || chunk[0] !== 0 || chunk[5] !== NAME_TAG) return null
  const length = chunk[6] ?? 0
  if (length > 127 || chunk.length < NAME_AT + length) return null
  return chunk.toString('utf8', NAME_AT, NAME_AT + length)
}
