import { SentinodeError } from '../../errors.js'
import { answerToHtml, answerToSr, takeOverlays, takePictures } from '../../screening/index.js'
import type { ReportJob } from './messages.js'

/** A report's bytes. Rejects with REPORT_INCOMPLETE. */
export function runReport(job: ReportJob): Uint8Array {
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
