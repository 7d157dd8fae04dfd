/** An instance of the addon as the scheduler's BatchRunner. */
import type { BatchEntry, BatchResult, BatchRunner, Outcome } from '../scheduling/index.js'
import { callAddon, codedError } from './errors.js'
import type { NativeBatch, NativeBatchResult, NativeOutcome, NativeSession } from './native.js'

export interface EnginePayload {
  /** In the session's order; referenced, not copied, until the batch is done. */
  readonly inputs: readonly Uint8Array[]
  /** Of each input; dimension 0 is the request's rows where the model has a batch. */
  readonly shapes: readonly (readonly number[])[]
  /** Indices of the outputs wanted, in the session's order. */
  readonly outputs: readonly number[]
}

export interface EngineOutput {
  readonly index: number
  readonly shape: readonly number[]
  /** Not to be written to (NativeOutput). */
  readonly data: Uint8Array
}

export interface EngineResult {
  readonly outputs: readonly EngineOutput[]
}

export interface EngineInstance extends BatchRunner<EnginePayload, EngineResult> {
  /** Cancels what is queued and running, then frees threads and batch memory. Idempotent. */
  dispose(): Promise<void>
}

/**
 * Starts the threads of one copy of the model.
 *
 * @param name for logs and metrics
 * @param slots see NativeInstanceOptions
 * @param batched whether dimension 0 of inputs and outputs is the batch; entries of one batch then differ
 * in it only, which the scheduler's buckets see to
 */
export function createInstance(
  session: NativeSession,
  name: string,
  slots: number,
  batched: boolean,
): EngineInstance {
  const pending = new Map<number, (result: NativeBatchResult) => void>()
  const native = callAddon(() =>
    session.createInstance({ slots }, (id, result) => {
      pending.get(id)?.(result)
      pending.delete(id)
    }),
  )
  return {
    name,
    start: (entries) => {
      const batch = joinEntries(entries, batched)
      const wanted = entries.map(({ payload }) => payload.outputs)
      const id = callAddon(() => native.execute(batch))
      return {
        done: new Promise((resolve) => {
          pending.set(id, (result) => resolve(toResult(result, batch.outputs, wanted)))
        }),
        cancel: (index) => native.cancel(id, index),
        stage: () => native.stageOf(id),
      }
    },
    dispose: () => native.dispose(),
  }
}

function joinEntries(entries: readonly BatchEntry<EnginePayload>[], batched: boolean): NativeBatch {
  const first = entries[0]?.payload
  const rows = entries.reduce((sum, entry) => sum + entry.rows, 0)
  return {
    requests: entries.map(({ payload, rows, deadline }) => ({ inputs: payload.inputs, rows, deadline })),
    shapes: (first?.shapes ?? []).map((shape) => (batched ? [rows, ...shape.slice(1)] : shape)),
    batched,
    outputs: [...new Set(entries.flatMap(({ payload }) => payload.outputs))].sort((a, b) => a - b),
  }
}

function toResult(
  native: NativeBatchResult,
  computed: readonly number[],
  wanted: readonly (readonly number[])[],
): BatchResult<EngineResult> {
  const { gatherStart, gatherEnd, runStart, runEnd, scatterEnd } = native
  return {
    outcomes: native.outcomes.map((outcome, i) => toOutcome(outcome, computed, wanted[i] ?? [])),
    rows: native.rows,
    timings: { gatherStart, gatherEnd, runStart, runEnd, scatterEnd },
  }
}

function toOutcome(
  outcome: NativeOutcome,
  computed: readonly number[],
  wanted: readonly number[],
): Outcome<EngineResult> {
  switch (outcome.kind) {
    case 'ok': {
      const outputs = outcome.outputs.map(({ shape, data }, i) => ({ index: computed[i]!, shape, data }))
      return { kind: 'ok', result: { outputs: outputs.filter(({ index }) => wanted.includes(index)) } }
    }
    case 'failed':
      return { kind: 'failed', error: codedError(outcome.code, outcome.message) }
    default:
      return { kind: outcome.kind }
  }
}
