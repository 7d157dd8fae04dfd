/**
 * The extended Tofts model: Tofts et al., "Estimating kinetic parameters from dynamic contrast-enhanced
 * T1-weighted MRI of a diffusable tracer: standardized quantities and symbols", J Magn Reson Imaging
 * 1999;10:223-232:
 *
 *   C(t) = vp Cp(t) + Ktrans * integral from 0 to t of Cp(u) exp(-kep (t - u)) du,   kep = Ktrans / ve
 *
 * For a given kep the tissue's part is linear in Ktrans, so an exam needs one curve for each kep and not
 * one for each voxel.
 */

import { plasmaConcentration } from './arterial-input.js'

/** Integration step; the first pass of the bolus is 0.13 min wide at half its height. */
const STEP_MIN = 0.002

/**
 * The integral above at some times, for Ktrans = 1 / min.
 * @param kep 1 / min
 * @param minutes since the bolus arrives; negative before it does
 * @returns mmol / l, one value a time
 */
export function residueCurve(kep: number, minutes: readonly number[]): number[] {
  const last = Math.max(0, ...minutes)
  const steps = Math.ceil(last / STEP_MIN) + 1
  const decay = Math.exp(-kep * STEP_MIN)
  const curve = new Float64Array(steps + 1)
  let before = plasmaConcentration(0)
  for (let i = 1; i <= steps; i++) {
    const now = plasmaConcentration(i * STEP_MIN)
    // The trapezoid of one step, decayed to its end; what was there before decays by as much.
    curve[i] = (curve[i - 1] ?? 0) * decay + (STEP_MIN / 2) * (before * decay + now)
    before = now
  }
  return minutes.map((minute) => {
    if (minute <= 0) return 0
    const at = minute / STEP_MIN
    const i = Math.floor(at)
    const low = curve[i] ?? 0
    return low + (at - i) * ((curve[i + 1] ?? low) - low)
  })
}

export interface ToftsParameters {
  /** 1 / min. */
  readonly ktrans: number
  /** 1 / min. */
  readonly kep: number
  /** Share of plasma in the tissue's volume. */
  readonly vp: number
}

/** Concentration in a tissue, mmol / l, one value a time. */
export function toftsCurve({ ktrans, kep, vp }: ToftsParameters, minutes: readonly number[]): number[] {
  return residueCurve(kep, minutes).map(
    (value, i) => vp * plasmaConcentration(minutes[i] ?? 0) + ktrans * value,
  )
}
