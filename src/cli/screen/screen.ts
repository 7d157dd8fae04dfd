import { mkdir } from 'node:fs/promises'
import { connect } from '../../client/connection.js'
import { SentinodeError } from '../../errors.js'
import { connectionOf } from '../connection-options.js'
import { EXIT } from '../failure.js'
import { count } from '../text.js'
import type { ScreenFlags } from './command.js'
import type { Outcome } from './outcome.js'
import { progressOn } from './progress.js'
import { requireOwnFiles } from './reports.js'
import { Results } from './results.js'
import { runTasks } from './run.js'
import { answerText, outcomeLine } from './show.js'
import { planTasks, type ExamTask, type RegionAsked } from './tasks.js'

/** How long a server that never answered is waited for: it may be starting. */
const REACH_MS = 10_000

/** Screens what the flags ask for; returns the exit code. Everything is checked before the first exam is sent. */
export async function screen(exams: readonly string[], flags: ScreenFlags): Promise<number> {
  const region = regionOf(flags)
  requireOut(flags)
  const tasks = await planTasks({
    exams,
    clinical: flags.clinical ?? null,
    examTable: flags.examTable ?? null,
    ignored: flags.ignore ?? [],
    set: flags.set ?? {},
    region,
    timesS: flags.times ?? null,
  })
  if (flags.out !== undefined) requireOwnFiles(tasks.map(({ name }) => name))
  const client = connect(connectionOf(flags))
  if (flags.out !== undefined) await mkdir(flags.out, { recursive: true })
  const results =
    flags.results === undefined
      ? null
      : await Results.open(flags.results, { retryRefused: flags.retryRefused === true })
  const interruption = interruptions()
  try {
    return await run(tasks, flags, client, results, interruption)
  } finally {
    interruption.release()
    client.close()
    await results?.close()
  }
}

async function run(
  tasks: readonly ExamTask[],
  flags: ScreenFlags,
  client: ReturnType<typeof connect>,
  results: Results | null,
  interruption: Interruption,
): Promise<number> {
  const open = tasks.filter(({ name }) => results?.has(name) !== true)
  const before = tasks.length - open.length
  const progress = progressOn(process.stderr, tasks.length, before)
  const tally = { answered: 0, refused: 0 }
  const waiting = new Set<string>()
  const started = performance.now()
  const say = (text: string): void => void process.stderr.write(`${text}\n`)
  const print = (outcome: Outcome): void => {
    if (flags.json === true) progress.line(JSON.stringify(outcome))
    else if (tasks.length > 1) progress.line(outcomeLine(outcome))
    else if ('error' in outcome) say(`error: ${outcome.error.code}: ${outcome.error.message}`)
    else process.stdout.write(answerText(outcome))
  }
  try {
    await runTasks(open, {
      client,
      model: flags.model,
      modelVersion: flags.modelVersion ?? '',
      operatingPoint: flags.operatingPoint ?? '',
      reports: flags.report ?? [],
      explain: flags.explain === true,
      out: flags.out ?? null,
      concurrency: flags.concurrency,
      timeoutMs: flags.timeout * 1000,
      retryMs: flags.retryFor * 1000,
      reachMs: REACH_MS,
      signal: interruption.signal,
      onRetry: (_, error) => {
        // Said once for each reason: thousands of exams may wait for the same server.
        if (waiting.has(error.code)) return
        waiting.add(error.code)
        progress.note(`waiting for the server: ${error.code}: ${error.message}`)
      },
      onOutcome: async (outcome, final) => {
        if ('error' in outcome) tally.refused++
        else tally.answered++
        if (final) await results?.append(outcome)
        print(outcome)
        progress.done(tally.answered, tally.refused)
      },
    })
  } catch (error) {
    if (!interruption.signal.aborted) throw error
  } finally {
    progress.stop()
  }
  const left = open.length - tally.answered - tally.refused
  if (tasks.length > 1 || before > 0)
    say(summary({ ...tally, before, left }, performance.now() - started, flags))
  if (interruption.signal.aborted) return interruption.exitCode()
  return tally.refused + left === 0 ? EXIT.ok : EXIT.runtime
}

interface Tally {
  readonly answered: number
  readonly refused: number
  readonly before: number
  readonly left: number
}

function summary({ answered, refused, before, left }: Tally, ms: number, flags: ScreenFlags): string {
  const done = answered + refused
  const rate = done === 0 ? '' : `, ${(done / (ms / 1000)).toPrecision(3)} exams a second`
  const parts = [
    `${count(answered, 'answer')}, ${refused} refused in ${(ms / 1000).toFixed(1)} s${rate}`,
    ...(before > 0 ? [`${count(before, 'exam')} finished before`] : []),
    ...(left > 0
      ? [`${count(left, 'exam')} left${flags.results === undefined ? '' : ': run the same command again'}`]
      : []),
  ]
  return parts.join('; ')
}

function regionOf({ centre, box, mask, segment = 0 }: ScreenFlags): RegionAsked | null {
  const given: RegionAsked[] = [
    ...(centre === undefined ? [] : [centre]),
    ...(box === undefined ? [] : [box]),
    ...(mask === undefined ? [] : [{ kind: 'mask', path: mask, segment } as const]),
  ]
  if (given.length > 1)
    throw new SentinodeError('INVALID_OPTION', 'expected one of centre, box and mask, found several')
  return given[0] ?? null
}

function requireOut({ report, out }: ScreenFlags): void {
  if (report !== undefined && out === undefined)
    throw new SentinodeError('INVALID_OPTION', 'report: expected out, the folder for reports, found none')
}

interface Interruption {
  readonly signal: AbortSignal
  exitCode(): number
  release(): void
}

/** The first signal calls everything off; what was answered stays in the results file. A second one kills. */
function interruptions(): Interruption {
  const controller = new AbortController()
  let code = 130
  const stop = (signal: NodeJS.Signals): void => {
    code = signal === 'SIGTERM' ? 143 : 130
    controller.abort(new Error('interrupted'))
    release()
  }
  const release = (): void => {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return { signal: controller.signal, exitCode: () => code, release }
}
