/** Answers as a table: one line a finding, safe to open in a spreadsheet. */

import type { AnswerJson } from './json.js'

const COLUMNS = [
  'exam',
  // How many lines the exam has: whether a table that was cut short has them all.
  'findings',
  'finding',
  'probability',
  'calibrated',
  'operating_point',
  'threshold',
  'sensitivity',
  'specificity',
  'positive',
  'model',
  'version',
  'model_sha256',
  'contract_sha256',
  'warnings',
  'notice',
  'error',
  'message',
] as const

type Cell = string | number | boolean | null

/** The table's first line, without a line end. */
export const csvHeader = (): string => COLUMNS.join(',')

/** One line a finding, without a line end. */
export function answerToCsv(answer: AnswerJson): string[] {
  return answer.findings.map((finding) =>
    line({
      exam: answer.exam,
      findings: answer.findings.length,
      finding: finding.name,
      probability: finding.probability,
      calibrated: finding.calibrated,
      operating_point: finding.operating_point,
      threshold: finding.threshold,
      sensitivity: finding.sensitivity,
      specificity: finding.specificity,
      positive: finding.positive,
      model: answer.model,
      version: answer.version,
      model_sha256: answer.model_sha256,
      contract_sha256: answer.contract_sha256,
      warnings: answer.warnings.map(({ code }) => code).join(' '),
      notice: answer.notice ?? null,
    }),
  )
}

/** The line of an exam that was refused. */
export const errorToCsv = (exam: string, code: string, message: string): string =>
  line({ exam, error: code, message })

/** Line ends within a text become spaces: one line of the file is one line of the table. */
const line = (cells: Partial<Record<(typeof COLUMNS)[number], Cell>>): string =>
  COLUMNS.map((column) => {
    const cell = cells[column] ?? null
    return csvCell(typeof cell === 'string' ? cell.replace(/[\r\n]+/g, ' ') : cell)
  }).join(',')

/**
 * One cell by RFC 4180. Text that a spreadsheet would run as a formula gets an apostrophe before it; numbers
 * are never text, so that negative ones stay numbers.
 */
export function csvCell(value: Cell): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const defused = defusedText(value)
  return /[",\r\n]/.test(defused) ? `"${defused.replaceAll('"', '""')}"` : defused
}

/** Text as a spreadsheet shows it and never runs it. */
export function defusedText(text: string): string {
  return /^[\s]*[=+\-@\t\r|%]/.test(text) ? `'${text}` : text
}
