/**
 * The risk model's numbers, as data: how latents are distributed and how much of the risk each carries.
 * docs/simulation.md states the model; tests/simulation/risk.test.ts holds it to the figures promised there.
 */

export interface RiskWeights {
  readonly intercept: number
  /** Of latents of unit variance. */
  readonly kinetics: number
  readonly morphology: number
  readonly interplay: number
  readonly clinical: number
}

export interface RiskParameters {
  /** Each imaging latent is a mixture of two normals at -1 and +1, scaled to unit variance. */
  readonly clusterSpread: number
  readonly pn: RiskWeights
  /** `pn` is added to the logit of cN+ where the nodes are truly involved. */
  readonly cn: RiskWeights & { readonly pn: number }
  /** The clinical score: a weighted sum of the variables, scaled to mean 0 and unit variance. */
  readonly clinicalScore: {
    readonly age: number
    readonly grade: number
    readonly ki67: number
    readonly her2: number
    readonly er: number
    readonly mean: number
    readonly deviation: number
  }
}

export const RISK: RiskParameters = {
  clusterSpread: 0.28,
  pn: { intercept: -0.65, kinetics: 1.5, morphology: 1.35, interplay: 0.8, clinical: 1.35 },
  cn: { intercept: -2.2, kinetics: 0.45, morphology: 0.65, interplay: 0.45, clinical: 0.5, pn: 1.7 },
  clinicalScore: { age: -0.5, grade: 0.5, ki67: 0.35, her2: 0.5, er: 0.4, mean: 0.516, deviation: 0.834 },
}
