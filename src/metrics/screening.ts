import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { SECONDS } from './buckets.js'

/** What exams hold now. */
export interface ExamSample {
  readonly exams: number
  readonly waiting: number
  readonly bytes: number
  readonly limitBytes: number
}

/** Codes and stages are constants of the program; nothing of an exam becomes a label. */
export interface ScreeningMetrics {
  /** @param code OK, or the error's */
  outcome(code: string, seconds: number): void
  stage(stage: string, seconds: number): void
  /** A process that read exams has ended, and is replaced. */
  readerEnded(why: string): void
}

const GAUGES = [
  ['sentinode_exams', 'Exams that have begun and are not answered', 'exams'],
  ['sentinode_exams_waiting', 'Exams that are uploaded and wait for their turn to be read', 'waiting'],
  ['sentinode_exam_memory_bytes', 'Bytes that exams hold, files and pixels', 'bytes'],
  ['sentinode_exam_memory_limit_bytes', 'Bytes that exams may hold', 'limitBytes'],
] as const

/** A whole exam takes longer than a request: an upload over a slow line, an hour in a long queue. */
const EXAM_SECONDS = [...SECONDS, 120, 300, 600, 1800, 3600].filter((bound) => bound >= 0.01)

/** `sentinode_exams_total`, `sentinode_exam_seconds`, `sentinode_exam_stage_seconds`, and what exams hold. */
export function screeningMetrics(registry: Registry, sample: () => ExamSample | null): ScreeningMetrics {
  const registers = [registry]
  const outcomes = new Counter({
    name: 'sentinode_exams_total',
    help: 'Exams by how they ended: OK, or the code of the error',
    labelNames: ['code'] as const,
    registers,
  })
  const seconds = new Histogram({
    name: 'sentinode_exam_seconds',
    help: 'From the beginning of an exam to its answer, answered exams',
    buckets: EXAM_SECONDS,
    registers,
  })
  const stages = new Histogram({
    name: 'sentinode_exam_stage_seconds',
    help: 'Where the time of exams goes',
    labelNames: ['stage'] as const,
    buckets: EXAM_SECONDS,
    registers,
  })
  const readers = new Counter({
    name: 'sentinode_exam_reader_ends_total',
    help: 'Processes that read exams and were replaced, by why they ended',
    labelNames: ['why'] as const,
    registers,
  })
  for (const [name, help, field] of GAUGES) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const now = sample()
        if (now) this.set(now[field])
      },
    })
  }
  return {
    outcome: (code, duration) => {
      outcomes.inc({ code })
      if (code === 'OK') seconds.observe(duration)
    },
    stage: (stage, duration) => stages.observe({ stage }, duration),
    readerEnded: (why) => readers.inc({ why }),
  }
}
