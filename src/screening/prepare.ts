/** From an exam and clinical values to the tensors of a screening model. */

import type { NativePreprocessOptions, NativePreprocessResult } from '../engine/index.js'
import { SentinodeError } from '../errors.js'
import type { Volume4D } from '../exam/volume.js'
import {
  readClinical,
  type ClinicalRecord,
  type ImputedValue,
  type ReadClinicalOptions,
} from './clinical/read.js'
import type { Contract } from './contract/contract.js'
import { makePlan, type Plan } from './plan/plan.js'
import type { Region, ScreeningWarning } from './types.js'

/** The engine's preprocessing, given by whoever composes the two. */
export type Preprocess = (
  options: NativePreprocessOptions,
  signal?: AbortSignal,
) => Promise<NativePreprocessResult>

export interface PrepareOptions {
  readonly volume: Volume4D
  readonly contract: Contract
  readonly clinical: ClinicalRecord
  readonly unknownClinicalNames?: ReadClinicalOptions['unknownNames']
  /** null where the request gives none. */
  readonly region: Region | null
  /** Threads of this one exam. */
  readonly threads: number
  readonly preprocess: Preprocess
  readonly signal?: AbortSignal
}

export interface ScreeningTensor {
  readonly name: string
  readonly dataType: 'FP32'
  /** With a batch of one. */
  readonly shape: readonly number[]
  readonly data: Float32Array
}

export interface PreparedExam {
  readonly kind: 'prepared'
  readonly tensors: readonly ScreeningTensor[]
  readonly plan: Plan
  /** [T, D, H, W] of the crop. */
  readonly cropShape: readonly [number, number, number, number]
  readonly crop: NativePreprocessResult
  readonly clinical: { readonly given: readonly string[]; readonly imputed: readonly ImputedValue[] }
  readonly warnings: readonly ScreeningWarning[]
  readonly preprocessMs: number
}

/** Clinical values are missing, and the contract names the model that does without them. */
export interface OtherModel {
  readonly kind: 'other-model'
  readonly model: string
  readonly missing: readonly string[]
}

/**
 * @throws SentinodeError CLINICAL_INVALID, CLINICAL_MISSING, REGION_INVALID, REGION_OUTSIDE_EXAM,
 * AMBIGUOUS_TIMES, TOO_FEW_PHASES, PHASES_UNSUITABLE, EXAM_NOT_FINITE, EXAM_CONSTANT, CANCELLED
 */
export async function prepareExam(options: PrepareOptions): Promise<PreparedExam | OtherModel> {
  const { contract, volume } = options
  const clinical =
    contract.clinical === null
      ? null
      : readClinical(contract.clinical.variables, options.clinical, {
          unknownNames: options.unknownClinicalNames ?? 'refuse',
        })
  if (clinical?.kind === 'other-model') return clinical
  const plan = makePlan(volume, contract, options.region)
  const start = performance.now()
  const crop = await options.preprocess(nativeOptions(volume, plan, options.threads), options.signal)
  const preprocessMs = performance.now() - start
  const warnings = [...volume.warnings, ...plan.warnings, ...(clinical?.warnings ?? [])]
  const outside = checkOutside(crop.outsideFraction, plan.maxOutsideFraction)
  if (outside !== null) warnings.push(outside)
  const cropShape = [plan.phases.length, ...plan.grid.size] as const
  const shape = contract.image.layout === 'NCTDHW' ? [1, 1, ...cropShape] : [1, ...cropShape]
  const tensors: ScreeningTensor[] = [
    { name: contract.image.input, dataType: 'FP32', shape, data: crop.data },
  ]
  if (contract.clinical !== null && clinical !== null) {
    const { vector } = clinical
    tensors.push({ name: contract.clinical.input, dataType: 'FP32', shape: [1, vector.length], data: vector })
  }
  return {
    kind: 'prepared',
    tensors,
    plan,
    cropShape,
    crop,
    clinical: { given: clinical?.given ?? [], imputed: clinical?.imputed ?? [] },
    warnings,
    preprocessMs,
  }
}

function nativeOptions(volume: Volume4D, plan: Plan, threads: number): NativePreprocessOptions {
  const { intensity } = plan
  const statistics = intensity.method === 'none' ? ({ over: 'crop', phases: 'all' } as const) : intensity
  const percentile = intensity.method === 'percentile' ? intensity : { lower: 0, upper: 100, clip: false }
  return {
    samples: volume.samples,
    shape: volume.shape,
    slopes: volume.slopes,
    intercepts: volume.intercepts,
    affine: Float64Array.from(volume.affineLps.flat()),
    gridShape: plan.grid.size,
    gridAffine: Float64Array.from(plan.grid.affine),
    phases: plan.phases.map(({ first, second, weight }) => ({ first, second, weight })),
    scaling: intensity.method,
    domain: statistics.over,
    scope: statistics.phases,
    lowerPercentile: percentile.lower,
    upperPercentile: percentile.upper,
    clip: percentile.clip,
    outside: plan.outside,
    threads,
  }
}

function checkOutside(fraction: number, largest: number): ScreeningWarning | null {
  const percent = (share: number) => `${Math.round(share * 1000) / 10} %`
  if (fraction > largest) {
    throw new SentinodeError(
      'REGION_OUTSIDE_EXAM',
      `expected at most ${percent(largest)} of the grid outside the exam, found ${percent(fraction)}`,
    )
  }
  if (fraction === 0) return null
  return { code: 'PARTLY_OUTSIDE', message: `${percent(fraction)} of the model's grid lies outside the exam` }
}
