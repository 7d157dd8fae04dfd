/**
 * How well anyone could tell: areas under the ROC curve of the true risk, and of the risk given only part of
 * what there is to know, by Monte Carlo over the rest.
 */

import { Random } from '../random.js'
import { drawWoman, LATENTS, partOf, riskAt, type Latents, type Risk, type Woman } from './model.js'
import type { RiskParameters } from './parameters.js'

/** What is known, by the latents that show it. */
export const KNOWLEDGE = {
  all: ['kinetics', 'morphology', 'interplay', 'clinical'],
  images: ['kinetics', 'morphology', 'interplay'],
  time: ['kinetics'],
  space: ['morphology'],
  clinical: ['clinical'],
  time_space_and_clinical_apart: ['kinetics', 'morphology', 'clinical'],
} as const satisfies Record<string, readonly (keyof Latents)[]>

export type Knowledge = keyof typeof KNOWLEDGE
export type Outcome = keyof Risk

export interface BayesLimits {
  readonly prevalence: Readonly<Record<Outcome, number>>
  readonly auc: Readonly<Record<Outcome, Readonly<Record<Knowledge, number>>>>
}

const WOMEN = 4000
/** Over whom the mean of what is not known is taken. */
const OTHERS = 500

/** The limits of a population. The same parameters give the same figures, whatever the cohort's seed. */
export function bayesLimits(parameters: RiskParameters): BayesLimits {
  const random = new Random('bayes limits')
  const draw = (count: number) => Array.from({ length: count }, () => drawWoman(random, parameters))
  const women = draw(WOMEN)
  const others = draw(OTHERS)
  const risks = women.map(({ risk }) => risk)
  const prevalence = { pn: mean(risks, 'pn'), cn: mean(risks, 'cn') }
  const auc = { pn: {} as Record<Knowledge, number>, cn: {} as Record<Knowledge, number> }
  for (const [name, known] of Object.entries(KNOWLEDGE) as [Knowledge, readonly (keyof Latents)[]][]) {
    const guesses = known.length === LATENTS.length ? risks : marginals(women, known, others, parameters)
    for (const outcome of ['pn', 'cn'] as const) {
      auc[outcome][name] = expectedAuc(
        guesses.map((guess) => guess[outcome]),
        risks.map((risk) => risk[outcome]),
      )
    }
  }
  return { prevalence, auc }
}

/** Each woman's risk given some of her latents: the mean over the rest, which are independent of these. */
function marginals(
  women: readonly Woman[],
  known: readonly (keyof Latents)[],
  others: readonly Woman[],
  parameters: RiskParameters,
): Risk[] {
  const unknown = LATENTS.filter((name) => !known.includes(name))
  const parts = (of: readonly Woman[], names: readonly (keyof Latents)[]) =>
    of.map(
      ({ latents }) =>
        [partOf(latents, parameters.pn, names), partOf(latents, parameters.cn, names)] as const,
    )
  const rest = parts(others, unknown)
  return parts(women, known).map(([pnPart, cnPart]) => {
    const risks = rest.map(([pn, cn]) => riskAt(pnPart + pn, cnPart + cn, parameters))
    return { pn: mean(risks, 'pn'), cn: mean(risks, 'cn') }
  })
}

const mean = (risks: readonly Risk[], outcome: Outcome): number =>
  risks.reduce((sum, risk) => sum + risk[outcome], 0) / risks.length

/**
 * The area that `scores` reach on average over the outcomes that `risks` allow: the chance that of a woman
 * with the outcome and one without, the first has the higher score (ties count half).
 */
export function expectedAuc(scores: readonly number[], risks: readonly number[]): number {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0))
  let negativesBelow = 0
  let pairs = 0
  for (let i = 0; i < order.length;) {
    let positives = 0
    let negatives = 0
    const score = scores[order[i] ?? 0]
    for (; i < order.length && scores[order[i] ?? 0] === score; i++) {
      const risk = risks[order[i] ?? 0] ?? 0
      positives += risk
      negatives += 1 - risk
    }
    pairs += positives * (negativesBelow + negatives / 2)
    negativesBelow += negatives
  }
  const positives = risks.reduce((sum, risk) => sum + risk, 0)
  return pairs / (positives * negativesBelow)
}
