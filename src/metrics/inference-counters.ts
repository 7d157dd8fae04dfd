import { Counter, type Registry } from 'prom-client'
import { byValue, MODEL_LABELS, type Family, type ModelLabels } from './family.js'

/** Triton's reasons. */
export const FAILURE_REASONS = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'] as const
export type FailureReason = (typeof FAILURE_REASONS)[number]

const DURATIONS = ['request', 'queue', 'compute_input', 'compute_infer', 'compute_output'] as const

export interface InferenceCounters {
  readonly success: Counter.Internal
  readonly failure: Readonly<Record<FailureReason, Counter.Internal>>
  /** Rows inferred. */
  readonly inferences: Counter.Internal
  /** Batches run; inferences per execution is the mean batch size. */
  readonly executions: Counter.Internal
  /** Cumulative microseconds of successful requests; each request of a batch counts the batch's time. */
  readonly microseconds: Readonly<Record<(typeof DURATIONS)[number], Counter.Internal>>
}

/** `nv_inference_*`: Triton's names, labels and meanings, so that its dashboards work. */
export function inferenceCounters(registry: Registry): Family<InferenceCounters> {
  const counter = <L extends string>(
    name: string,
    help: string,
    ...labels: L[]
  ): Counter<'model' | 'version' | L> =>
    new Counter({
      name: `nv_inference_${name}`,
      help,
      labelNames: [...MODEL_LABELS, ...labels],
      registers: [registry],
    })

  const success = counter('request_success', 'Requests that were answered with a result')
  const failure = counter('request_failure', 'Requests that were not, by reason', 'reason')
  const inferences = counter('count', 'Rows inferred')
  const executions = counter('exec_count', 'Batches run')
  const microseconds = byValue(DURATIONS, (stage) =>
    counter(
      `${stage}_duration_us`,
      `Cumulative ${stage.replace('_', ' ')} time of successful requests, in microseconds`,
    ),
  )
  return {
    bind: ({ model, version }) => ({
      success: visible(success.labels({ model, version })),
      failure: byValue(FAILURE_REASONS, (reason) => visible(failure.labels({ model, version, reason }))),
      inferences: visible(inferences.labels({ model, version })),
      executions: visible(executions.labels({ model, version })),
      microseconds: byValue(DURATIONS, (stage) => visible(microseconds[stage].labels({ model, version }))),
    }),
    remove: ({ model, version }: ModelLabels) => {
      for (const family of [success, inferences, executions, ...Object.values(microseconds)])
        family.remove({ model, version })
      for (const reason of FAILURE_REASONS) failure.remove({ model, version, reason })
    },
  }
}

function visible(child: Counter.Internal): Counter.Internal {
  child.inc(0)
  return child
}
