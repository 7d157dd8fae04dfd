import type { BatchTimings } from './types.js'

/** Expected durations of one batch in milliseconds. */
export interface Expectation {
  readonly gather: number
  readonly run: number
  /** Mean absolute deviation of `run`. */
  readonly deviation: number
}

const WEIGHT = 0.25
/** Bucket names come from requests, so the memory of them is bounded: the least recently run goes first. */
const MAX_BUCKETS = 256

/** How long batches take, by bucket and rows: exponentially weighted means of what was seen. */
export class DurationEstimates {
  readonly #buckets = new Map<string, Map<number, Expectation>>()
  #meanRun = 0
  #meanRows = 0

  /** Milliseconds of a row as batches are now, whatever their bucket; 0 before the first. */
  get perRow(): number {
    return this.#meanRows === 0 ? 0 : this.#meanRun / this.#meanRows
  }

  observe(bucket: string, rows: number, timings: BatchTimings): void {
    const byRows = this.#buckets.get(bucket) ?? new Map<number, Expectation>()
    this.#buckets.delete(bucket)
    this.#buckets.set(bucket, byRows)
    if (this.#buckets.size > MAX_BUCKETS) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest)
        break
      }
    }
    const gather = timings.gatherEnd - timings.gatherStart
    const run = timings.runEnd - timings.runStart
    const first = this.#meanRows === 0
    this.#meanRun = first ? run : towards(this.#meanRun, run)
    this.#meanRows = first ? rows : towards(this.#meanRows, rows)
    const known = byRows.get(rows)
    byRows.set(
      rows,
      known
        ? {
            gather: towards(known.gather, gather),
            run: towards(known.run, run),
            deviation: towards(known.deviation, Math.abs(run - known.run)),
          }
        : { gather, run, deviation: 0 },
    )
  }

  /** For a number of rows not seen yet, the nearest that was, in proportion. Null for a new bucket. */
  expect(bucket: string, rows: number): Expectation | null {
    const byRows = this.#buckets.get(bucket)
    if (!byRows) return null
    const exact = byRows.get(rows)
    if (exact) return exact
    let nearest = Infinity
    for (const seen of byRows.keys()) if (Math.abs(seen - rows) < Math.abs(nearest - rows)) nearest = seen
    const base = byRows.get(nearest)
    if (!base) return null
    const scale = rows / nearest
    return { gather: base.gather * scale, run: base.run * scale, deviation: base.deviation * scale }
  }
}

function towards(mean: number, value: number): number {
  return mean + WEIGHT * (value - mean)
}
