/** One simulated exam, whole: who she is, what the scanner saw, and the truth. */

import type { Affine } from '../exam/volume.js'
import { breastTissues, drawBreast, type Breast } from './anatomy/breast.js'
import { smoothField } from './anatomy/field.js'
import { drawLesion, lesionTissue, type LesionShape } from './anatomy/lesion.js'
import { vesselTissue } from './anatomy/vessels.js'
import { affineOf, type Vector } from './grid.js'
import {
  backgroundCurves,
  drawLesionKinetics,
  lesionCurves,
  type LesionCurves,
  type LesionKinetics,
} from './kinetics.js'
import { Random } from './random.js'
import { drawWoman, type Woman } from './risk/model.js'
import type { RiskParameters } from './risk/parameters.js'
import { acquire } from './scanner/acquire.js'
import { drawProtocol, type Protocol } from './scanner/scanners.js'

/** Everything about an exam but its voxels. */
export interface ExamPlan {
  readonly seed: number
  /** From 0. */
  readonly index: number
  readonly name: string
  readonly woman: Woman
  readonly breast: Breast
  readonly lesion: LesionShape
  readonly kinetics: LesionKinetics
  readonly curves: LesionCurves
  readonly protocol: Protocol
  /** Where a radiologist marks the lesion's centre, LPS. */
  readonly marked: Vector
}

export interface SimulatedExam extends ExamPlan {
  /** [T, Z, Y, X]. */
  readonly shape: readonly [number, number, number, number]
  readonly samples: Int16Array
  /** A phase each. */
  readonly slopes: readonly number[]
  readonly affineLps: Affine
  /** 1 where at least half of a voxel is lesion. */
  readonly mask: Uint8Array
}

const MARKING_ERROR_MM = 1

/** The same for the same seed and index, whatever else is simulated. Costs nothing beside the voxels. */
export function planExam(seed: number, index: number, parameters: RiskParameters): ExamPlan {
  const random = (purpose: string) => new Random('exam', seed, index, purpose)
  const woman = drawWoman(random('woman'), parameters)
  const breast = drawPlaced(random('breast'))
  const protocol = drawProtocol(breast, random('protocol'))
  const lesion = drawLesion(breast, woman.latents, random('lesion'))
  const kinetics = drawLesionKinetics(woman.latents, random('kinetics'))
  const marking = random('marking')
  return {
    seed,
    index,
    name: `sim-${String(index).padStart(5, '0')}`,
    woman,
    breast,
    lesion,
    kinetics,
    curves: lesionCurves(kinetics, minutesOf(protocol)),
    protocol,
    marked: lesion.centre.map((at) => at + MARKING_ERROR_MM * marking.normal()) as unknown as Vector,
  }
}

/** About 1 s of one core and 60 MB. */
export function simulateExam(seed: number, index: number, parameters: RiskParameters): SimulatedExam {
  const plan = planExam(seed, index, parameters)
  const { protocol, breast, curves } = plan
  const { grid } = protocol
  const random = (purpose: string) => new Random('exam', seed, index, purpose)
  const tissues = breastTissues(breast, grid, random('tissues'))
  const blood = vesselTissue(breast, plan.lesion.centre, grid, random('vessels'))
  const fastShares = curves.fast.slice(1).map((fast, i) => fast / (fast + (curves.slow[i + 1] ?? 0)))
  const lesion = lesionTissue(plan.lesion, plan.kinetics.habitats, fastShares, grid, random('habitats'))
  const background = smoothField(random('background'), grid.size, grid.spacingMm, 12)
  for (let i = 0; i < background.length; i++) background[i] = Math.exp(0.4 * background[i]!)
  const { samples, slopes } = acquire(
    { tissues, blood, lesion, background },
    { lesion: curves, background: backgroundCurves(random('uptake'), minutesOf(protocol)) },
    protocol,
    random('scan'),
  )
  const mask = new Uint8Array(lesion.share.length)
  for (let i = 0; i < mask.length; i++) mask[i] = lesion.share[i]! >= 0.5 ? 1 : 0
  const [x, y, z] = grid.size
  return {
    ...plan,
    shape: [protocol.startsS.length, z, y, x],
    samples,
    slopes,
    affineLps: affineOf(grid),
    mask,
  }
}

/** When the middle of k-space is taken, since the bolus reached the breast. */
export function minutesOf({ startsS, phaseS, injectionS }: Protocol): number[] {
  const arrival = injectionS + 15
  return startsS.map((start) => (start + phaseS / 2 - arrival) / 60)
}

function drawPlaced(random: Random): Breast {
  const breast = drawBreast(random)
  return { ...breast, base: [85 * breast.side + 4 * random.normal(), 40, 4 * random.normal()] }
}
