/** From an exam's geometry, a contract and a region: what preprocessing is to do. Touches no sample. */

import { SentinodeError } from '../../errors.js'
import type { Volume4D } from '../../exam/volume.js'
import type { Contract } from '../contract/contract.js'
import type { IntensityRule } from '../contract/schema.js'
import type { Point, Region, ScreeningWarning } from '../types.js'
import {
  PATIENT_AXES,
  boxCorners,
  corners,
  directions,
  extentAlong,
  gridAround,
  type Grid,
} from './geometry.js'
import { choosePhases, type PhaseChoice } from './phases.js'

export type ExamGeometry = Pick<Volume4D, 'shape' | 'affineLps' | 'timesS'>

export interface Plan {
  readonly grid: Grid
  readonly phases: readonly PhaseChoice[]
  readonly intensity: IntensityRule
  /** null: voxels outside the exam repeat its border. */
  readonly outside: number | null
  readonly maxOutsideFraction: number
  readonly region: { readonly kind: Region['kind']; readonly centreMm: Point; readonly sizeMm: Point }
  readonly warnings: readonly ScreeningWarning[]
}

/** 2^28 voxels of one phase are a gigabyte of float32. */
const MAX_VOXELS = 2 ** 28

/**
 * @param region what the request gave; null for nothing, which a contract that accepts `volume` allows
 * @throws SentinodeError REGION_INVALID, AMBIGUOUS_TIMES, TOO_FEW_PHASES, PHASES_UNSUITABLE
 */
export function makePlan(exam: ExamGeometry, contract: Contract, region: Region | null): Plan {
  const { image } = contract
  const warnings: ScreeningWarning[] = []
  const wanted = acceptRegion(region, image.region.accept)
  const axes = image.grid.orientation === 'patient' ? PATIENT_AXES : directions(exam.affineLps)
  const [, depth, height, width] = exam.shape
  const points =
    wanted.kind === 'volume'
      ? corners(exam.affineLps, [depth, height, width])
      : wanted.kind === 'centre'
        ? [wanted.centre]
        : boxCorners(wanted.low, wanted.high)
  const { centre, lengths } = extentAlong(axes, points)
  const spacing = image.grid.spacing_mm
  const size = image.grid.size ?? sizeOver(lengths, spacing)
  if (size.reduce((product, side) => product * side, 1) > MAX_VOXELS) {
    throw new SentinodeError(
      'REGION_INVALID',
      `expected a region of at most ${MAX_VOXELS} grid voxels, found ${size.join(' x ')}`,
    )
  }
  const cutOff =
    wanted.kind !== 'volume' &&
    size.some((side, i) => (lengths[2 - i] ?? 0) > side * (spacing[i] ?? 0) + 1e-6)
  if (cutOff) {
    const message = 'the region is larger than the grid of the model, which sees the middle of it'
    if (image.region.larger_than_grid === 'refuse') {
      const field = size
        .map((side, i) => side * (spacing[i] ?? 0))
        .reverse()
        .join(' x ')
      throw new SentinodeError(
        'REGION_INVALID',
        `expected a region within ${field} mm (x, y, z), found a larger one`,
      )
    }
    warnings.push({ code: 'REGION_CUT_OFF', message })
  }
  const grid = gridAround(centre, axes, size, spacing)
  return {
    grid,
    phases: choosePhases(image.phases, exam.shape[0], exam.timesS),
    intensity: image.intensity,
    outside: image.region.outside === 'nearest' ? null : image.region.outside,
    maxOutsideFraction: image.region.max_outside_fraction,
    region: {
      kind: wanted.kind,
      centreMm: centre,
      sizeMm: [size[2] * spacing[2], size[1] * spacing[1], size[0] * spacing[0]],
    },
    warnings,
  }
}

/** Enough voxels to cover the lengths [x, y, z]; a hair of rounding adds none. */
function sizeOver(lengths: Point, spacing: readonly [number, number, number]): [number, number, number] {
  const side = (axis: 0 | 1 | 2) =>
    Math.max(1, Math.ceil((lengths[2 - axis] as number) / spacing[axis] - 1e-6))
  return [side(0), side(1), side(2)]
}

/**
 * What a request's region means, null for none: then the volume, where the contract accepts that.
 * @throws SentinodeError REGION_INVALID
 */
export function acceptRegion(region: Region | null, accept: readonly Region['kind'][]): Region {
  const given: Region = region ?? { kind: 'volume' }
  if (!accept.includes(given.kind)) {
    const found = region === null ? 'none' : `a ${given.kind}`
    throw new SentinodeError(
      'REGION_INVALID',
      `expected a region of interest as ${accept.join(' or ')}, found ${found}`,
    )
  }
  const numbers =
    given.kind === 'volume' ? [] : given.kind === 'centre' ? given.centre : [...given.low, ...given.high]
  if (!numbers.every((number) => Number.isFinite(number) && Math.abs(number) < 1e5)) {
    throw new SentinodeError(
      'REGION_INVALID',
      'expected the region in patient millimetres, found other numbers',
    )
  }
  if (
    (given.kind === 'box' || given.kind === 'mask') &&
    given.low.some((low, i) => !(low <= (given.high[i] ?? NaN)))
  ) {
    throw new SentinodeError(
      'REGION_INVALID',
      'expected a box with its lower corner first, found one turned round',
    )
  }
  return given
}
