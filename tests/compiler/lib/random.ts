/** Mulberry32: the same cases on every machine, named by their seed. */
export class Random {
  constructor(private state: number) {}

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)]!
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** Float32 numbers between -1 and 1, so that the reference sees what the runtime sees. */
  values(count: number): Float64Array {
    return Float64Array.from({ length: count }, () => Math.fround(this.next() * 2 - 1))
  }
}
