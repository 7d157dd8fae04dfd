/** An instance of the addon as the scheduler's BatchRunner. */
import type { BatchEntry, BatchResult, BatchRunner, Outcome, RunningBatch } from '../scheduling/types.js'
import { callAddon, codedError, fromAddon } from './errors.js'
import type { NativeBatch, NativeBatchResult, NativeInstance, NativeOutcome } from './native.js'

export interface EnginePayload {
  /** In the session's order; referenced, not copied, until the batch has been gathered. */
  readonly inputs: readonly Uint8Array[]
  /** Of each input; dimension 0 is the request's rows where the model has a batch. */
  readonly shapes: readonly (readonly number[])[]
  /** Indices of the outputs wanted, in the session's order. */
  readonly outputs: readonly number[]
}

export interface EngineOutput {
  readonly index: number
  readonly shape: readonly number[]
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
 * @param batched whether dimension 0 of inputs and outputs is the batch; entries of one batch then differ
 * in it only, which the scheduler's buckets see to
 */
export function createInstance(native: NativeInstance, name: string, batched: boolean): EngineInstance {
  return {
    name,
    start: (entries) => startBatch(native, entries, batched),
    dispose: () => native.dispose(),
  }
}

function startBatch(
  native: NativeInstance,
  entries: readonly BatchEntry<EnginePayload>[],
  batched: boolean,
): RunningBatch<EngineResult> {
  const batch = joinEntries(entries, batched)
  const execution = callAddon(() => native.execute(batch))
  return {
    done: execution.result.then(
      (result) => toResult(result, batch.outputs),
      (error: unknown) => {
        throw fromAddon(error)
      },
    ),
    cancel: (index) => execution.cancel(index),
  }
}

function joinEntries(entries: readonly BatchEntry<EnginePayload>[], batched: boolean): NativeBatch {
  const first = entries[0]?.payload
  const rows = entries.reduce((sum, entry) => sum + entry.rows, 0)
  return {
    requests: entries.map(({ payload, rows, deadline }) => ({ inputs: payload.inputs, rows, deadline })),
    shapes: (first?.shapes ?? []).map((shape) => (batched ? [rows, ...shape.slice(1)] : shape)),
    batched,
    outputs: first?.outputs ?? [],
  }
}

function toResult(native: NativeBatchResult, outputs: readonly number[]): BatchResult<EngineResult> {
  const { gatherStart, gatherEnd, runStart, runEnd, scatterEnd } = native
  return {
    outcomes: native.outcomes.map((outcome) => toOutcome(outcome, outputs)),
    rows: native.rows,
    timings: { gatherStart, gatherEnd, runStart, runEnd, scatterEnd },
  }
}

function toOutcome(outcome: NativeOutcome, indices: readonly number[]): Outcome<EngineResult> {
  switch (outcome.kind) {
    case 'ok': {
      const outputs = outcome.outputs.map(({ shape, data }, i) => ({ index: indices[i]!, shape, data }))
      return { kind: 'ok', result: { outputs } }
    }
    case 'failed':
      return { kind: 'failed', error: codedError(outcome.code, outcome.message) }
    default:
      return { kind: outcome.kind }
  }
}
