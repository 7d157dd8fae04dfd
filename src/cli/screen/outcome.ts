import type { ScreeningAnswer } from '../../generated/sentinode/v1/screening.js'
import { ReportFormat } from '../../generated/sentinode/v1/screening.js'
import type { AnswerJson } from '../../screening/index.js'

/** One line of `screen --json`. */
export type Outcome = ExamAnswer | ExamFailure

export interface ExamAnswer extends AnswerJson {
  /** The server's own id of the exam, under which its log knows it. */
  readonly request_id: string
  /** Files that were written, by kind. */
  readonly reports?: Readonly<Record<string, string>>
  /** Of the maps that were written, by finding. */
  readonly maps?: Readonly<Record<string, string>>
}

export interface ExamFailure {
  readonly exam: string
  readonly error: { readonly code: string; readonly message: string }
}

/** The server's JSON report under the exam's own name; it names every field as the command line does. */
export function examAnswer(
  exam: string,
  answer: ScreeningAnswer,
  reports: Readonly<Record<string, string>>,
  maps: Readonly<Record<string, string>> = {},
): ExamAnswer {
  const json = answer.reports.find(({ format }) => format === ReportFormat.REPORT_FORMAT_JSON)
  if (json === undefined) throw new Error('the server sent no JSON report')
  const { exam: request_id, ...rest } = JSON.parse(Buffer.from(json.data).toString('utf8')) as AnswerJson
  const written = {
    ...(Object.keys(reports).length === 0 ? {} : { reports }),
    ...(Object.keys(maps).length === 0 ? {} : { maps }),
  }
  return { exam, ...rest, timings_ms: answer.timingsMs, request_id, ...written }
}
