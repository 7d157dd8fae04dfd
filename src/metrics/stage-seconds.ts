import { Histogram, type Registry } from 'prom-client'
import { SECONDS } from './buckets.js'
import { byValue, MODEL_LABELS, type Family } from './family.js'

const STAGES = {
  request: 'From arrival in the queue to the answer',
  queue: 'Waiting, in the queue and gathered behind a running batch',
  compute_input: 'Gathering the inputs of the batch',
  compute_infer: 'Running the batch',
  compute_output: 'Scattering the outputs of the batch',
} as const

export type TimedStage = keyof typeof STAGES
export type StageSeconds = Readonly<Record<TimedStage, Histogram.Internal<'model' | 'version'>>>

/** `sentinode_<stage>_seconds` of successful requests; the stages add up to about `request`. */
export function stageSeconds(registry: Registry): Family<StageSeconds> {
  const stages = Object.keys(STAGES) as TimedStage[]
  const histograms = byValue(stages, (stage) => {
    const name = `sentinode_${stage}_seconds`
    return new Histogram({
      name,
      help: STAGES[stage],
      labelNames: MODEL_LABELS,
      buckets: SECONDS,
      registers: [registry],
    })
  })
  return {
    bind: ({ model, version }) => byValue(stages, (stage) => histograms[stage].labels({ model, version })),
    remove: ({ model, version }) => {
      for (const stage of stages) histograms[stage].remove({ model, version })
    },
  }
}
