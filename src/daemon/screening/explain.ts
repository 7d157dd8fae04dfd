import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { isSentinodeError } from '../../errors.js'
import type { InferContext, ServableModel } from '../../models/servable.js'
import {
  type Contract,
  type Explanation,
  makeExplanation,
  Occluder,
  type OutputRows,
  planOcclusions,
  type PreparedExam,
  readLogits,
} from '../../screening/index.js'
import { inferExam } from './infer.js'

/** Copies of one exam in memory, whatever batches a model takes. */
const MAX_LANES = 64
/** Before a copy that found the queue full tries again. */
const PAUSE_MS = 50

/** Copies under way at once: a batch that runs and one that is gathered meanwhile, on every instance. */
export function lanesOf({ signature, placements }: ServableModel): number {
  const instances = placements.reduce((sum, { count }) => sum + count, 0)
  return Math.min(MAX_LANES, 2 * Math.max(1, signature.maxBatchSize) * instances)
}

export interface ExplainTask {
  readonly model: ServableModel
  readonly contract: Contract
  readonly prepared: PreparedExam
  /** What the network said of the exam as it is. */
  readonly outputs: OutputRows
}

/**
 * What each finding of an exam comes from. Every occluded copy takes its own place in the queue that the exam
 * took, so that copies share batches with one another and with whoever else waits, and none waits for all of
 * them. A full queue is waited for, as the exam itself was let in.
 * @throws SentinodeError EXPLANATION_TOO_LARGE, SCREENING_OUTPUT_INVALID, and as the model does
 */
export async function explainExam(
  { model, contract, prepared, outputs }: ExplainTask,
  context: InferContext & { readonly signal: AbortSignal },
): Promise<Explanation[]> {
  const { cropShape, crop, tensors, plan: exam } = prepared
  const plan = planOcclusions(cropShape)
  const times = exam.phases.map(({ timeS }) => timeS)
  const occluder = new Occluder(crop.data, plan, times.every((time) => time !== null) ? times : null)
  const failed = new AbortController()
  const own = { ...context, signal: AbortSignal.any([context.signal, failed.signal]) }
  // Every lane listens, and Node.js warns of more than ten.
  setMaxListeners(MAX_LANES + 1, own.signal)
  const logits: number[][] = []
  const open = plan.occlusions.entries()
  const lane = async (): Promise<void> => {
    const copy = new Float32Array(crop.data.length)
    const occluded = tensors.map((tensor) =>
      tensor.name === contract.image.input ? { ...tensor, data: copy } : tensor,
    )
    for (const [i, occlusion] of open) {
      occluder.write(occlusion, copy)
      const inferred = await patiently(() => inferExam(model, occluded, own), own.signal)
      logits[i] = readLogits(contract, inferred.outputs)
    }
  }
  const lanes = Array.from({ length: Math.min(lanesOf(model), plan.occlusions.length) }, async () => {
    try {
      await lane()
    } catch (error) {
      failed.abort(error)
      throw error
    }
  })
  // Until all have ended their copies may be read.
  await Promise.allSettled(lanes)
  await Promise.all(lanes)
  return readLogits(contract, outputs).map((whole, f) =>
    makeExplanation(
      contract.findings[f]?.name ?? '',
      plan,
      exam.grid,
      whole,
      logits.map((copy) => copy[f] ?? NaN),
    ),
  )
}

async function patiently<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!isSentinodeError(error) || error.code !== 'QUEUE_FULL') throw error
      await delay(PAUSE_MS)
      signal.throwIfAborted()
    }
  }
}
