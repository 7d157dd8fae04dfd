/** A call's share of the budget. */
export interface Reservation {
  readonly granted: boolean
  /** Gives everything back; idempotent. */
  release(): void
}

interface Waiter {
  readonly bytes: number
  readonly held: number
  readonly grant: () => void
}

/**
 * Bytes of request messages that may be in memory at once. Who does not fit waits in arrival order, with
 * its message unread; the waiting room is bounded by the bytes that waiting streams hold in their flow
 * control windows. JavaScript's thread only.
 */
export class RequestBudget {
  readonly #waiters = new Set<Waiter>()
  #used = 0
  #waiting = 0

  constructor(
    readonly capacity: number,
    readonly waitingCapacity: number,
  ) {}

  get used(): number {
    return this.#used
  }

  /** Bytes that waiting streams may hold. */
  get waiting(): number {
    return this.#waiting
  }

  /** Takes bytes that are in memory already, whether they fit or not. */
  charge(bytes: number): Reservation {
    this.#used += bytes
    return this.#granted(bytes)
  }

  /**
   * Reserves `bytes`, now or later. `held` is what the stream may hold while it waits. `onGrant` is called
   * only where the reservation has to wait. Null when the waiting room is full: shed the call.
   */
  reserve(bytes: number, held: number, onGrant: () => void): Reservation | null {
    if (this.#waiters.size === 0 && this.#used + bytes <= this.capacity) return this.charge(bytes)
    if (this.#waiting + held > this.waitingCapacity) return null

    let inner: Reservation | null = null
    let released = false
    const waiter: Waiter = {
      bytes,
      held,
      grant: () => {
        inner = this.#granted(bytes)
        onGrant()
      },
    }
    this.#waiters.add(waiter)
    this.#waiting += held
    return {
      get granted() {
        return inner !== null
      },
      release: () => {
        if (released) return
        released = true
        if (inner) inner.release()
        else {
          this.#waiters.delete(waiter)
          this.#waiting -= held
          this.#grantWaiters()
        }
      },
    }
  }

  #granted(bytes: number): Reservation {
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      this.#used -= bytes
      this.#grantWaiters()
    }
    return { granted: true, release }
  }

  #grantWaiters(): void {
    for (const waiter of this.#waiters) {
      if (this.#used + waiter.bytes > this.capacity) return
      this.#waiters.delete(waiter)
      this.#waiting -= waiter.held
      this.#used += waiter.bytes
      waiter.grant()
    }
  }
}
