import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SentinodeError } from '../../errors.js'
import { ReportFormat, type ScreeningAnswer } from '../../generated/sentinode/v1/screening.js'

/** Reports that are files of their own. */
export type SavedKind = 'html' | 'sr'

const FILES: ReadonlyMap<ReportFormat, { kind: SavedKind; suffix: string }> = new Map([
  [ReportFormat.REPORT_FORMAT_HTML, { kind: 'html', suffix: 'html' }],
  [ReportFormat.REPORT_FORMAT_DICOM_SR, { kind: 'sr', suffix: 'dcm' }],
])

/** Writes an answer's reports under the exam's name, whole or not at all; their paths by kind. */
export async function saveReports(
  answer: ScreeningAnswer,
  exam: string,
  folder: string,
): Promise<Partial<Record<SavedKind, string>>> {
  const saved: Partial<Record<SavedKind, string>> = {}
  for (const { format, data } of answer.reports) {
    const file = FILES.get(format)
    if (file === undefined) continue
    const path = join(folder, `${fileName(exam)}.${file.suffix}`)
    const partial = `${path}.${process.pid}.partial`
    try {
      await writeFile(partial, data, { mode: 0o600 })
      await rename(partial, path)
    } catch (error) {
      await rm(partial, { force: true })
      throw error
    }
    saved[file.kind] = path
  }
  return saved
}

/** @throws SentinodeError INVALID_OPTION where the files of two exams would have one name */
export function requireOwnFiles(exams: readonly string[]): void {
  const owners = new Map<string, string>()
  for (const exam of exams) {
    const file = fileName(exam)
    const owner = owners.get(file)
    if (owner !== undefined) {
      throw new SentinodeError(
        'INVALID_OPTION',
        `out: expected exams whose reports have names of their own, found ${owner} and ${exam}, both ${file}`,
      )
    }
    owners.set(file, exam)
  }
}

/** An exam's name may hold what a file's may not. */
export function fileName(exam: string): string {
  const name = exam.replace(/[/\\\0]/g, '_').slice(0, 200)
  return name.startsWith('.') ? `_${name}` : name
}
