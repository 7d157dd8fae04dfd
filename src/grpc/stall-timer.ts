/**
 * Notices a peer that sends nothing for `ms`. A process that was itself held up finds its timers due before
 * it has read what arrived meanwhile, so the event loop gets a turn to read before the peer is blamed.
 * It keeps no process alive.
 */
export class StallTimer {
  readonly #timer: NodeJS.Timeout
  #verdict: NodeJS.Immediate | null = null

  constructor(ms: number, onStall: () => void) {
    this.#timer = setTimeout(() => {
      this.#verdict = setImmediate(onStall).unref()
    }, ms).unref()
  }

  /** The peer sent something. */
  refresh(): void {
    this.#acquit()
    this.#timer.refresh()
  }

  stop(): void {
    this.#acquit()
    clearTimeout(this.#timer)
  }

  #acquit(): void {
    if (this.#verdict) clearImmediate(this.#verdict)
    this.#verdict = null
  }
}
