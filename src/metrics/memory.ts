import { Gauge, type Registry } from 'prom-client'

/** Memory of batch slots and of runs over all models. */
export interface MemorySample {
  readonly pinnedBytes: number
  readonly pageableBytes: number
  readonly limitBytes: number
  readonly runBytes: number
  readonly keptBytes: number
}

const GAUGES = [
  ['nv_pinned_memory_pool_total_bytes', 'Cap on the memory of batch slots', 'limitBytes'],
  ['nv_pinned_memory_pool_used_bytes', 'Pinned memory that batch slots hold', 'pinnedBytes'],
  ['sentinode_pinned_bytes', 'Pinned memory that batch slots hold', 'pinnedBytes'],
  [
    'sentinode_pageable_bytes',
    'Pageable memory that batch slots hold, where no GPU is in use',
    'pageableBytes',
  ],
  [
    'sentinode_run_memory_bytes',
    'Memory that ONNX Runtime holds on the CPU: weights, runs, and outputs until they are sent',
    'runBytes',
  ],
  ['sentinode_run_memory_kept_bytes', 'Memory of earlier runs that is kept for the next', 'keptBytes'],
] as const

/** Gauges that are read when they are scraped; without a sample they keep their value, 0 at first. */
export function memory(registry: Registry, sample: () => MemorySample | null): void {
  for (const [name, help, field] of GAUGES) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const now = sample()
        if (now) this.set(now[field])
      },
    })
  }
}

/** `sentinode_request_memory_bytes`: what requests hold from their first byte until their batch has run. */
export function requestMemory(registry: Registry, used: () => number): void {
  new Gauge({
    name: 'sentinode_request_memory_bytes',
    help: 'Bytes that the requests of all models hold',
    registers: [registry],
    collect() {
      this.set(used())
    },
  })
}
