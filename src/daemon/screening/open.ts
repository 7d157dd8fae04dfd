import type { Config } from '../../config/schema.js'
import type { Engine } from '../../engine/index.js'
import { DEFAULT_LIMITS } from '../../exam/limits.js'
import { ExamBudget, ExamReaders, openRoots, ReportWriter, Slots } from '../../intake/index.js'
import type { Logger } from '../../logger.js'
import type { ScreeningMetrics } from '../../metrics/index.js'
import { examFolder } from '../check.js'
import { reportingDevice } from './device.js'
import type { Screening } from './screening.js'

export interface OpenScreening {
  readonly screening: Screening
  readonly budget: ExamBudget
  /** Ends the readers and the writer. */
  close(): Promise<void>
}

/** What exams need, from the configuration. Rejects with INVALID_OPTION; starts no process yet. */
export async function openScreening(
  config: Config,
  engine: Engine,
  metrics: ScreeningMetrics,
  log: Logger,
): Promise<OpenScreening> {
  const readers = new ExamReaders(config.examConcurrency, {
    onEnd: (why) => metrics.readerEnded(why),
    onUnfiltered: () =>
      log.warn({}, 'this kernel filters no system calls: a reader of exams could reach the network'),
  })
  const reports = new ReportWriter()
  return {
    budget: new ExamBudget(config.examMemory),
    screening: {
      readers,
      reports,
      turns: new Slots(config.examConcurrency),
      explaining: new Slots(config.examConcurrency),
      preprocess: engine.preprocess,
      roots: await openRoots(config.examRoots),
      folder: examFolder(config),
      maxPixelBytes: Math.min(DEFAULT_LIMITS.maxPixelBytes, config.examMemory),
      device: reportingDevice(),
      onStage: (stage, seconds) => metrics.stage(stage, seconds),
    },
    close: async () => {
      await Promise.all([readers.close(), reports.close()])
    },
  }
}
