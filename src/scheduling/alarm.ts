import type { Clock, TimerPrecision } from './types.js'

/** One timer that is moved around: setting it as it is already costs nothing. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #at = Infinity
  #precision: TimerPrecision = 'coarse'
  #cancel: (() => void) | null = null

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  set(at: number, precision: TimerPrecision): void {
    if (at === this.#at && precision === this.#precision) return
    this.off()
    if (at === Infinity) return
    this.#at = at
    this.#precision = precision
    this.#cancel = this.#clock.setTimer(
      at,
      () => {
        this.off()
        this.#ring()
      },
      precision,
    )
  }

  off(): void {
    this.#cancel?.()
    this.#cancel = null
    this.#at = Infinity
  }
}
