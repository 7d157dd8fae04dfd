/**
 * How scanners lay a dynamic exam out over series and which attributes they put its times in: the habits that
 * make no single attribute order all exams (docs/exams.md).
 */

import { text } from '../../dicom/elements.js'
import type { SimulatedExam } from '../exam.js'
import { Random } from '../random.js'
import type { Element, Study } from './modules.js'

/** One image's place. */
export interface Place {
  /** Number of its series; what has the same number has the same series UID. */
  readonly series: number
  readonly description: string
  readonly instance: number
  readonly elements: readonly Element[]
}

export type Habit = (phase: number, slice: number) => Place

/** How long after a phase its images are reconstructed, s. */
const RECONSTRUCTION_S = 4

/**
 * All phases in one series. AcquisitionTime is the series' own throughout; phases are told apart by
 * TemporalPositionIdentifier, or on other systems by ContentTime alone, which times them in either case. (Real
 * files also have TriggerTime, which PS3.3, C.8.3.1 allows with cardiac gating alone.)
 */
export function ge({ protocol, shape, seed, index }: SimulatedExam, study: Study): Habit {
  const [phases, slices] = shape
  const counted = new Random('exam', seed, index, 'temporal positions').chance(0.5)
  return (phase, slice) => {
    const start = protocol.startsS[phase] ?? 0
    const position: Element[] = counted ? [[0x00200100, text('IS', String(phase + 1))]] : []
    return {
      series: 5,
      description: 'SAG VIBRANT MULTIPHASE',
      instance: phase * slices + slice + 1,
      elements: [
        [0x00080008, text('CS', 'ORIGINAL\\PRIMARY\\OTHER')],
        [0x00080031, text('TM', study.time(0))],
        [0x00080032, text('TM', study.time(0))],
        [0x00080033, text('TM', study.time(start + protocol.phaseS + RECONSTRUCTION_S))],
        [0x00200105, text('IS', String(phases))],
        ...position,
      ],
    }
  }
}

/**
 * AcquisitionTime tells phases apart. As the protocol was set up, each is a series of its own, or all are
 * measurements of one, counted by AcquisitionNumber.
 */
export function siemens({ protocol, shape, seed, index }: SimulatedExam, study: Study): Habit {
  const slices = shape[1]
  const together = new Random('exam', seed, index, 'series').chance(0.5)
  return (phase, slice) => {
    const start = protocol.startsS[phase] ?? 0
    const separate = phase === 0 ? 'T1 FL3D TRA DYN PRE' : `T1 FL3D TRA DYN POST ${phase}`
    return {
      series: together ? 6 : 6 + phase,
      description: together ? 'T1 FL3D TRA DYN' : separate,
      instance: (together ? phase * slices : 0) + slice + 1,
      elements: [
        [0x00080008, text('CS', 'ORIGINAL\\PRIMARY\\M\\NORM\\DIS2D')],
        [0x00080031, text('TM', study.time(together ? 0 : start))],
        [0x00080032, text('TM', study.time(start))],
        [0x00080033, text('TM', study.time(start + protocol.phaseS + RECONSTRUCTION_S))],
        [0x00200012, text('IS', String(together ? phase + 1 : 1))],
      ],
    }
  }
}

/** One series before contrast agent and one after, each with its rescale; dynamics alternate within a slice. */
export function philips({ protocol, shape }: SimulatedExam, study: Study): Habit {
  const dynamics = shape[0] - 1
  return (phase, slice) => {
    const start = protocol.startsS[phase] ?? 0
    const first = protocol.startsS[Math.min(phase, 1)] ?? 0
    const temporal = Math.max(1, phase)
    return {
      series: phase === 0 ? 601 : 701,
      description: phase === 0 ? 'eTHRIVE PRE' : 'eTHRIVE DYN',
      instance: phase === 0 ? slice + 1 : slice * dynamics + phase,
      elements: [
        [0x00080008, text('CS', 'ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE')],
        [0x00080031, text('TM', study.time(first))],
        [0x00080032, text('TM', study.time(start))],
        [0x00080033, text('TM', study.time(start))],
        [0x00200100, text('IS', String(temporal))],
        [0x00200105, text('IS', String(phase === 0 ? 1 : dynamics))],
      ],
    }
  }
}
