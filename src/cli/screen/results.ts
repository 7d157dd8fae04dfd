/**
 * The file of answers: written as they come, and taken up again by the next run. A run that was cut short
 * leaves at most one exam's lines unfinished, at the file's end; they are taken off before more is written.
 */

import { createReadStream } from 'node:fs'
import { open, rename, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { parse } from 'csv-parse/sync'
import { SentinodeError } from '../../errors.js'
import { answerToCsv, csvHeader, defusedText, errorToCsv } from '../../screening/index.js'
import type { Outcome } from './outcome.js'

interface Format {
  readonly header: string | null
  /** What every file of the format begins with. */
  readonly begin: string
  /** The exam that a line is of, and whether it has an answer; null when the line is no line of such a file. */
  read(line: string): { exam: string; answered: boolean; lines: number } | null
  write(outcome: Outcome): string[]
  /** An exam's name as the file has it. */
  name(exam: string): string
}

const JSONL: Format = {
  header: null,
  begin: '{"exam":',
  read: (line) => {
    try {
      const { exam, findings } = JSON.parse(line) as Record<string, unknown>
      return typeof exam === 'string' ? { exam, answered: Array.isArray(findings), lines: 1 } : null
    } catch {
      return null
    }
  },
  write: (outcome) => [JSON.stringify(outcome)],
  name: (exam) => exam,
}

const CSV: Format = {
  header: csvHeader(),
  begin: `${csvHeader()}\n`,
  read: (line) => {
    try {
      const [[exam = '', findings = ''] = []] = parse(line, { relax_column_count: true })
      return exam === '' ? null : { exam, answered: findings !== '', lines: Number(findings) || 1 }
    } catch {
      return null
    }
  },
  write: (outcome) =>
    'error' in outcome
      ? [errorToCsv(outcome.exam, outcome.error.code, outcome.error.message)]
      : answerToCsv(outcome),
  name: (exam) => defusedText(exam.replace(/[\r\n]+/g, ' ')),
}

export interface ResultsOptions {
  /** Screen exams again whose line is a refusal. */
  readonly retryRefused: boolean
}

export class Results {
  readonly #format: Format
  readonly #file: FileHandle
  readonly #finished: ReadonlySet<string>
  #last: Promise<unknown> = Promise.resolve()

  private constructor(format: Format, file: FileHandle, finished: ReadonlySet<string>) {
    this.#format = format
    this.#file = file
    this.#finished = finished
  }

  /**
   * @param path ends with .csv or .jsonl; made where it is not there
   * @throws SentinodeError INVALID_OPTION when it is there and is no such file
   */
  static async open(path: string, { retryRefused }: ResultsOptions): Promise<Results> {
    const format = path.endsWith('.csv') ? CSV : path.endsWith('.jsonl') ? JSONL : null
    if (format === null) {
      throw new SentinodeError('INVALID_OPTION', 'results: expected a name that ends with .csv or .jsonl')
    }
    const { finished, keep } = await takeUp(path, format, retryRefused)
    if (keep === null)
      await writeFile(path, format.header === null ? '' : `${format.header}\n`, { mode: 0o600 })
    const file = await open(path, 'r+')
    const size = keep ?? (await file.stat()).size
    await file.truncate(size)
    await file.close()
    return new Results(format, await open(path, 'a'), finished)
  }

  has(exam: string): boolean {
    return this.#finished.has(this.#format.name(exam))
  }

  /** Appends an exam's lines, at once and after those before. */
  append(outcome: Outcome): Promise<unknown> {
    const text = this.#format
      .write(outcome)
      .map((line) => `${line}\n`)
      .join('')
    this.#last = this.#last.then(() => this.#file.appendFile(text))
    return this.#last
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined)
    await this.#file.close()
  }
}

/** The exams of a file that are finished, and how many of its bytes to keep; null where there is no file yet. */
async function takeUp(
  path: string,
  format: Format,
  retryRefused: boolean,
): Promise<{ finished: Set<string>; keep: number | null }> {
  const size = (await stat(path).catch(() => null))?.size ?? 0
  const finished = new Set<string>()
  if (size === 0) return { finished, keep: null }
  if (!(await beginsWith(path, format.begin))) throw foreign()
  if (retryRefused) await withoutRefusals(path, format)
  let keep = 0
  let end = 0
  let missing = 0
  for await (const line of wholeLines(path)) {
    const first = end === 0
    end += Buffer.byteLength(line) + 1
    if (first && format.header !== null) {
      keep = end
      continue
    }
    const read = format.read(line)
    if (read === null) throw foreign()
    // The lines of one exam follow each other.
    missing = missing === 0 ? read.lines - 1 : missing - 1
    if (missing > 0) continue
    finished.add(read.exam)
    keep = end
  }
  return { finished, keep: keep === 0 ? null : keep }
}

/** Whether the file begins so, as far as it goes. */
async function beginsWith(path: string, begin: string): Promise<boolean> {
  const expected = Buffer.from(begin)
  const file = await open(path)
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(expected.length), 0, expected.length, 0)
    return expected.subarray(0, bytesRead).equals(buffer.subarray(0, bytesRead))
  } finally {
    await file.close()
  }
}

/** Lines that end; what follows the last line end was cut short. */
async function* wholeLines(path: string): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of createReadStream(path, 'utf8')) {
    const parts = (rest + String(piece)).split('\n')
    rest = parts.pop() ?? ''
    yield* parts
  }
}

async function withoutRefusals(path: string, format: Format): Promise<void> {
  const kept: string[] = format.header === null ? [] : [format.header]
  for await (const line of wholeLines(path)) if (format.read(line)?.answered === true) kept.push(line)
  const partial = `${path}.${process.pid}.partial`
  await writeFile(partial, kept.map((line) => `${line}\n`).join(''), { mode: 0o600 })
  await rename(partial, path)
}

function foreign(): SentinodeError {
  return new SentinodeError(
    'INVALID_OPTION',
    'results: expected a file that screen wrote, or none, found another; choose another name',
  )
}
