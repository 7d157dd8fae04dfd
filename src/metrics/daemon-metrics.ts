import { collectDefaultMetrics, Registry } from 'prom-client'
import { callMetrics, type CallMetrics } from './calls.js'
import { inferenceCounters } from './inference-counters.js'
import { losses } from './losses.js'
import { lostLines } from './lost-lines.js'
import { memory, requestMemory, type MemorySample } from './memory.js'
import { modelLoad } from './model-load.js'
import { ModelMetrics } from './model-metrics.js'
import { queues, type QueueSample } from './queues.js'
import { screeningMetrics, type ExamSample, type ScreeningMetrics } from './screening.js'
import { sizes } from './sizes.js'
import { stageSeconds } from './stage-seconds.js'

/** What gauges read when they are scraped. */
export interface MetricSources {
  readonly queues: () => Iterable<QueueSample>
  readonly memory: () => MemorySample | null
  /** Bytes that requests hold, of the budget they share. */
  readonly requestMemory: () => number
  readonly exams: () => ExamSample | null
  /** Lines of output that were lost so far. */
  readonly lostLines: () => number
}

/** All metrics of one daemon, in a registry of its own: nothing is global. */
export class DaemonMetrics {
  readonly calls: CallMetrics
  readonly screening: ScreeningMetrics
  readonly #registry = new Registry()
  readonly #families
  readonly #models = new Map<string, ModelMetrics>()
  #sources: MetricSources | null = null

  constructor() {
    const registry = this.#registry
    this.calls = callMetrics(registry)
    this.screening = screeningMetrics(registry, () => this.#sources?.exams() ?? null)
    this.#families = {
      counters: inferenceCounters(registry),
      seconds: stageSeconds(registry),
      sizes: sizes(registry),
      losses: losses(registry),
      load: modelLoad(registry),
    }
    queues(registry, () => this.#sources?.queues() ?? [])
    memory(registry, () => this.#sources?.memory() ?? null)
    lostLines(registry, () => this.#sources?.lostLines() ?? 0)
    requestMemory(registry, () => this.#sources?.requestMemory() ?? 0)
    // process_*, nodejs_*; nodejs_eventloop_lag_* is the event loop's delay since the scrape before.
    // By default it would look every 10 ms, each time on a processor that a run could use.
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 })
  }

  /** What the gauges read from now on. */
  watch(sources: MetricSources): void {
    this.#sources = sources
  }

  /** The recorder of a model version of the repository, created when first asked for. */
  model(name: string, version: string): ModelMetrics {
    const key = keyOf(name, version)
    let metrics = this.#models.get(key)
    if (!metrics) {
      const labels = { model: name, version }
      const { counters, seconds, sizes, losses, load } = this.#families
      metrics = new ModelMetrics({
        counters: counters.bind(labels),
        seconds: seconds.bind(labels),
        sizes: sizes.bind(labels),
        losses: losses.bind(labels),
        load: load.bind(labels),
      })
      this.#models.set(key, metrics)
    }
    return metrics
  }

  /** Takes the series of a version that is no longer served out. */
  remove(name: string, version: string): void {
    this.#models.delete(keyOf(name, version))
    for (const family of Object.values(this.#families)) family.remove({ model: name, version })
  }

  /** The text that /metrics answers, and its content type. */
  async exposition(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }
}

function keyOf(name: string, version: string): string {
  return JSON.stringify([name, version])
}
