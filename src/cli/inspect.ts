import { stat } from 'node:fs/promises'
import { InvalidArgumentError, type Command } from 'commander'
import pc from 'picocolors'
import { SentinodeError } from '../errors.js'
import { saveNifti } from '../exam/nifti/write.js'
import { readExam, type ReadOptions } from '../exam/read.js'
import { folderSource } from '../exam/source.js'
import type { Volume4D } from '../exam/volume.js'

interface InspectOptions {
  readonly json?: boolean
  readonly save?: string
  readonly times?: readonly number[]
  /** Commander's form of --no-require-times. */
  readonly requireTimes: boolean
}

/** `sentinode inspect`: what an exam is, or why it would be refused. */
export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('read an exam: its dynamic series, phases, times and grid, or the reason it is refused')
    .argument('<exam>', 'a folder or file, DICOM or NIfTI')
    .option('--save <out.nii.gz>', 'write the volume as float32 NIfTI')
    .option('--times <s,s,...>', 'seconds of each phase, for NIfTI, which cannot say them', seconds)
    .option('--no-require-times', 'accept an exam whose phases are in order but not timed')
    .option('--json', 'one JSON document on stdout')
    .action(async (exam: string, options: InspectOptions) => {
      const volume = await inspect(exam, options)
      if (options.save !== undefined) await saveNifti(volume, options.save)
      process.stdout.write(options.json === true ? `${JSON.stringify(summary(volume))}\n` : human(volume))
    })
}

async function inspect(exam: string, options: InspectOptions): Promise<Volume4D> {
  const there = await stat(exam).catch(() => null)
  if (there === null)
    throw new SentinodeError('INVALID_OPTION', 'expected a folder or file as the exam, found nothing there')
  const settings: ReadOptions = { requireTimes: options.requireTimes }
  return readExam(
    folderSource(exam),
    options.times === undefined ? settings : { ...settings, timesS: options.times },
  )
}

function seconds(text: string): number[] {
  const values = text.split(',').map(Number)
  if (values.every(Number.isFinite)) return values
  throw new InvalidArgumentError('expected seconds, separated by commas')
}

/** The fields that other programs rely on; more may join. */
export function summary(volume: Volume4D): Record<string, unknown> {
  const rounded = (value: number): number => Number(value.toFixed(9))
  return {
    shape: volume.shape,
    times_s: volume.timesS,
    spacing_mm: volume.spacingMm.map(rounded),
    affine_lps: volume.affineLps.map((row) => row.map(rounded)),
    series: volume.series,
    frames: {
      read: volume.frames.read,
      used: volume.frames.used,
      left_out: volume.frames.leftOut,
    },
    warnings: volume.warnings,
    format: volume.format,
    samples: sampleName(volume),
    phases_from: volume.phasesFrom,
    times_from: volume.timesFrom,
  }
}

function sampleName({ samples }: Volume4D): string {
  return samples instanceof Int16Array ? 'int16' : samples instanceof Uint16Array ? 'uint16' : 'float32'
}

function human(volume: Volume4D): string {
  const [phases, slices, rows, columns] = volume.shape
  const { read, used, leftOut } = volume.frames
  const times =
    volume.timesS === null ? 'not known' : `${volume.timesS.map((time) => time.toFixed(1)).join(', ')} s`
  const lines: [string, string][] = [
    ['phases', `${phases}, told apart by ${volume.phasesFrom}`],
    ['times', volume.timesFrom === null ? times : `${times}, from ${volume.timesFrom}`],
    ['grid', `${slices} slices of ${rows} x ${columns}, ${sampleName(volume)}`],
    ['spacing', `${volume.spacingMm.map((mm) => mm.toFixed(3)).join(' x ')} mm (slice, row, column)`],
    ...volume.series.map((series): [string, string] => [
      'series',
      `${series.number === null ? `the ${ordinal(series.ordinal)}` : `number ${series.number}`}: ${plural(series.phases, 'phase')}, ${plural(series.frames, 'frame')}`,
    ]),
    ['frames', `${read} read, ${used} used`],
    ...leftOut.map((out): [string, string] => [
      'left out',
      `${plural(out.count, 'frame')} of series ${out.series === null ? 'without a number' : out.series}: ${out.reason}`,
    ]),
    ...volume.warnings.map((warning): [string, string] => ['warning', `${warning.code}: ${warning.message}`]),
  ]
  return lines.map(([name, text]) => `${label(name)} ${text}\n`).join('')
}

function label(name: string): string {
  return (name === 'warning' ? pc.yellow : pc.dim)(name.padEnd(9))
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

function ordinal(n: number): string {
  const endings = ['th', 'st', 'nd', 'rd']
  return `${n}${(n % 100 < 11 || n % 100 > 13 ? endings[n % 10] : undefined) ?? 'th'}`
}
