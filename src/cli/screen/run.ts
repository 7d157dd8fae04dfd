/** Screens exams: several at once, each with its retries, until all have an answer or a reason. */

import { CallError } from '../../client/call-error.js'
import { withRetries } from '../../client/retry.js'
import { uploadExam } from '../../client/upload.js'
import { folderSource, type ExamFile } from '../../exam/source.js'
import {
  ReportFormat,
  type Region,
  type ScreeningAnswer,
  type ScreeningClient,
  type ScreeningOptions,
} from '../../generated/sentinode/v1/screening.js'
import { examAnswer, type Outcome } from './outcome.js'
import { saveMaps } from './maps.js'
import { saveReports, type SavedKind } from './reports.js'
import type { ExamTask, Point } from './tasks.js'

export interface RunOptions {
  readonly client: ScreeningClient
  readonly model: string
  readonly modelVersion: string
  readonly operatingPoint: string
  readonly reports: readonly SavedKind[]
  /** Whether to ask what each finding comes from. */
  readonly explain: boolean
  /** Where reports and maps go; null for nowhere. */
  readonly out: string | null
  readonly concurrency: number
  /** Of one exam, from the first byte to the answer. */
  readonly timeoutMs: number
  /** How long an exam is tried again while the server is busy or away. */
  readonly retryMs: number
  /** How long a server that was never reached is waited for. */
  readonly reachMs: number
  readonly signal: AbortSignal
  readonly onRetry: (task: ExamTask, error: CallError) => void
  /** `final`: the outcome would be the same another time. */
  readonly onOutcome: (outcome: Outcome, final: boolean) => Promise<void>
}

/**
 * Memory holds a message of each exam under way. Where no server can be reached any more, the exams that are
 * left are not tried.
 * @throws the signal's reason
 */
export async function runTasks(tasks: readonly ExamTask[], options: RunOptions): Promise<void> {
  const given = new AbortController()
  const signal = AbortSignal.any([options.signal, given.signal])
  const contact = { reached: false }
  let next = 0
  const work = async (): Promise<void> => {
    for (let task = tasks[next++]; task !== undefined; task = tasks[next++]) {
      const { outcome, final, gone } = await screenTask(task, { ...options, signal }, contact)
      await options.onOutcome(outcome, final)
      if (gone) given.abort(new Error('no server answers'))
    }
  }
  const workers = Array.from({ length: Math.min(options.concurrency, tasks.length) }, work)
  const ends = await Promise.allSettled(workers)
  options.signal.throwIfAborted()
  for (const end of ends) if (end.status === 'rejected' && !given.signal.aborted) throw end.reason
}

interface Ended {
  readonly outcome: Outcome
  readonly final: boolean
  readonly gone: boolean
}

async function screenTask(
  task: ExamTask,
  options: RunOptions,
  contact: { reached: boolean },
): Promise<Ended> {
  const { client, signal, timeoutMs } = options
  const failed = (code: string, message: string, gone = false, final = true): Ended => ({
    outcome: { exam: task.name, error: { code, message } },
    final,
    gone,
  })
  if (task.path === null) return failed('EXAM_NOT_FOUND', 'the table names an exam that is not there')
  try {
    const { files, request } = await prepare(task, task.path, options)
    const attempt = () => uploadExam(client, { files, options: request, timeoutMs, signal })
    const answer = await withRetries(attempt, {
      forMs: contact.reached ? options.retryMs : Math.min(options.reachMs, options.retryMs),
      signal,
      onRetry: (error) => options.onRetry(task, error),
    })
    contact.reached = true
    const written = await saveFiles(answer, task.name, options.out)
    if (typeof written === 'string') return failed('REPORT_NOT_WRITTEN', written, false, false)
    const { reports, maps } = written
    return { outcome: examAnswer(task.name, answer, reports, maps), final: true, gone: false }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof CallError) {
      if (!error.unreachable) contact.reached = true
      else return failed('SERVER_UNREACHABLE', `no server answers: ${error.message}`, true, false)
      const final = !error.retryable && error.code !== 'DEADLINE_EXCEEDED'
      return failed(error.code, `${error.message}${sent(error, task)}`, false, final)
    }
    const reason = (error as NodeJS.ErrnoException).code
    if (reason === undefined) throw error
    return failed('EXAM_NOT_FOUND', `a file of the exam, or its mask, cannot be read (${reason})`)
  }
}

/** An answer's files by kind, or why they are not there. */
async function saveFiles(
  answer: ScreeningAnswer,
  exam: string,
  folder: string | null,
): Promise<Record<'reports' | 'maps', Readonly<Record<string, string>>> | string> {
  if (folder === null) return { reports: {}, maps: {} }
  try {
    return {
      reports: await saveReports(answer, exam, folder),
      maps: await saveMaps(answer, exam, folder),
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    return `a file of the answer cannot be written (${code})`
  }
}

/** The server repeats no name that it does not know; whoever has a column too many needs to see which. */
function sent({ code }: CallError, { clinical }: ExamTask): string {
  if (code !== 'CLINICAL_INVALID' && code !== 'CLINICAL_MISSING') return ''
  return ` (sent: ${Object.keys(clinical).join(', ') || 'none'})`
}

/** NIfTI phases are in the order of their names, numbers compared as numbers. */
const byName = new Intl.Collator('en', { numeric: true })

async function prepare(
  task: ExamTask,
  path: string,
  options: RunOptions,
): Promise<{ files: ExamFile[]; request: Omit<ScreeningOptions, 'uploadBytes'> }> {
  const files = await filesOf(path)
  files.sort((a, b) => byName.compare(a.id, b.id))
  const { region } = task
  const maskFile = files.length
  if (region?.kind === 'mask') files.push(...(await filesOf(region.path)).slice(0, 1))
  const request = {
    model: options.model,
    modelVersion: options.modelVersion,
    operatingPoint: options.operatingPoint,
    clinical: Object.fromEntries(
      Object.entries(task.clinical).map(([name, value]) => [
        name,
        { kind: { $case: 'text', value } as const },
      ]),
    ),
    region: regionMessage(task, maskFile),
    reports: [ReportFormat.REPORT_FORMAT_JSON, ...options.reports.map((kind) => FORMATS[kind])],
    timesS: [...(task.timesS ?? [])],
    explain: options.explain,
  }
  return { files, request }
}

const FORMATS: Readonly<Record<SavedKind, ReportFormat>> = {
  html: ReportFormat.REPORT_FORMAT_HTML,
  sr: ReportFormat.REPORT_FORMAT_DICOM_SR,
}

async function filesOf(path: string): Promise<ExamFile[]> {
  const files: ExamFile[] = []
  for await (const file of folderSource(path).files()) files.push(file)
  return files
}

function regionMessage({ region }: ExamTask, maskFile: number): Region | undefined {
  const point = ([x, y, z]: Point) => ({ x, y, z })
  if (region === null) return undefined
  if (region.kind === 'centre') return { kind: { $case: 'centre', value: point(region.centre) } }
  if (region.kind === 'box') {
    return { kind: { $case: 'box', value: { low: point(region.low), high: point(region.high) } } }
  }
  const source = { $case: 'file', value: maskFile } as const
  return { kind: { $case: 'mask', value: { source, segment: region.segment } } }
}
