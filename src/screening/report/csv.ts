/** Answers as a table: one line a finding, safe to open in a spreadsheet. */

import type { Answer } from '../answer.js'

const COLUMNS = [
  'exam',
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
] as const

type Cell = string | number | boolean | null

/** The table's first line, without a line end. */
export const csvHeader = (): string => COLUMNS.join(',')

/** One line a finding, without a line end. */
export function answerToCsv(answer: Answer): string[] {
  return answer.findings.map((finding) =>
    line({
      exam: answer.exam,
      finding: finding.name,
      probability: finding.probability,
      calibrated: finding.calibrated,
      operating_point: finding.operatingPoint.name,
      threshold: finding.operatingPoint.threshold,
      sensitivity: finding.operatingPoint.sensitivity,
      specificity: finding.operatingPoint.specificity,
      positive: finding.positive,
      model: answer.model.name,
      version: answer.model.version,
      model_sha256: answer.model.sha256,
      contract_sha256: answer.contract.sha256,
      warnings: answer.warnings.map(({ code }) => code).join(' '),
      notice: answer.contract.provenance.notice ?? null,
    }),
  )
}

/** The line of an exam that was refused. */
export const errorToCsv = (exam: string, code: string): string => line({ exam, error: code })

const line = (cells: Partial<Record<(typeof COLUMNS)[number], Cell>>): string =>
  COLUMNS.map((column) => csvCell(cells[column] ?? null)).join(',')

/**
 * One cell by RFC 4180. Text that a spreadsheet would run as a formula gets an apostrophe before it; numbers
 * are never text, so that negative ones stay numbers.
 */
export function csvCell(value: Cell): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const defused = /^[\s]*[=+\-@\t\r|%]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(defused) ? `"${defused.replaceAll('"', '""')}"` : defused
}
