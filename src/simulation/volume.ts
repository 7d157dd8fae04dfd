/** Simulated exams as the volumes that reading their files gives. */

import { affineOf } from './grid.js'
import type { SimulatedExam } from './exam.js'
import type { Samples, Volume4D } from '../exam/volume.js'

export function examVolume(exam: SimulatedExam): Volume4D {
  const { startsS } = exam.protocol
  return volume(exam, exam.samples, exam.slopes, startsS)
}

/** The true lesion as a volume of one phase: 1 inside, 0 outside. */
export function maskVolume(exam: SimulatedExam): Volume4D {
  return volume(exam, Int16Array.from(exam.mask), [1], null)
}

function volume(
  exam: SimulatedExam,
  samples: Samples,
  slopes: readonly number[],
  timesS: readonly number[] | null,
): Volume4D {
  const { grid } = exam.protocol
  const [x, y, z] = grid.size
  const phases = slopes.length
  const frames = phases * z
  return {
    format: 'nifti',
    shape: [phases, z, y, x],
    samples,
    slopes: Float64Array.from({ length: frames }, (_, frame) => slopes[Math.floor(frame / z)] ?? 1),
    intercepts: new Float64Array(frames),
    affineLps: affineOf(grid),
    spacingMm: [grid.spacingMm[2], grid.spacingMm[1], grid.spacingMm[0]],
    timesS,
    phasesFrom: 'simulation',
    timesFrom: timesS === null ? null : 'simulation',
    series: [{ number: 1, ordinal: 1, phases, frames }],
    frames: { read: frames, used: frames, leftOut: [] },
    warnings: [],
  }
}
