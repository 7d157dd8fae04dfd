import { availableParallelism } from 'node:os'
import { SingleBar } from 'cli-progress'
import { Option, type Command } from 'commander'
import type { CohortSummary } from '../simulation/cohort.js'
import type { ExamFormat } from '../simulation/files.js'
import { positive, whole } from './option-values.js'

interface SimulateOptions {
  readonly out: string
  readonly exams: number
  readonly seed: number
  readonly first: number
  readonly format: ExamFormat
  readonly masks?: boolean
  readonly jobs: number
  readonly json?: boolean
}

/** `sentinode simulate`: a cohort of breast exams that no person stands behind, with its truth. */
export function addSimulateCommand(program: Command): void {
  program
    .command('simulate')
    .description('make a cohort of simulated breast exams: images, clinical data, truth')
    .requiredOption('--out <dir>', 'a new or empty folder')
    .option('--exams <n>', 'how many', positive, 10)
    .option('--seed <s>', 'cohorts of different seeds share no exam', whole, 1)
    .option('--first <i>', 'index of the first exam: any exam of a cohort can be made alone', whole, 0)
    .addOption(
      new Option('--format <format>', 'a NIfTI file an exam, or a folder of DICOM files as vendors send it')
        .choices(['nifti', 'dicom'])
        .default('nifti'),
    )
    .option('--masks', 'write the true lesions as well')
    .option('--jobs <n>', 'threads', positive, availableParallelism())
    .option('--json', 'one JSON document on stdout')
    .action(async ({ out, masks = false, json = false, ...options }: SimulateOptions) => {
      const { simulateCohort } = await import('../simulation/cohort.js')
      const start = performance.now()
      const bar = progress(options.exams)
      const summary = await simulateCohort({
        ...options,
        folder: out,
        masks,
        onExam: (done) => bar?.update(done),
      }).finally(() => bar?.stop())
      const seconds = (performance.now() - start) / 1000
      process.stdout.write(
        json ? `${JSON.stringify({ ...summary, seconds })}\n` : human(summary, out, seconds),
      )
    })
}

/** On a terminal; null elsewhere. */
function progress(total: number): SingleBar | null {
  if (!process.stderr.isTTY) return null
  const bar = new SingleBar({
    format: '{bar} {value} of {total} exams, {eta_formatted} left',
    stream: process.stderr,
    hideCursor: true,
  })
  bar.start(total, 0)
  return bar
}

function human({ exams, bayes, cohort }: CohortSummary, out: string, seconds: number): string {
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`
  const { pn } = bayes.auc
  const rows: [string, string][] = [
    ['exams', `${exams} in ${out}, ${(seconds / exams).toFixed(2)} s each`],
    ['positive', `pN+ ${percent(cohort.prevalence.pn)}, cN+ ${percent(cohort.prevalence.cn)}`],
    ['limits', `of the AUC for pN+: ${pn.all.toFixed(3)} from everything`],
    [
      '',
      `${pn.time.toFixed(3)} time alone, ${pn.space.toFixed(3)} space alone, ${pn.clinical.toFixed(3)} clinical data alone`,
    ],
    ['notice', 'simulated: no person stands behind these exams'],
  ]
  return rows.map(([name, text]) => `${name.padEnd(9)} ${text}\n`).join('')
}
