import { Counter, type Registry } from 'prom-client'
import type { RunStage, ShedReason, Stage } from '../scheduling/index.js'
import { byValue, MODEL_LABELS, type Family } from './family.js'

const SHED_REASONS = [
  'queue_full',
  'queue_bytes',
  'memory',
  'too_large',
  'shutting_down',
] as const satisfies readonly ShedReason[]
/** Where the deadline passed: all but `run` were not run. */
const MISSED_STAGES = ['admission', 'queue', 'instance', 'run'] as const
const CANCELLED_STAGES = ['admission', 'queue', 'instance'] as const satisfies readonly Stage[]

const RUN_STAGES = ['waiting', 'gather', 'run', 'scatter'] as const satisfies readonly RunStage[]

export interface Losses {
  readonly shed: Readonly<Record<ShedReason, Counter.Internal>>
  readonly deadlineMissed: Readonly<Record<(typeof MISSED_STAGES)[number], Counter.Internal>>
  readonly cancelled: Readonly<Record<Stage, Counter.Internal>>
  readonly split: Counter.Internal
  readonly hung: Readonly<Record<RunStage, Counter.Internal>>
}

/** `sentinode_shed_total`, `sentinode_deadline_missed_total`, `sentinode_cancelled_total`, `sentinode_batches_split_total`. */
export function losses(registry: Registry): Family<Losses> {
  const counter = <L extends string>(
    name: string,
    help: string,
    ...labels: L[]
  ): Counter<'model' | 'version' | L> =>
    new Counter({
      name: `sentinode_${name}_total`,
      help,
      labelNames: [...MODEL_LABELS, ...labels],
      registers: [registry],
    })

  const shed = counter('shed', 'Requests refused at the queue, by reason', 'reason')
  const missed = counter(
    'deadline_missed',
    'Deadlines and queue timeouts that passed, by where the request was',
    'stage',
  )
  const cancelled = counter('cancelled', 'Requests whose caller went away, by where they were', 'stage')
  const hung = counter('hung_runs', 'Runs that did not end in their time, by what they were at', 'stage')
  const split = counter('batches_split', 'Batches that failed and were run again request by request')
  return {
    bind: ({ model, version }) => ({
      shed: byValue(SHED_REASONS, (reason) => visible(shed.labels({ model, version, reason }))),
      deadlineMissed: byValue(MISSED_STAGES, (stage) => visible(missed.labels({ model, version, stage }))),
      cancelled: byValue(CANCELLED_STAGES, (stage) => visible(cancelled.labels({ model, version, stage }))),
      hung: byValue(RUN_STAGES, (stage) => visible(hung.labels({ model, version, stage }))),
      split: visible(split.labels({ model, version })),
    }),
    remove: ({ model, version }) => {
      split.remove({ model, version })
      for (const stage of RUN_STAGES) hung.remove({ model, version, stage })
      for (const reason of SHED_REASONS) shed.remove({ model, version, reason })
      for (const stage of MISSED_STAGES) missed.remove({ model, version, stage })
      for (const stage of CANCELLED_STAGES) cancelled.remove({ model, version, stage })
    },
  }
}

function visible(child: Counter.Internal): Counter.Internal {
  child.inc(0)
  return child
}
