/** Told, at once, how it goes with one who wants a slot. */
export interface SlotHooks {
  readonly onWait?: () => void
  readonly onGrant?: () => void
}

/** How many may do something at once; the others wait in order of arrival. */
export class Slots {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Does `work` within a slot, which is given back however that ends. Rejects as `take` and `work` do. */
  async during<T>(signal: AbortSignal, work: () => Promise<T>, hooks: SlotHooks = {}): Promise<T> {
    const leave = await this.take(signal, hooks)
    try {
      return await work()
    } finally {
      leave()
    }
  }

  /** Resolves to the function that gives the slot back (idempotent), or rejects with the signal's reason. */
  take(signal: AbortSignal, hooks: SlotHooks = {}): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const grant = (): void => {
        signal.removeEventListener('abort', leave)
        hooks.onGrant?.()
        resolve(this.#slot())
      }
      const leave = (): void => {
        this.#waiting.delete(grant)
        reject(signal.reason as Error)
      }
      if (signal.aborted) leave()
      else if (this.#free > 0) {
        this.#free--
        grant()
      } else {
        hooks.onWait?.()
        this.#waiting.add(grant)
        signal.addEventListener('abort', leave, { once: true })
      }
    })
  }

  #slot(): () => void {
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      const [next] = this.#waiting
      if (next === undefined) this.#free++
      else {
        this.#waiting.delete(next)
        next()
      }
    }
  }
}
