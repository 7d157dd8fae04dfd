import type { SucceededRequest } from '../scheduling/index.js'
import type { TimedStage } from './stage-seconds.js'

/**
 * Where a request's time went, in milliseconds. A batch that is gathered while another runs still waits:
 * the time between its gather and its run is queueing.
 */
export function stageMilliseconds(request: SucceededRequest): Record<TimedStage, number> {
  const { enqueuedAt, finishedAt, timings } = request
  const { gatherStart, gatherEnd, runStart, runEnd, scatterEnd } = timings
  return {
    request: finishedAt - enqueuedAt,
    queue: Math.max(0, gatherStart - enqueuedAt) + Math.max(0, runStart - gatherEnd),
    compute_input: gatherEnd - gatherStart,
    compute_infer: runEnd - runStart,
    compute_output: scatterEnd - runEnd,
  }
}
