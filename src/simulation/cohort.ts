/** A cohort on disk: its exams, its tables, and how well anyone could tell. */

import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SentinodeError } from '../errors.js'
import { version } from '../version.js'
import { planExam } from './exam.js'
import type { ExamFormat } from './files.js'
import { simulateOnThreads } from './pool.js'
import { bayesLimits, expectedAuc, type BayesLimits } from './risk/bayes.js'
import type { Woman } from './risk/model.js'
import { RISK, type RiskParameters } from './risk/parameters.js'
import { clinicalRow, csv, examRow, truthRow } from './tables.js'

export interface CohortOptions {
  readonly folder: string
  readonly seed: number
  readonly exams: number
  /** Index of the first exam: any exam can be made alone. */
  readonly first: number
  readonly format: ExamFormat
  readonly masks: boolean
  readonly jobs: number
  readonly onExam?: (done: number) => void
}

/** The content of cohort.json. */
export interface CohortSummary {
  readonly notice: string
  readonly sentinode: string
  readonly seed: number
  readonly first: number
  readonly exams: number
  readonly format: ExamFormat
  readonly masks: boolean
  readonly risk_model: RiskParameters
  /** What could be reached on a population without end. */
  readonly bayes: BayesLimits
  /** These exams: how many were positive, and the area that the true risk itself reaches on them. */
  readonly cohort: {
    readonly prevalence: { readonly pn: number; readonly cn: number }
    readonly auc_of_true_risk: { readonly pn: number | null; readonly cn: number | null }
  }
}

/**
 * Writes `exams/`, `masks/` where wanted, `clinical.csv`, `exams.csv`, `truth.csv` and `cohort.json`.
 * @throws SentinodeError INVALID_OPTION when the folder is not empty
 */
export async function simulateCohort(options: CohortOptions): Promise<CohortSummary> {
  const { folder, seed, exams, first, format, masks } = options
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length > 0)
    throw new SentinodeError('INVALID_OPTION', '--out: expected a new or empty folder, found files in it')
  await mkdir(join(folder, 'exams'))
  if (masks) await mkdir(join(folder, 'masks'))
  const indices = Array.from({ length: exams }, (_, i) => first + i)
  const files = await simulateOnThreads(
    indices,
    options.jobs,
    { seed, folder, format, masks },
    options.onExam ?? (() => undefined),
  )
  const plans = indices.map((index) => planExam(seed, index, RISK))
  const rows = plans.flatMap((plan, i) => {
    const made = files[i]
    return made === undefined ? [] : [{ plan, made }]
  })
  const write = (name: string, text: string) => writeFile(join(folder, name), text)
  await write('clinical.csv', csv(plans.map(clinicalRow)))
  await write('exams.csv', csv(rows.map(({ plan, made }) => examRow(plan, made))))
  await write('truth.csv', csv(rows.map(({ plan, made }) => truthRow(plan, made))))
  const women = plans.map(({ woman }) => woman)
  const summary: CohortSummary = {
    notice: 'SIMULATED: no person stands behind these exams',
    sentinode: version,
    seed,
    first,
    exams,
    format,
    masks,
    risk_model: RISK,
    bayes: bayesLimits(RISK),
    cohort: {
      prevalence: { pn: share(women, 'pn'), cn: share(women, 'cn') },
      auc_of_true_risk: { pn: reachedBy(women, 'pn'), cn: reachedBy(women, 'cn') },
    },
  }
  await write('cohort.json', `${JSON.stringify(summary, null, 2)}\n`)
  return summary
}

const share = (women: readonly Woman[], outcome: 'pn' | 'cn'): number =>
  women.filter((woman) => woman[outcome]).length / women.length

/** null where all women are alike. */
function reachedBy(women: readonly Woman[], outcome: 'pn' | 'cn'): number | null {
  const area = expectedAuc(
    women.map(({ risk }) => risk[outcome]),
    women.map((woman) => Number(woman[outcome])),
  )
  return Number.isNaN(area) ? null : area
}
