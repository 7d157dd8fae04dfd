/** Why an exam is refused: a stable code, and facts that name no one. */

import { SentinodeError } from '../errors.js'

/** In the order of precedence: when several apply, the first one is given (docs/exams.md). */
export const REJECTIONS = [
  'NOT_DICOM',
  'INVALID_NIFTI',
  'EXAM_TOO_LARGE',
  'MULTIPLE_PATIENTS',
  'NO_DYNAMIC_SERIES',
  'AMBIGUOUS_SERIES',
  'UNSUPPORTED_TRANSFER_SYNTAX',
  'UNSUPPORTED_PIXEL_FORMAT',
  'INCONSISTENT_MATRIX',
  'MIXED_ORIENTATION',
  'INCONSISTENT_GEOMETRY',
  'TRUNCATED_PIXEL_DATA',
  'TOO_FEW_PHASES',
  'DUPLICATE_SLICE',
  'INCOMPLETE_PHASE',
  'AMBIGUOUS_PHASES',
  'MISSING_SLICE',
  'AMBIGUOUS_TIMES',
  'CORRUPT_PIXEL_DATA',
] as const

export type RejectionCode = (typeof REJECTIONS)[number]

/** Numbers, and words that this program chose: never text of a file. */
export type Facts = Readonly<Record<string, number | string | readonly number[] | null>>

export class ExamRejection extends SentinodeError {
  readonly facts: Facts

  constructor(code: RejectionCode, message: string, facts: Facts = {}) {
    super(code, message)
    this.facts = facts
  }
}
