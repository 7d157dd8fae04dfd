import { InvalidArgumentError, type Command } from 'commander'
import { addConnectionOptions, type ConnectionFlags } from '../connection-options.js'
import { assignment, numbers, positive, repeated, seconds, whole } from '../option-values.js'
import type { SavedKind } from './reports.js'
import type { Point, RegionAsked } from './tasks.js'

export interface ScreenFlags extends ConnectionFlags {
  readonly model: string
  readonly modelVersion?: string
  readonly operatingPoint?: string
  readonly clinical?: string
  readonly examTable?: string
  readonly ignore?: readonly string[]
  readonly set?: Readonly<Record<string, string>>
  readonly centre?: RegionAsked
  readonly box?: RegionAsked
  readonly mask?: string
  readonly segment?: number
  readonly times?: readonly number[]
  readonly report?: readonly SavedKind[]
  readonly explain?: boolean
  readonly out?: string
  readonly results?: string
  readonly retryRefused?: boolean
  readonly concurrency: number
  readonly timeout: number
  readonly retryFor: number
  readonly json?: boolean
}

/** `sentinode screen`: exams in, answers out. */
export function addScreenCommand(program: Command): void {
  const command = program
    .command('screen')
    .description('send exams to a daemon and print its answers')
    .argument('<exam...>', 'folders or files, DICOM or NIfTI; or the folder of a cohort with its tables')
    .requiredOption('--model <name>', 'a model with a screening contract')
    .option('--model-version <version>', 'default: the highest that is ready')
    .option('--operating-point <name>', "default: the contract's")
    .option(
      '--clinical <file>',
      'table of clinical values, a line an exam (default: clinical.csv of a cohort)',
    )
    .option(
      '--exam-table <file>',
      'table of paths and phase times (default: exams.csv of a cohort, or beside the other table)',
    )
    .option('--ignore <column>', 'a column that holds no clinical value; repeatable', repeated)
    .option('--set <name=value>', 'a clinical value for all exams; repeatable', assign)
    .option('--centre <x,y,z>', 'middle of the region of interest, patient millimetres (LPS)', centre)
    .option('--box <x,y,z,x,y,z>', 'two corners of the region of interest', box)
    .option(
      '--mask <file>',
      'mask of the region of interest, NIfTI or DICOM SEG; or a folder with one by the name of each exam',
    )
    .option('--segment <n>', 'the label or segment meant, where the mask has several', whole)
    .option('--times <s,s,...>', 'seconds of each phase, for NIfTI, which cannot say them', seconds)
    .option('--report <kind>', 'write html or sr (DICOM) reports to --out; repeatable', kind)
    .option('--explain', 'say which place and which phases each finding comes from; maps (NIfTI) go to --out')
    .option('--out <folder>', 'where reports and maps go')
    .option('--results <file>', 'write answers to .jsonl or .csv as they come; the next run goes on from it')
    .option('--retry-refused', 'with --results: screen exams again that were refused')
    .option('--concurrency <n>', 'exams under way at once', positive, 4)
    .option('--timeout <seconds>', 'of one exam, from its first byte to its answer', positive, 600)
    .option(
      '--retry-for <seconds>',
      'how long an exam is tried again while the server is busy',
      positive,
      120,
    )
    .option('--json', 'one JSON document an exam on stdout')
  addConnectionOptions(command)
  command.addHelpText(
    'after',
    `
Tables are comma- or semicolon-separated with a line of names. The column exam names a folder or file; its
centre is in centre_x_mm, centre_y_mm and centre_z_mm, or mask names a file (without either, the folder masks
beside the table may have one by the exam's name); times_s holds the seconds of its phases. All other columns
are clinical values by the names (or synonyms) of the model's contract.

Exit codes: 0 every exam has an answer, 1 some have a reason instead, 2 usage, 130 and 143 interrupted.`,
  )
  command.action(async (exams: string[], flags: ScreenFlags) => {
    // Loaded here, so that help and errors of usage do not wait for gRPC.
    const { screen } = await import('./screen.js')
    process.exitCode = await screen(exams, flags)
  })
}

function assign(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [name, value] = assignment(text)
  return { ...before, [name]: value }
}

function centre(text: string): RegionAsked {
  const [x = NaN, y = NaN, z = NaN] = numbers(text, 3, 'three numbers, separated by commas')
  return { kind: 'centre', centre: [x, y, z] }
}

function box(text: string): RegionAsked {
  const values = numbers(text, 6, 'six numbers, separated by commas')
  const corner = (from: number): Point => [
    values[from] ?? NaN,
    values[from + 1] ?? NaN,
    values[from + 2] ?? NaN,
  ]
  const [a, b] = [corner(0), corner(3)]
  const each = (pick: (...two: number[]) => number): Point => [
    pick(a[0], b[0]),
    pick(a[1], b[1]),
    pick(a[2], b[2]),
  ]
  return { kind: 'box', low: each(Math.min), high: each(Math.max) }
}

function kind(text: string, before: readonly SavedKind[] = []): SavedKind[] {
  const named = text.split(',')
  if (!named.every((one): one is SavedKind => one === 'html' || one === 'sr')) {
    throw new InvalidArgumentError('expected html or sr')
  }
  return [...new Set([...before, ...named])]
}
