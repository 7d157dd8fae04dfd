/** From tissues and their concentrations to stored samples: signal, motion, coil, noise, rescale. */

import { smoothField } from '../anatomy/field.js'
import type { Tissues } from '../anatomy/breast.js'
import type { LesionTissue } from '../anatomy/lesion.js'
import { voxelCount, type Grid } from '../grid.js'
import type { BackgroundCurves, LesionCurves } from '../kinetics.js'
import { signalTable, spoiledGradientEcho } from '../physics/spoiled-gradient-echo.js'
import type { Random } from '../random.js'
import { rigidlyMoved, drawMotion } from './motion.js'
import { greatestSample, type Protocol } from './scanners.js'
import { FAT_LEFT, RELAXIVITY, TISSUES } from './tissues.js'

export interface Body {
  readonly tissues: Tissues
  readonly blood: Float32Array
  readonly lesion: LesionTissue
  /** How much more than typical gland takes up, a voxel each. */
  readonly background: Float32Array
}

export interface Curves {
  readonly lesion: LesionCurves
  readonly background: BackgroundCurves
}

/** The signal of one phase before anything the scanner adds; M0 is 1. */
export function phaseSignal(body: Body, curves: Curves, protocol: Protocol, phase: number): Float32Array {
  const { sequence, scanner } = protocol
  const relaxivity = RELAXIVITY[scanner.fieldT]
  const signalOf = (name: keyof typeof TISSUES, concentration: number) =>
    TISSUES[name].protonDensity *
    spoiledGradientEcho(sequence, 1 / TISSUES[name].t1S[scanner.fieldT] + relaxivity * concentration)
  const tableOf = (name: keyof typeof TISSUES) =>
    signalTable(sequence, TISSUES[name].t1S[scanner.fieldT], relaxivity)
  const fat = FAT_LEFT * signalOf('fat', 0)
  const muscle = signalOf('muscle', curves.background.muscle[phase] ?? 0)
  const skin = signalOf('skin', curves.background.skin[phase] ?? 0)
  const blood = signalOf('blood', curves.background.blood[phase] ?? 0)
  const gland = tableOf('gland')
  const lesion = tableOf('lesion')
  const glandUptake = curves.background.gland[phase] ?? 0
  const [fast, slow, vascular] = [curves.lesion.fast, curves.lesion.slow, curves.lesion.vascular].map(
    (curve) => curve[phase] ?? 0,
  ) as [number, number, number]
  const { tissues } = body
  const count = body.blood.length
  const signal = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    let value = tissues.fat[i]! * fat + tissues.muscle[i]! * muscle + tissues.skin[i]! * skin
    const glandShare = tissues.gland[i]!
    if (glandShare > 0)
      value += glandShare * TISSUES.gland.protonDensity * gland(glandUptake * body.background[i]!)
    const vessel = body.blood[i]!
    if (vessel > 0) value += vessel * (blood - value)
    const share = body.lesion.share[i]!
    if (share > 0) {
      const uptake = fast * body.lesion.fast[i]! + slow * body.lesion.slow[i]! + vascular
      value += share * (TISSUES.lesion.protonDensity * lesion(uptake) - value)
    }
    signal[i] = value
  }
  return signal
}

export interface Acquired {
  /** Phases one after the other. */
  readonly samples: Int16Array
  /** What a stored unit is worth, a phase each. */
  readonly slopes: readonly number[]
}

export function acquire(body: Body, curves: Curves, protocol: Protocol, random: Random): Acquired {
  const { grid, startsS, sequence, scanner, slopes } = protocol
  const count = voxelCount(grid)
  const samples = new Int16Array(count * startsS.length)
  const coil = coilSensitivity(grid, random)
  const gland =
    TISSUES.gland.protonDensity * spoiledGradientEcho(sequence, 1 / TISSUES.gland.t1S[scanner.fieldT])
  // Without contrast agent nothing that is left by fat suppression is brighter than gland by much.
  const gain = protocol.brightest / (3 * gland)
  const noise = protocol.noise * gland
  const greatest = greatestSample(scanner)
  const firstSlope = slopes[0] ?? 1
  startsS.forEach((_, phase) => {
    const still = phaseSignal(body, curves, protocol, phase)
    const moved = phase === 0 ? still : rigidlyMoved(still, grid, drawMotion(random))
    const scale = (gain * firstSlope) / (slopes[phase] ?? 1)
    for (let i = 0; i < count; i++) {
      const signal = moved[i]! * coil[i]!
      // Noise of both channels, as radius and angle: the magnitude is Rician without a second draw.
      const radius = noise * Math.sqrt(-2 * Math.log(1 - random.uniform()))
      const along = radius * Math.cos(2 * Math.PI * random.uniform())
      const magnitude = Math.sqrt(signal * signal + 2 * signal * along + radius * radius)
      samples[phase * count + i] = Math.min(greatest, Math.round(scale * magnitude))
    }
  })
  return { samples, slopes }
}

/** A surface coil's sensitivity: smooth, within some tens of percent. */
function coilSensitivity(grid: Grid, random: Random): Float32Array {
  const field = smoothField(random, grid.size, grid.spacingMm, 70)
  for (let i = 0; i < field.length; i++) field[i] = Math.exp(0.15 * field[i]!)
  return field
}
