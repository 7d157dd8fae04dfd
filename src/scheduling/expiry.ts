import { BinaryHeap } from './binary-heap.js'

interface Expiring {
  /** The clock's milliseconds; Infinity for never. */
  readonly expiry: number
}

/** Stale entries are swept out once they outnumber the live ones by this much. */
const STALE_ALLOWANCE = 64

/**
 * Who expires next. Most requests leave the queue in time, so leaving is not recorded here: an entry whose
 * request is gone is dropped when it comes up, or when such entries outnumber the others.
 */
export class ExpiryIndex<E extends Expiring> {
  readonly #heap = new BinaryHeap<E>()
  readonly #isWaiting: (entry: E) => boolean

  constructor(isWaiting: (entry: E) => boolean) {
    this.#isWaiting = isWaiting
  }

  /** @param waiting all that wait, `entry` included, and how many they are */
  add(entry: E, waiting: { readonly size: number; all(): Iterable<E> }): void {
    if (this.#heap.size > 2 * waiting.size + STALE_ALLOWANCE) {
      this.#heap.clear()
      for (const other of waiting.all()) this.#push(other)
    } else this.#push(entry)
  }

  /** When the next waiting request expires; Infinity if none does. */
  next(): number {
    for (let top = this.#heap.peek(); top; top = this.#heap.peek()) {
      if (this.#isWaiting(top.value)) return top.key
      this.#heap.pop()
    }
    return Infinity
  }

  /** Takes out a waiting request whose time has come, or null. */
  takeExpired(now: number): E | null {
    return this.next() <= now ? (this.#heap.pop() ?? null) : null
  }

  #push(entry: E): void {
    if (entry.expiry !== Infinity) this.#heap.push(entry.expiry, entry)
  }
}
