import type { ReportKind, ScreenedExam } from '../../grpc/services/screening-backend.js'
import type { ExamOrigin } from '../../intake/index.js'
import { type Answer, answerToJson, type PreparedExam } from '../../screening/index.js'
import type { Screening } from './screening.js'

export interface ReportTask {
  readonly kinds: readonly ReportKind[]
  readonly answer: Answer
  readonly prepared: PreparedExam
  readonly origin: ExamOrigin | null
  /** Of the crop's voxels, [z, y, x]. */
  readonly spacingMm: readonly [number, number, number]
}

/** The reports that were asked for, in that order. Rejects with REPORT_INCOMPLETE. */
export async function writeReports(
  { reports, device }: Screening,
  { kinds, answer, prepared, origin, spacingMm }: ReportTask,
  signal: AbortSignal,
): Promise<ScreenedExam['reports']> {
  const { crop, cropShape } = prepared
  const written: { kind: ReportKind; data: Uint8Array }[] = []
  for (const kind of kinds) {
    if (kind === 'json') {
      written.push({ kind, data: Buffer.from(JSON.stringify(answerToJson(answer))) })
      continue
    }
    const job = {
      format: kind,
      answer,
      crop: { crop, cropShape },
      spacingMm,
      origin,
      device,
    } as const
    written.push({ kind, data: await reports.write(job, signal) })
  }
  return written
}
