import type { Engine } from '../engine/index.js'
import type { ModelStatistics } from '../generated/grpc_service.js'
import { ModelStatistics as Statistics } from '../generated/grpc_service.js'
import type { RequestBudget } from '../grpc/request-budget.js'
import type { ExamBudget, Slots } from '../intake/index.js'
import type { Logger } from '../logger.js'
import type { DaemonMetrics } from '../metrics/index.js'
import type { LifecycleEvents, ModelManager } from '../models/lifecycle.js'
import type { ServableModel } from '../models/servable.js'

export interface Sources {
  readonly models: ModelManager
  readonly engine: Engine
  /** Null until the wire is up. */
  readonly budget: () => RequestBudget | null
  readonly exams: ExamBudget
  readonly turns: Slots
  /** Lines of logs and of stdout that could not be written. */
  readonly lostLines: () => number
}

/** Connects the gauges to what they read. */
export function watch(metrics: DaemonMetrics, sources: Sources): void {
  const { models, engine, budget, exams, turns, lostLines } = sources
  metrics.watch({
    queues: () =>
      models.ready().map((model) => {
        const { requests, bytes, pending } = model.queue()
        return {
          model: model.name,
          version: String(model.version),
          queuedRequests: requests,
          queuedBytes: bytes,
          pendingRequests: pending,
        }
      }),
    memory: () => engine.memoryStats(),
    lostLines,
    requestMemory: () => budget()?.used ?? 0,
    exams: () => ({
      exams: exams.exams,
      waiting: turns.waiting,
      bytes: exams.used,
      limitBytes: exams.capacity,
    }),
  })
}

/** What happens to models, as log lines. */
export function logModels(log: Logger): LifecycleEvents {
  return {
    onState: (model, modelVersion, state, reason) =>
      log.info({ model, modelVersion, state, reason }, 'model state'),
    onWarning: (model, reason) => log.warn({ model, reason }, 'model warning'),
    onFailure: (model, modelVersion, err) => log.error({ model, modelVersion, err }, 'model failed'),
  }
}

/** A version's statistics as the ModelStatistics call answers them. */
export function statisticsOf(metrics: DaemonMetrics, model: ServableModel): ModelStatistics {
  const version = String(model.version)
  const { batchStats, ...snapshot } = metrics.model(model.name, version).statistics()
  return Statistics.fromPartial({ ...snapshot, batchStats: [...batchStats], name: model.name, version })
}
