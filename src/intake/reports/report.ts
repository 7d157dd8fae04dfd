import { SentinodeError, type ErrorCode } from '../../errors.js'
import {
  type Answer,
  answerToHtml,
  answerToSr,
  type PreparedExam,
  type ReportingDevice,
  takeOverlays,
  takePictures,
} from '../../screening/index.js'
import type { ExamOrigin } from '../readers/messages.js'

export interface ReportJob {
  readonly format: 'html' | 'sr'
  readonly answer: Answer
  /** For the pictures of the page. */
  readonly crop: Pick<PreparedExam, 'cropShape' | 'crop'>
  readonly spacingMm: readonly [number, number, number]
  readonly origin: ExamOrigin | null
  readonly device: ReportingDevice
}

export type Written =
  | { readonly kind: 'done'; readonly bytes: Uint8Array }
  /** An error of ours by its code, which does not survive the way; any other as it is. */
  | {
      readonly kind: 'failed'
      readonly error: { readonly code: ErrorCode; readonly message: string } | Error
    }

/** A report's bytes. @throws SentinodeError REPORT_INCOMPLETE */
export function writeReport(job: ReportJob): Uint8Array {
  if (job.format === 'html') {
    const { answer, crop, spacingMm } = job
    const overlays = (answer.explanations ?? []).map((one) => takeOverlays(crop, one, spacingMm))
    return Buffer.from(answerToHtml(answer, takePictures(crop, spacingMm), overlays))
  }
  if (job.origin === null) {
    throw new SentinodeError(
      'REPORT_INCOMPLETE',
      'DICOM report: expected an exam of DICOM files, found another',
    )
  }
  return answerToSr({ answer: job.answer, ...job.origin, device: job.device, now: new Date() })
}
