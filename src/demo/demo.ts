import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { colours } from '../colours.js'
import type { ModelStatistics, StatisticDuration } from '../generated/grpc_service.js'
import { ownProgram, run } from './command.js'
import { startDaemon, type DaemonProcess } from './daemon-process.js'
import { inferTogether } from './inference.js'
import { changed, scrape } from './metrics.js'
import { SHIPPED as model } from './model.js'

/** One exam of a cohort of its own, which no model was trained on. */
const EXAM = ['--seed', '2024', '--first', '1', '--exams', '1'] as const
const REQUESTS = 24

/**
 * `npm run demo`: a simulated exam goes the whole way, by the commands that a user would type, through a daemon
 * on free ports. Nothing is left behind but the reports, whose folder is in the last line.
 */
export async function demo(print: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sentinode-demo-'))
  const [work, reports] = [join(folder, 'work'), join(folder, 'reports')]
  let daemon: DaemonProcess | null = null
  let step = 0
  const heading = (text: string): void => print(colours.bold(`\n${++step}. ${text}\n`))
  const show = (lines: readonly string[]): void => lines.forEach((line) => print(`   ${line}`))
  /** Runs a command, and shows how to type it. */
  const command = async (args: readonly string[]): Promise<void> => {
    const typed = args.map((arg) => arg.replace(folder, '$DEMO')).join(' ')
    show([colours.dim(`$ sentinode ${typed}`)])
    show((await run(args)).trimEnd().split('\n'))
  }
  try {
    heading('Simulate an exam, in the files that a scanner would send')
    const exam = await simulateExam(join(work, 'cohort'))
    show([
      `${exam.files} DICOM files as those of ${exam.manufacturer}, with clinical values. No person stands behind them.`,
      `Below, $DEMO is ${folder}`,
    ])

    heading('See what they are')
    await command(['inspect', exam.path])

    heading('Start the daemon on free ports')
    daemon = await startDaemon(
      [
        ...['--models', model.repository, '--grpc-port', '0', '--metrics-port', '0'],
        ...['--cache-dir', join(work, 'cache'), '--log-level', 'warn'],
      ],
      ownProgram(),
    )
    show([`gRPC on ${daemon.grpc}, metrics on http://${daemon.metrics}/metrics`])
    const before = await scrape(daemon.metrics)

    heading('Screen the exam')
    await command([
      ...['screen', exam.path, '--server', daemon.grpc, '--model', model.name],
      ...['--clinical', exam.clinical, '--report', 'html,sr', '--out', reports],
    ])
    show([colours.dim(`What the simulation knows: ${exam.truth}`)])

    heading(
      `Send ${REQUESTS} tensors at once to the same model, as clients of the Open Inference Protocol do`,
    )
    const statistics = await inferTogether(daemon.grpc, model.name, REQUESTS)
    show(batches(statistics))

    heading('Where the time of a request went (mean)')
    show(stages(statistics))

    heading('Lines of /metrics that changed')
    show(changed(before, await scrape(daemon.metrics)))

    heading('Stop')
    const code = await daemon.stop()
    daemon = null
    show([`SIGTERM: drained, exit code ${String(code)}`])
    print(colours.bold(`\nThe report, to open in a browser: ${report(reports)}\n`))
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  } finally {
    await daemon?.stop()
    rmSync(work, { recursive: true, force: true })
  }
}

interface DemoExam {
  readonly path: string
  readonly clinical: string
  readonly files: number
  readonly manufacturer: string
  /** For people. */
  readonly truth: string
}

async function simulateExam(cohort: string): Promise<DemoExam> {
  await run(['simulate', '--out', cohort, '--format', 'dicom', '--json', ...EXAM])
  const row = (table: string): Readonly<Record<string, string>> => {
    const [first] = parse<Record<string, string>>(readFileSync(join(cohort, table)), { columns: true })
    if (first === undefined) throw new Error(`expected an exam in ${table}`)
    return first
  }
  const { path = '', manufacturer = '' } = row('exams.csv')
  const { pn, cn, risk_pn, risk_cn } = row('truth.csv')
  const status = (value: string | undefined, risk: string | undefined): string =>
    `${value === '1' ? 'positive' : 'negative'} (true risk ${(100 * Number(risk)).toFixed(0)} %)`
  return {
    path: join(cohort, path),
    clinical: join(cohort, 'clinical.csv'),
    files: readdirSync(join(cohort, path)).length,
    manufacturer,
    truth: `pN+ ${status(pn, risk_pn)}, cN+ ${status(cn, risk_cn)}`,
  }
}

function report(folder: string): string {
  const page = readdirSync(folder).find((name) => name.endsWith('.html'))
  if (page === undefined) throw new Error('expected a report')
  return join(folder, page)
}

function batches({ batchStats }: ModelStatistics): string[] {
  return batchStats.map(({ batchSize, computeInfer }) => {
    const { count, ns } = computeInfer ?? { count: 0n, ns: 0n }
    return `batches of ${String(batchSize).padStart(2)}: ${count}, ${milliseconds(ns, count)} ms a run`
  })
}

function stages({ inferenceStats: spent }: ModelStatistics): string[] {
  const named: [string, StatisticDuration | undefined][] = [
    ['queue', spent?.queue],
    ['gather into the batch slot', spent?.computeInput],
    ['compute', spent?.computeInfer],
    ['scatter', spent?.computeOutput],
    ['whole request', spent?.success],
  ]
  return named.map(
    ([name, { ns, count } = { ns: 0n, count: 0n }]) =>
      `${name.padEnd(28)}${milliseconds(ns, count).padStart(9)} ms`,
  )
}

function milliseconds(ns: bigint, count: bigint): string {
  return count === 0n ? '-' : (Number(ns / count) / 1e6).toFixed(2)
}
