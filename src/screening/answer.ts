/** The reasoned answer to one exam: what was found, from what, with which model, how certain, how fast. */

import type { FrameAccount, SeriesUse, Volume4D } from '../exam/volume.js'
import type { ImputedValue } from './clinical/read.js'
import type { Contract } from './contract/contract.js'
import type { Provenance } from './contract/schema.js'
import type { Explanation } from './explain/explanation.js'
import { readFindings, type Finding, type OutputRows } from './findings.js'
import type { PhaseChoice } from './plan/phases.js'
import type { Plan } from './plan/plan.js'
import type { PreparedExam } from './prepare.js'
import type { ScreeningWarning } from './types.js'

export interface ModelIdentity {
  readonly name: string
  readonly version: string
  /** Of the model's file and what it names. */
  readonly sha256: string
}

export interface UsedPhase extends PhaseChoice {
  /** Mean intensity over the crop, before normalisation: the enhancement curve. */
  readonly mean: number
}

export interface Answer {
  /** The sender's own name of the exam, or the request's id. */
  readonly exam: string
  readonly findings: readonly Finding[]
  readonly model: ModelIdentity
  readonly contract: { readonly title: string; readonly sha256: string; readonly provenance: Provenance }
  readonly used: {
    readonly series: readonly SeriesUse[]
    readonly frames: FrameAccount
    /** All phases of the exam, in seconds after the first; null where only their order is known. */
    readonly timesS: readonly number[] | null
    readonly phasesFrom: string
    readonly timesFrom: string | null
    readonly phases: readonly UsedPhase[]
    readonly region: Plan['region']
    readonly gridSize: readonly [number, number, number]
    readonly outsideFraction: number
    readonly clinicalGiven: readonly string[]
    readonly clinicalImputed: readonly ImputedValue[]
  }
  readonly warnings: readonly ScreeningWarning[]
  /** One a finding, in their order; left out where none was asked for. */
  readonly explanations?: readonly Explanation[]
  /** Milliseconds by stage, e.g. read, preprocess, queue, infer. */
  readonly timingsMs: Readonly<Record<string, number>>
}

export interface AnswerOptions {
  readonly exam: string
  readonly contract: Contract
  readonly volume: Volume4D
  readonly prepared: PreparedExam
  readonly outputs: OutputRows
  readonly model: ModelIdentity
  /** null for the contract's default. */
  readonly operatingPoint: string | null
  /** Stages beside preprocessing, in milliseconds. */
  readonly timingsMs: Readonly<Record<string, number>>
}

/** @throws SentinodeError SCREENING_OUTPUT_INVALID, INVALID_REQUEST (the operating point) */
export function makeAnswer(options: AnswerOptions): Answer {
  const { contract, volume, prepared } = options
  const { plan, crop } = prepared
  return {
    exam: options.exam,
    findings: readFindings(
      contract.findings,
      contract.default_operating_point,
      options.operatingPoint,
      options.outputs,
    ),
    model: options.model,
    contract: { title: contract.title, sha256: contract.sha256, provenance: contract.provenance },
    used: {
      series: volume.series,
      frames: volume.frames,
      timesS: volume.timesS,
      phasesFrom: volume.phasesFrom,
      timesFrom: volume.timesFrom,
      phases: plan.phases.map((phase, i) => ({ ...phase, mean: crop.phaseMeans[i] ?? NaN })),
      region: plan.region,
      gridSize: plan.grid.size,
      outsideFraction: crop.outsideFraction,
      clinicalGiven: prepared.clinical.given,
      clinicalImputed: prepared.clinical.imputed,
    },
    warnings: prepared.warnings,
    timingsMs: { ...options.timingsMs, preprocess: prepared.preprocessMs },
  }
}
