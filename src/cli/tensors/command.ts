import { availableParallelism } from 'node:os'
import type { Command } from 'commander'
import { positive, repeated } from '../option-values.js'

export interface TensorsFlags {
  readonly contract: string
  readonly out: string
  readonly clinical?: string
  readonly examTable?: string
  readonly ignore?: readonly string[]
  readonly jobs: number
  readonly json?: boolean
}

/** `sentinode tensors`: what a model would be given, for training: the same code makes it when serving. */
export function addTensorsCommand(program: Command): void {
  program
    .command('tensors')
    .description('write the tensors that a contract makes of exams, as NumPy arrays to train on')
    .argument('<exam...>', 'folders or files, DICOM or NIfTI; or the folder of a cohort with its tables')
    .requiredOption('--contract <screening.yaml>', 'what the model wants to be given')
    .requiredOption('--out <dir>', 'a new or empty folder, for an array of each input and exams.csv')
    .option(
      '--clinical <file>',
      'table of clinical values, a line an exam (default: clinical.csv of a cohort)',
    )
    .option('--exam-table <file>', 'table of paths and phase times (default: exams.csv of a cohort)')
    .option('--ignore <column>', 'a column that holds no clinical value; repeatable', repeated)
    .option('--jobs <n>', 'exams at work at once', positive, availableParallelism())
    .option('--json', 'one JSON document on stdout')
    .action(async (exams: string[], flags: TensorsFlags) => {
      const { writeTensors } = await import('./tensors.js')
      process.exitCode = await writeTensors(exams, flags)
    })
}
