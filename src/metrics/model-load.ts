import { Gauge, type Registry } from 'prom-client'
import { MODEL_LABELS, type Family } from './family.js'

export interface ModelLoad {
  /** @param targets what the instances run on, e.g. cpu; more than one where instance groups differ */
  loaded(seconds: number, targets: readonly string[]): void
}

/** `nv_model_load_duration_secs`, and `sentinode_model_target`: 1 for each target in use. */
export function modelLoad(registry: Registry): Family<ModelLoad> {
  const seconds = new Gauge({
    name: 'nv_model_load_duration_secs',
    help: 'Seconds that loading took',
    labelNames: MODEL_LABELS,
    registers: [registry],
  })
  const target = new Gauge({
    name: 'sentinode_model_target',
    help: '1 for each target that the model runs on',
    labelNames: [...MODEL_LABELS, 'target'] as const,
    registers: [registry],
  })
  const inUse = new Map<string, readonly string[]>()
  const key = (model: string, version: string): string => JSON.stringify([model, version])
  const forget = (model: string, version: string): void => {
    for (const name of inUse.get(key(model, version)) ?? []) target.remove({ model, version, target: name })
    inUse.delete(key(model, version))
  }
  return {
    bind: ({ model, version }) => ({
      loaded: (duration, targets) => {
        forget(model, version)
        inUse.set(key(model, version), targets)
        seconds.set({ model, version }, duration)
        for (const name of targets) target.set({ model, version, target: name }, 1)
      },
    }),
    remove: ({ model, version }) => {
      forget(model, version)
      seconds.remove({ model, version })
    },
  }
}
