import { Histogram, type Registry } from 'prom-client'
import { BYTES, ROWS } from './buckets.js'
import { byValue, MODEL_LABELS, type Family } from './family.js'

const SIZES = {
  batch_rows: { help: 'Rows of the batches that were run', buckets: ROWS },
  request_bytes: { help: 'Bytes of request messages that were answered', buckets: BYTES },
  response_bytes: { help: 'Bytes of the tensors in answers', buckets: BYTES },
} as const

export type Sizes = Readonly<Record<keyof typeof SIZES, Histogram.Internal<'model' | 'version'>>>

/** `sentinode_batch_rows`, `sentinode_request_bytes`, `sentinode_response_bytes`. */
export function sizes(registry: Registry): Family<Sizes> {
  const names = Object.keys(SIZES) as (keyof typeof SIZES)[]
  const histograms = byValue(names, (name) => {
    const { help, buckets } = SIZES[name]
    return new Histogram({
      name: `sentinode_${name}`,
      help,
      labelNames: MODEL_LABELS,
      buckets: [...buckets],
      registers: [registry],
    })
  })
  return {
    bind: ({ model, version }) => byValue(names, (name) => histograms[name].labels({ model, version })),
    remove: ({ model, version }) => {
      for (const name of names) histograms[name].remove({ model, version })
    },
  }
}
