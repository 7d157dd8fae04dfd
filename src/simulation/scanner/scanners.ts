/** Scanners and their breast protocols, as data. */

import type { Random } from '../random.js'
import { cross, gridAround, type Grid, type Vector } from '../grid.js'
import type { Breast } from '../anatomy/breast.js'
import type { Sequence } from '../physics/spoiled-gradient-echo.js'

/** How a vendor lays an exam out in DICOM. */
export type Layout = 'ge' | 'siemens' | 'philips' | 'enhanced'

export interface Scanner {
  readonly layout: Layout
  readonly manufacturer: string
  readonly model: string
  readonly fieldT: 1.5 | 3
  readonly plane: 'axial' | 'sagittal'
  readonly repetitionTimeMs: number
  readonly echoTimeMs: number
  readonly flipAngleDegrees: number
  readonly inPlaneMm: readonly number[]
  readonly matrix: number
  readonly sliceMm: readonly number[]
  readonly slices: number
  /** Length of one phase, s. */
  readonly phaseS: readonly [number, number]
  /** Stored value of the brightest tissue, and what a stored unit is worth. */
  readonly brightest: readonly [number, number]
  readonly rescaled: boolean
  readonly bitsStored: 12 | 16
  readonly signed: boolean
}

export const greatestSample = ({ bitsStored, signed }: Scanner): number =>
  2 ** (bitsStored - Number(signed)) - 1

/** The phases of every protocol: one before contrast agent, then these. */
export const PHASES = 6

export const SCANNERS: readonly [Scanner, ...Scanner[]] = [
  {
    layout: 'ge',
    manufacturer: 'GE MEDICAL SYSTEMS',
    model: 'Signa HDxt',
    fieldT: 1.5,
    plane: 'sagittal',
    repetitionTimeMs: 5.4,
    echoTimeMs: 2.1,
    flipAngleDegrees: 12,
    inPlaneMm: [1.25, 1.328125],
    matrix: 112,
    sliceMm: [2.2, 2.4],
    slices: 48,
    phaseS: [62, 70],
    brightest: [1200, 2400],
    rescaled: false,
    bitsStored: 16,
    signed: true,
  },
  {
    layout: 'siemens',
    manufacturer: 'SIEMENS',
    model: 'TrioTim',
    fieldT: 3,
    plane: 'axial',
    repetitionTimeMs: 4.1,
    echoTimeMs: 1.5,
    flipAngleDegrees: 10,
    inPlaneMm: [1.2, 1.3],
    matrix: 112,
    sliceMm: [2, 2.2],
    slices: 52,
    phaseS: [58, 66],
    brightest: [500, 1000],
    rescaled: false,
    bitsStored: 12,
    signed: false,
  },
  {
    layout: 'philips',
    manufacturer: 'Philips Medical Systems',
    model: 'Achieva',
    fieldT: 3,
    plane: 'axial',
    repetitionTimeMs: 4.8,
    echoTimeMs: 2.3,
    flipAngleDegrees: 10,
    inPlaneMm: [1.3, 1.4],
    matrix: 104,
    sliceMm: [2, 2.2],
    slices: 52,
    phaseS: [58, 68],
    brightest: [600, 1000],
    rescaled: true,
    bitsStored: 12,
    signed: false,
  },
  {
    layout: 'enhanced',
    manufacturer: 'Philips Medical Systems',
    model: 'Ingenia',
    fieldT: 1.5,
    plane: 'axial',
    repetitionTimeMs: 5.2,
    echoTimeMs: 2.5,
    flipAngleDegrees: 12,
    inPlaneMm: [1.25, 1.35],
    matrix: 108,
    sliceMm: [2, 2.2],
    slices: 52,
    phaseS: [60, 68],
    brightest: [600, 1000],
    rescaled: true,
    bitsStored: 12,
    signed: false,
  },
]

/** One acquisition. Times are seconds after the start of the first phase. */
export interface Protocol {
  readonly scanner: Scanner
  readonly sequence: Sequence
  readonly grid: Grid
  readonly startsS: readonly number[]
  readonly phaseS: number
  readonly injectionS: number
  /** Stored value of the brightest tissue without contrast agent. */
  readonly brightest: number
  /** What a stored unit is worth, a phase each. */
  readonly slopes: readonly number[]
  /** Standard deviation of the noise in each channel, relative to gland before contrast agent. */
  readonly noise: number
}

export function drawProtocol(breast: Breast, random: Random): Protocol {
  const scanner = random.pick(SCANNERS)
  const phaseS = Math.round(random.between(...scanner.phaseS) * 100) / 100
  const injectionS = phaseS + random.between(5, 20)
  const firstPost = injectionS + random.between(18, 26)
  const startsS = [0, ...Array.from({ length: PHASES - 1 }, (_, i) => firstPost + i * (phaseS + 0.5))]
  const slope = scanner.rescaled ? random.between(1.2, 4.5) : 1
  const slopePost = scanner.layout === 'philips' ? slope * random.between(1.1, 1.5) : slope
  return {
    scanner,
    sequence: scanner,
    grid: gridOf(breast, scanner, random),
    startsS: startsS.map((start) => Math.round(start * 100) / 100),
    phaseS,
    injectionS,
    brightest: random.between(...scanner.brightest),
    slopes: startsS.map((_, i) => Number((i === 0 ? slope : slopePost).toPrecision(6))),
    noise: random.around(0.035, 0.2),
  }
}

function gridOf(breast: Breast, scanner: Scanner, random: Random): Grid {
  const { matrix, slices } = scanner
  const inPlane = random.pick(scanner.inPlaneMm as [number, ...number[]])
  const slice = random.pick(scanner.sliceMm as [number, ...number[]])
  const centre: Vector = [
    breast.base[0] + 3 * random.normal(),
    breast.base[1] - 0.42 * breast.lengthMm + 3 * random.normal(),
    breast.base[2] + 3 * random.normal(),
  ]
  const [row, column]: [Vector, Vector] =
    scanner.plane === 'axial'
      ? [
          [1, 0, 0],
          [0, 1, 0],
        ]
      : [
          [0, 1, 0],
          [0, 0, -1],
        ]
  const tilt = (0.02 + 0.02 * random.uniform()) * (random.chance(0.5) ? 1 : -1)
  const turned = random.chance(0.3) ? turn(row, column, tilt) : ([row, column] as const)
  return gridAround(centre, [matrix, matrix, slices], [inPlane, inPlane, slice], ...turned)
}

/** Tilts the plane about its row. */
function turn(row: Vector, column: Vector, angle: number): readonly [Vector, Vector] {
  const normal = cross(row, column)
  const [c, s] = [Math.cos(angle), Math.sin(angle)]
  return [row, [0, 1, 2].map((i) => c * (column[i] ?? 0) + s * (normal[i] ?? 0)) as unknown as Vector]
}
