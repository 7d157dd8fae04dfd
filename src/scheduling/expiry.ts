import { BinaryHeap } from './binary-heap.js'

interface Expiring {
  /** The clock's milliseconds; Infinity for never. */
  readonly expiry: number
}

/** Stale entries are swept out once they outnumber the live ones by this much. */
const STALE_ALLOWANCE = 64

/**
 * Who expires next. Most requests run in time, so that a request no longer waits is not recorded here: its
 * entry is dropped when it comes up, or when such entries outnumber the others.
 */
export class ExpiryIndex<E extends Expiring> {
  readonly #heap = new BinaryHeap<E>()
  readonly #isWaiting: (entry: E) => boolean
  #sweepAt = STALE_ALLOWANCE

  constructor(isWaiting: (entry: E) => boolean) {
    this.#isWaiting = isWaiting
  }

  /** To be called once more when an entry's expiry has changed. */
  add(entry: E): void {
    if (entry.expiry === Infinity) return
    this.#heap.push(entry.expiry, entry)
    if (this.#heap.size > this.#sweepAt) this.#sweep()
  }

  /** When the next waiting request expires; Infinity if none does. */
  next(): number {
    for (let top = this.#heap.peek(); top; top = this.#heap.peek()) {
      if (this.#isLive(top)) return top.key
      this.#heap.pop()
    }
    return Infinity
  }

  /** Takes out a waiting request whose time has come, or null. */
  takeExpired(now: number): E | null {
    return this.next() <= now ? (this.#heap.pop() ?? null) : null
  }

  #isLive({ key, value }: { readonly key: number; readonly value: E }): boolean {
    return key === value.expiry && this.#isWaiting(value)
  }

  #sweep(): void {
    for (const item of this.#heap.takeAll()) if (this.#isLive(item)) this.#heap.push(item.key, item.value)
    this.#sweepAt = 2 * this.#heap.size + STALE_ALLOWANCE
  }
}
