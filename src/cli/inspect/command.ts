import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { SentinodeError } from '../../errors.js'
import { saveNifti } from '../../exam/nifti/write.js'
import { readExam, type ReadOptions } from '../../exam/read.js'
import { folderSource } from '../../exam/source.js'
import type { Volume4D } from '../../exam/volume.js'
import { seconds } from '../option-values.js'
import { description } from './description.js'
import { summary } from './summary.js'

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
      process.stdout.write(
        options.json === true ? `${JSON.stringify(summary(volume))}\n` : description(volume),
      )
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
