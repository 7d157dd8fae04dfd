/**
 * Clinical variables of women with invasive breast cancer, with margins and correlations as large series have
 * them: four of five oestrogen receptor positive, one of seven HER2 positive, grade and Ki-67 rising together
 * and falling with age and receptors (Viale et al., Cancer 2005;103:492-500).
 */

import type { Random } from '../random.js'
import type { RiskParameters } from './parameters.js'

export interface Clinical {
  /** Years. */
  readonly age: number
  readonly er: boolean
  readonly her2: boolean
  /** Percent of nuclei. */
  readonly ki67: number
  readonly grade: 1 | 2 | 3
}

const AGE = { mean: 54, deviation: 12, range: [25, 88] } as const
const BY_GRADE = {
  1: { er: 3.4, her2: 0.05, ki67: 8 },
  2: { er: 2.2, her2: 0.12, ki67: 18 },
  3: { er: 0.5, her2: 0.22, ki67: 38 },
} as const

export function drawClinical(random: Random): Clinical {
  const shape = random.normal()
  const age = clamp(Math.round(AGE.mean + AGE.deviation * shape), AGE.range)
  const differentiation = -0.2 * shape + Math.sqrt(1 - 0.2 ** 2) * random.normal()
  const grade = differentiation < -0.84 ? 1 : differentiation < 0.39 ? 2 : 3
  const typical = BY_GRADE[grade]
  const er = random.chance(logistic(typical.er + 0.02 * (age - AGE.mean)))
  const her2 = random.chance(typical.her2)
  const ki67 = clamp(Math.round(random.around(typical.ki67 * (er ? 1 : 1.2), 0.45)), [2, 95])
  return { age, er, her2, ki67, grade }
}

/** What the clinical variables alone say of the risk, with mean 0 and unit variance over the cohort. */
export function clinicalScore(clinical: Clinical, weights: RiskParameters['clinicalScore']): number {
  const sum =
    weights.age * ((clinical.age - AGE.mean) / AGE.deviation) +
    weights.grade * (clinical.grade - 2) +
    weights.ki67 * Math.log(clinical.ki67 / 18) +
    weights.her2 * Number(clinical.her2) +
    weights.er * Number(clinical.er)
  return (sum - weights.mean) / weights.deviation
}

export const logistic = (x: number): number => 1 / (1 + Math.exp(-x))

function clamp(value: number, [low, high]: readonly [number, number]): number {
  return Math.min(high, Math.max(low, value))
}
