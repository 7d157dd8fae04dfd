import { Gauge, type Registry } from 'prom-client'
import { MODEL_LABELS, type ModelLabels } from './family.js'

/** The load of one model version's scheduler. */
export interface QueueSample extends ModelLabels {
  readonly queuedRequests: number
  readonly queuedBytes: number
  /** Queued, or gathered and not running yet. */
  readonly pendingRequests: number
}

const GAUGES = [
  ['sentinode_queue_requests', 'Requests that wait in the queue', 'queuedRequests'],
  ['sentinode_queue_bytes', 'Bytes that requests in the queue hold', 'queuedBytes'],
  ['nv_inference_pending_request_count', 'Requests that were admitted and do not run yet', 'pendingRequests'],
] as const

/** Gauges that are read when they are scraped: `sample` lists the model versions that are loaded. */
export function queues(registry: Registry, sample: () => Iterable<QueueSample>): void {
  for (const [name, help, field] of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: MODEL_LABELS,
      registers: [registry],
      collect() {
        this.reset()
        for (const { model, version, [field]: value } of sample()) this.set({ model, version }, value)
      },
    })
  }
}
