/** Random numbers that depend on what they are for, and on nothing that was drawn before. */

import { createHash } from 'node:crypto'

/**
 * A stream of random numbers: sfc32 (Doty-Humphrey, PractRand), seeded with a hash of its name. Streams of
 * different names are independent, so one part of an exam can change without changing the others.
 */
export class Random {
  readonly #state = new Int32Array(4)
  #spare = NaN

  constructor(...name: readonly (string | number)[]) {
    const digest = createHash('sha256').update(name.join('/')).digest()
    for (let i = 0; i < 4; i++) this.#state[i] = digest.readInt32LE(4 * i)
    for (let i = 0; i < 12; i++) this.uniform()
  }

  /** In [0, 1). */
  uniform(): number {
    const s = this.#state as unknown as [number, number, number, number]
    const t = (s[0] + s[1] + s[3]) | 0
    s[3] = (s[3] + 1) | 0
    s[0] = s[1] ^ (s[1] >>> 9)
    s[1] = (s[2] + (s[2] << 3)) | 0
    s[2] = (((s[2] << 21) | (s[2] >>> 11)) + t) | 0
    return (t >>> 0) / 2 ** 32
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.uniform()
  }

  /** Standard normal (Box and Muller 1958). */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const spare = this.#spare
      this.#spare = NaN
      return spare
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    const angle = 2 * Math.PI * this.uniform()
    this.#spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  /** Log-normal around `median`, with standard deviation `spread` of its logarithm. */
  around(median: number, spread: number): number {
    return median * Math.exp(spread * this.normal())
  }

  chance(probability: number): boolean {
    return this.uniform() < probability
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[Math.floor(this.uniform() * items.length)] ?? items[0]
  }

  /** A direction, uniform on the sphere. */
  direction(): [number, number, number] {
    const [x, y, z] = [this.normal(), this.normal(), this.normal()]
    const length = Math.hypot(x, y, z)
    return [x / length, y / length, z / length]
  }
}
