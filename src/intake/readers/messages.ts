/** What passes between the daemon and a process that reads exams. Plain data; one job at a time. */

import type { ErrorCode } from '../../errors.js'
import type { Volume4D } from '../../exam/volume.js'
import type { ExamIdentity, ImageReference, Region } from '../../screening/index.js'
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
  /** Gives the samples' memory back at once; they are empty afterwards. Idempotent. */
  readonly release: () => void
}

export const SAMPLE_TYPES = { int16: Int16Array, uint16: Uint16Array, float32: Float32Array } as const

/** Where the samples of a volume lie: in the memory that was asked for last. */
export interface SamplesPlace {
  readonly type: keyof typeof SAMPLE_TYPES
  readonly length: number
}

export interface ReadParts {
  readonly volume: Omit<Volume4D, 'samples'>
  readonly samples: SamplesPlace
  readonly mask: Region | null
  readonly origin: ExamOrigin | null
}

/** Descriptors (an upload's file, memory that was granted) are passed before the message that speaks of them. */
export type ToReader =
  | { readonly kind: 'begin'; readonly job: ReadJob }
  /** The answers to `reserve`. */
  | { readonly kind: 'room'; readonly granted: boolean }

export type FromReader =
  /** @see ApartAddon.confine for `filtered` */
  | { readonly kind: 'ready'; readonly filtered: boolean }
  | { readonly kind: 'reserve'; readonly bytes: number }
  | { readonly kind: 'done'; readonly read: ReadParts; readonly residentBytes: number }
  /** An error of ours by its code, which does not survive the way; any other as it is. */
  | {
      readonly kind: 'failed'
      readonly error: { readonly code: ErrorCode; readonly message: string } | Error
      readonly residentBytes: number
    }

/** Said of an exam for which a reader's own memory does not do. */
export const TOO_MUCH_MEMORY = 'the headers of the exam, or a frame, need more memory than is given to one'
