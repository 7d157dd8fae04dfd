import { Counter, Histogram, type Registry } from 'prom-client'
import { SECONDS } from './buckets.js'

/**
 * Calls as the wire sees them. `path` is "package.Service/Method" of an offered method, or another constant
 * for all others: callers choose unknown ones, and their number has no bound.
 */
export interface CallMetrics {
  started(path: string): void
  /** @param code name of the gRPC status, e.g. RESOURCE_EXHAUSTED */
  handled(path: string, code: string, seconds: number): void
  /** Refused before its message was read. */
  shed(code: string): void
}

/** `grpc_server_started_total`, `_handled_total`, `_handling_seconds`, as gRPC's middlewares name them. */
export function callMetrics(registry: Registry): CallMetrics {
  const labelNames = ['grpc_service', 'grpc_method'] as const
  const registers = [registry]
  const started = new Counter({
    name: 'grpc_server_started_total',
    help: 'Calls that began',
    labelNames,
    registers,
  })
  const handled = new Counter({
    name: 'grpc_server_handled_total',
    help: 'Calls that ended, by status',
    labelNames: [...labelNames, 'grpc_code'] as const,
    registers,
  })
  const seconds = new Histogram({
    name: 'grpc_server_handling_seconds',
    help: 'From the headers of a call to its status',
    labelNames,
    buckets: SECONDS,
    registers,
  })
  const shed = new Counter({
    name: 'sentinode_calls_shed_total',
    help: 'Calls refused before their message was read, by error code',
    labelNames: ['code'] as const,
    registers,
  })
  return {
    started: (path) => started.inc(labelsOf(path)),
    handled: (path, code, duration) => {
      const labels = labelsOf(path)
      handled.inc({ ...labels, grpc_code: code })
      seconds.observe(labels, duration)
    },
    shed: (code) => shed.inc({ code }),
  }
}

function labelsOf(path: string): { grpc_service: string; grpc_method: string } {
  const slash = path.lastIndexOf('/')
  return { grpc_service: path.slice(0, Math.max(0, slash)), grpc_method: path.slice(slash + 1) }
}
