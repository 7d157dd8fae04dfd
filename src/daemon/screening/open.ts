import type { Config } from '../../config/schema.js'
import type { Engine } from '../../engine/index.js'
import { DEFAULT_LIMITS } from '../../exam/limits.js'
import { ExamBudget, ExamThreads, openRoots, Slots } from '../../intake/index.js'
import type { ScreeningMetrics } from '../../metrics/screening.js'
import { examFolder } from '../check.js'
import { reportingDevice } from './device.js'
import type { Screening } from './screening.js'

export interface OpenScreening {
  readonly screening: Screening
  readonly budget: ExamBudget
  /** Ends the threads. */
  close(): Promise<void>
}

/** What exams need, from the configuration. Rejects with INVALID_OPTION; starts no thread yet. */
export async function openScreening(
  config: Config,
  engine: Engine,
  metrics: ScreeningMetrics,
): Promise<OpenScreening> {
  const threads = new ExamThreads(config.examConcurrency)
  return {
    budget: new ExamBudget(config.examMemory),
    screening: {
      threads,
      turns: new Slots(config.examConcurrency),
      explaining: new Slots(config.examConcurrency),
      preprocess: engine.preprocess,
      roots: await openRoots(config.examRoots),
      folder: examFolder(config),
      maxPixelBytes: Math.min(DEFAULT_LIMITS.maxPixelBytes, config.examMemory),
      device: reportingDevice(),
      onStage: (stage, seconds) => metrics.stage(stage, seconds),
    },
    close: () => threads.close(),
  }
}
