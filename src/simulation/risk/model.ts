/** The risk model: what is drawn of a woman before there is any image, and what it says of her nodes. */

import type { Random } from '../random.js'
import { clinicalScore, drawClinical, logistic, type Clinical } from './clinical.js'
import type { RiskParameters, RiskWeights } from './parameters.js'

/** The parts of the risk. Independent of each other, of mean 0 and unit variance. */
export interface Latents {
  /** Seen in the lesion's mean enhancement curve: from persistent (low) to wash-out (high). */
  readonly kinetics: number
  /** Seen in space at any one phase: from smooth and solid (low) to spiculated with a rim (high). */
  readonly morphology: number
  /** Seen in space and time together: whether fast and slow tissue share places (low) or part (high). */
  readonly interplay: number
  /** Seen in the clinical variables. */
  readonly clinical: number
}

export const LATENTS: readonly (keyof Latents)[] = ['kinetics', 'morphology', 'interplay', 'clinical']

export interface Risk {
  readonly pn: number
  readonly cn: number
}

export interface Woman {
  readonly clinical: Clinical
  readonly latents: Latents
  /** True probabilities. */
  readonly risk: Risk
  /** What became of her. */
  readonly pn: boolean
  readonly cn: boolean
}

export function drawWoman(random: Random, parameters: RiskParameters): Woman {
  const clinical = drawClinical(random)
  const latents = {
    kinetics: drawLatent(random, parameters),
    morphology: drawLatent(random, parameters),
    interplay: drawLatent(random, parameters),
    clinical: clinicalScore(clinical, parameters.clinicalScore),
  }
  const risk = riskOf(latents, parameters)
  const pn = random.chance(risk.pn)
  const cn = random.chance(cnRisk(partOf(latents, parameters.cn), pn, parameters))
  return { clinical, latents, risk, pn, cn }
}

/** The true probabilities of pN+ and cN+. */
export function riskOf(latents: Latents, parameters: RiskParameters): Risk {
  return riskAt(partOf(latents, parameters.pn), partOf(latents, parameters.cn), parameters)
}

/** The same from what the latents add to each logit; cN+ is over both states that the nodes may be in. */
export function riskAt(pnPart: number, cnPart: number, parameters: RiskParameters): Risk {
  const pn = logistic(parameters.pn.intercept + pnPart)
  return { pn, cn: pn * cnRisk(cnPart, true, parameters) + (1 - pn) * cnRisk(cnPart, false, parameters) }
}

function cnRisk(part: number, involved: boolean, { cn }: RiskParameters): number {
  return logistic(cn.intercept + part + (involved ? cn.pn : 0))
}

/** The part of a logit that some of the latents make up, without the intercept. */
export function partOf(latents: Latents, weights: RiskWeights, names = LATENTS): number {
  return names.reduce((sum, name) => sum + weights[name] * latents[name], 0)
}

function drawLatent(random: Random, { clusterSpread }: RiskParameters): number {
  const cluster = random.chance(0.5) ? 1 : -1
  return (cluster + clusterSpread * random.normal()) / Math.sqrt(1 + clusterSpread ** 2)
}
