/**
 * How long a peer that has something to send (or to read) is waited for. Waiting uses patience up and bytes give
 * it back, at the least rate that is accepted and never beyond where it began: what was sent quickly earns no
 * pause later, and a byte a second buys nothing.
 */
export class Patience {
  #leftMs: number

  /** @param bytesPerSecond the least rate, > 0 */
  constructor(
    private readonly graceMs: number,
    private readonly bytesPerSecond: number,
  ) {
    this.#leftMs = graceMs
  }

  /** At least one, so that what is here already can be looked at. */
  get leftMs(): number {
    return Math.max(1, this.#leftMs)
  }

  moved(bytes: number): void {
    this.#leftMs = Math.min(this.graceMs, this.#leftMs + (bytes * 1000) / this.bytesPerSecond)
  }

  /** What kept the peer waiting was ours. */
  renew(): void {
    this.#leftMs = this.graceMs
  }

  /** @returns whether there is some left */
  wait(ms: number): boolean {
    this.#leftMs -= ms
    return this.#leftMs > 0
  }
}
