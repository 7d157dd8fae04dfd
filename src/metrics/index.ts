/** The room's door: what the daemon uses. */
export type { CallMetrics } from './calls.js'
export { DaemonMetrics, type MetricSources } from './daemon-metrics.js'
export type { MemorySample } from './memory.js'
export type { ModelMetrics } from './model-metrics.js'
export type { ModelStatisticsSnapshot } from './model-statistics.js'
export type { QueueSample } from './queues.js'
export type { ScreeningMetrics } from './screening.js'
