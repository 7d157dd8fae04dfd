import { uniforms } from '../../src/demo/random.js'
import type { Judged } from './answers.js'
import { area, biopsiesAvoided, brier, calibrationError, proportion, type Estimate } from './measures.js'

/** One outcome's line of the table. */
export interface Figures {
  readonly auc: Estimate
  /** Of the true risk: nobody could do better. */
  readonly bayes_auc: number
  readonly sensitivity: Estimate
  readonly specificity: Estimate
  readonly biopsies_avoided: Estimate
  readonly brier: number
  readonly calibration_error: number
}

export function figuresOf(answers: readonly Judged[], outcome: keyof Judged): Figures {
  const judged = answers.map((answer) => answer[outcome])
  const probability = judged.map((one) => one.probability)
  const positive = judged.map((one) => one.positive)
  const positives = judged.filter((one) => one.positive)
  const negatives = judged.filter((one) => !one.positive)
  return {
    auc: area(probability, positive),
    bayes_auc: area(
      judged.map((one) => one.risk),
      positive,
    ).value,
    sensitivity: proportion(positives.filter((one) => one.decided).length, positives.length),
    specificity: proportion(negatives.filter((one) => !one.decided).length, negatives.length),
    biopsies_avoided: biopsiesAvoided(probability, positive, uniforms(1)),
    brier: brier(probability, positive),
    calibration_error: calibrationError(probability, positive),
  }
}

const NAMES = {
  auc: 'AUC',
  sensitivity: 'sensitivity, rule out',
  specificity: 'specificity, rule out',
  biopsies_avoided: 'avoided at 95 %',
} as const

/** Rows for people; APART where the two intervals do not meet. */
export function compare(outcome: string, served: Figures, stated: Figures): string[] {
  const rows = (Object.keys(NAMES) as (keyof typeof NAMES)[]).map((key) => {
    const [a, b] = [served[key], stated[key]]
    const agree = a.low <= b.high && b.low <= a.high
    return [outcome, NAMES[key].padEnd(22), text(a), text(b), agree ? 'agree' : 'APART'].join('  ')
  })
  const { bayes_auc, brier: score, calibration_error } = served
  return [
    ...rows,
    `${outcome}  share of the Bayes AUC  ${(served.auc.value / bayes_auc).toFixed(3)} of ${bayes_auc.toFixed(3)}`,
    `${outcome}  Brier ${score.toFixed(3)} (${stated.brier.toFixed(3)}), calibration error ${calibration_error.toFixed(3)} (${stated.calibration_error.toFixed(3)})`,
    '',
  ]
}

const text = ({ value, low, high }: Estimate): string =>
  `${value.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`
