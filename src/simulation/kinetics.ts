/** How tissues take up contrast agent, and how the lesion's latents show in it. */

import { plasmaConcentration, bloodConcentration } from './physics/arterial-input.js'
import { residueCurve, toftsCurve } from './physics/tofts.js'
import type { Habitats } from './anatomy/lesion.js'
import type { Random } from './random.js'
import type { Latents } from './risk/model.js'

/**
 * The lesion is made of two tissues: a fast one, which washes out, and a slow one, which fills. Values of kep
 * are within what is reported of invasive cancers (Tofts 1999; Yankeelov et al., Magn Reson Imaging
 * 2005;23:519-529).
 */
export interface LesionKinetics {
  readonly fastKep: number
  readonly slowKep: number
  /** Share of the mean uptake that is due to the fast tissue. */
  readonly fastShare: number
  readonly vp: number
  /** Mean concentration over the minutes below, mmol / l. */
  readonly uptake: number
  readonly habitats: Habitats
}

/** Over which an uptake curve is brought to a mean of 1, min. */
const MINUTES = [0.8, 1.5, 2.5, 3.5, 4.5] as const

export function drawLesionKinetics({ kinetics, interplay }: Latents, random: Random): LesionKinetics {
  return {
    fastKep: random.around(2.5, 0.1),
    slowKep: random.around(0.07, 0.1),
    fastShare: 1 / (1 + Math.exp(-kinetics)),
    vp: random.around(0.02, 0.2),
    uptake: random.around(0.3, 0.35),
    habitats: {
      parting: 1.5 / (1 + Math.exp(-2.4 * interplay)),
      heterogeneity: Math.min(0.53, random.around(0.48, 0.04)),
    },
  }
}

/** Concentrations of the lesion's parts, mmol / l, a phase each; a voxel adds them in its proportions. */
export interface LesionCurves {
  readonly fast: readonly number[]
  readonly slow: readonly number[]
  readonly vascular: readonly number[]
  /** Ktrans of each tissue, averaged over the lesion's volume, 1 / min. */
  readonly fastKtrans: number
  readonly slowKtrans: number
}

/** @param minutes of each phase since the bolus arrived */
export function lesionCurves(kinetics: LesionKinetics, minutes: readonly number[]): LesionCurves {
  const tissue = (kep: number, share: number) => {
    const typical = residueCurve(kep, MINUTES)
    const ktrans =
      (share * kinetics.uptake) / (typical.reduce((sum, value) => sum + value, 0) / MINUTES.length)
    return { ktrans, curve: residueCurve(kep, minutes).map((value) => ktrans * value) }
  }
  const fast = tissue(kinetics.fastKep, kinetics.fastShare)
  const slow = tissue(kinetics.slowKep, 1 - kinetics.fastShare)
  return {
    fast: fast.curve,
    slow: slow.curve,
    vascular: minutes.map((minute) => kinetics.vp * plasmaConcentration(minute)),
    fastKtrans: fast.ktrans,
    slowKtrans: slow.ktrans,
  }
}

export interface BackgroundCurves {
  readonly gland: readonly number[]
  readonly muscle: readonly number[]
  readonly skin: readonly number[]
  readonly blood: readonly number[]
}

export function backgroundCurves(random: Random, minutes: readonly number[]): BackgroundCurves {
  return {
    // Minimal to marked background enhancement, rising through the exam.
    gland: toftsCurve({ ktrans: random.around(0.012, 0.45), kep: 0.1, vp: 0.005 }, minutes),
    muscle: toftsCurve({ ktrans: random.around(0.06, 0.15), kep: 0.5, vp: 0.01 }, minutes),
    skin: toftsCurve({ ktrans: random.around(0.05, 0.2), kep: 0.3, vp: 0.01 }, minutes),
    blood: minutes.map(bloodConcentration),
  }
}
