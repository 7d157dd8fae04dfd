import type { ExamReaders, ReportWriter, Roots, Slots } from '../../intake/index.js'
import type { Preprocess, ReportingDevice } from '../../screening/index.js'

/** Where an exam's time goes. */
export const STAGES = ['upload', 'wait', 'read', 'preprocess', 'queue', 'infer', 'explain', 'report'] as const
export type Stage = (typeof STAGES)[number]

/** What all exams of a daemon share. */
export interface Screening {
  readonly readers: ExamReaders
  readonly reports: ReportWriter
  /** Exams that are read and preprocessed at once. */
  readonly turns: Slots
  /** Exams that are explained at once. */
  readonly explaining: Slots
  readonly preprocess: Preprocess
  readonly roots: Roots
  /** Of uploads. */
  readonly folder: string
  readonly maxPixelBytes: number
  readonly device: ReportingDevice
  readonly onStage: (stage: Stage, seconds: number) => void
}
