/** What passes between the daemon and a thread that reads exams. Plain data; one job at a time. */

import type { ErrorCode } from '../../errors.js'
import type { Volume4D } from '../../exam/volume.js'
import type {
  Answer,
  ExamIdentity,
  ImageReference,
  PreparedExam,
  Region,
  ReportingDevice,
} from '../../screening/index.js'
import type { ExamPlace } from '../roots.js'
import type { UploadedExam } from '../upload.js'

export type ExamLocation = UploadedExam | ExamPlace

export interface MaskFile {
  /** Its bytes, or its number in the upload, where it is no part of the exam. */
  readonly source: Uint8Array | number
  /** Null where the mask has one segment only. */
  readonly segment: number | null
}

export interface ReadJob {
  readonly kind: 'read'
  readonly exam: ExamLocation
  readonly mask: MaskFile | null
  readonly minPhases: number
  readonly requireTimes: boolean
  /** Seconds of each phase, for NIfTI; null where the request has none. */
  readonly timesS: readonly number[] | null
  readonly maxPixelBytes: number
  /** Whether a DICOM report will be asked for, which copies the patient and names the images. */
  readonly origin: boolean
}

/** Who and what a DICOM report is about. */
export interface ExamOrigin {
  readonly identity: ExamIdentity
  readonly images: readonly ImageReference[]
}

export interface ReadExam {
  readonly volume: Volume4D
  readonly mask: Region | null
  readonly origin: ExamOrigin | null
}

export interface ReportJob {
  readonly kind: 'report'
  readonly format: 'html' | 'sr'
  readonly answer: Answer
  /** For the pictures of the page. */
  readonly crop: Pick<PreparedExam, 'cropShape' | 'crop'>
  readonly spacingMm: readonly [number, number, number]
  readonly origin: ExamOrigin | null
  readonly device: ReportingDevice
}

export type Job = ReadJob | ReportJob
export type ResultOf<J extends Job> = J extends ReadJob ? ReadExam : Uint8Array

export type ToThread =
  /** `stop` becomes 1 when the job is given up. */
  | { readonly kind: 'begin'; readonly job: Job; readonly stop: Int32Array }
  /** The answer to `reserve`. */
  | { readonly kind: 'room'; readonly granted: boolean }

export type FromThread =
  | { readonly kind: 'reserve'; readonly bytes: number }
  | { readonly kind: 'done'; readonly result: ReadExam | Uint8Array }
  /** An error of ours by its code, which does not survive the way; any other as it is. */
  | {
      readonly kind: 'failed'
      readonly error: { readonly code: ErrorCode; readonly message: string } | Error
    }
