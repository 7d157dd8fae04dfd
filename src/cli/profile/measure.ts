import { createHistogram } from 'node:perf_hooks'
import type { BatchEntry, BatchRunner } from '../../scheduling/index.js'

/** Batches in flight: one runs while the next is gathered into the other slot. */
const DEPTH = 2
const MICROSECONDS = 1000

export interface Measurement {
  readonly batches: number
  readonly seconds: number
  /** Gather, run and scatter of a batch, without the wait for the batch before it. */
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number }
}

/**
 * Runs `entries` back to back for `seconds`, at least `DEPTH` times, keeping both slots of the instance busy.
 * Rejects with what a run failed with.
 *
 * @param answered told of every result
 */
export async function measure<P, R>(
  runner: BatchRunner<P, R>,
  entries: readonly BatchEntry<P>[],
  seconds: number,
  answered: (result: R) => void = () => undefined,
): Promise<Measurement> {
  const histogram = createHistogram({ figures: 3 })
  const begin = performance.now()
  const end = begin + seconds * 1000
  let batches = 0
  const lane = async (): Promise<void> => {
    do {
      const { outcomes, timings } = await runner.start(entries).done
      for (const outcome of outcomes) {
        if (outcome.kind === 'failed') throw outcome.error
        if (outcome.kind === 'ok') answered(outcome.result)
      }
      const { gatherStart, gatherEnd, runStart, scatterEnd } = timings
      const took = gatherEnd - gatherStart + (scatterEnd - runStart)
      histogram.record(Math.max(1, Math.round(took * MICROSECONDS)))
      batches++
    } while (performance.now() < end)
  }
  await Promise.all(Array.from({ length: DEPTH }, lane))
  const percentile = (p: number): number => histogram.percentile(p) / MICROSECONDS
  return {
    batches,
    seconds: (performance.now() - begin) / 1000,
    latencyMs: { p50: percentile(50), p90: percentile(90), p99: percentile(99) },
  }
}
