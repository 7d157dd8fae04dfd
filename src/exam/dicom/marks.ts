/**
 * The attributes by which phases may be told apart and timed, in the one order in which they are tried.
 *
 * No single attribute serves all scanners: TemporalPositionIdentifier is optional, TriggerTime restarts with
 * each series, AcquisitionTime stays the same through a whole GE series, ContentTime is the reconstruction's
 * clock on some scanners. So each is a candidate, and phases.ts accepts one only if the data bear it out.
 */

import type { Dataset } from './dataset.js'
import { moment, parseDateTime, type Moment } from './time.js'

export interface MarkKind {
  readonly name: string
  /** An index orders phases and says nothing of time; 'clock' and 'offset' are in seconds. */
  readonly unit: 'index' | 'offset' | 'clock'
  /** Values that count from the start of their series compare only within one. */
  readonly withinSeries: boolean
  /** An index that is believed rather than this clock where the two order phases differently. */
  readonly yieldsTo?: string
  read(frame: Dataset): number | Moment | null
}

function index(
  name:
    'TemporalPositionIndex' | 'TemporalPositionIdentifier' | 'FrameAcquisitionNumber' | 'AcquisitionNumber',
): MarkKind {
  return { name, unit: 'index', withinSeries: false, read: (frame) => frame.number(name) ?? null }
}

function dateTime(
  name: 'FrameAcquisitionDateTime' | 'FrameReferenceDateTime' | 'AcquisitionDateTime',
): MarkKind {
  return { name, unit: 'clock', withinSeries: false, read: (frame) => parseDateTime(frame.text(name)) }
}

function time(name: 'AcquisitionTime' | 'ContentTime', date: 'AcquisitionDate' | 'ContentDate'): MarkKind {
  return {
    name,
    unit: 'clock',
    withinSeries: false,
    read: (frame) => moment(frame.text(date), frame.text(name)),
  }
}

/** Set by frames.ts from DimensionIndexValues, where one of the dimensions is time. */
export const TEMPORAL_DIMENSION = 'TemporalDimensionIndex'

export const MARKS: readonly MarkKind[] = [
  index('TemporalPositionIndex'),
  { name: TEMPORAL_DIMENSION, unit: 'index', withinSeries: true, read: () => null },
  {
    name: 'TemporalPositionTimeOffset',
    unit: 'offset',
    withinSeries: true,
    read: (frame) => frame.number('TemporalPositionTimeOffset') ?? null,
  },
  dateTime('FrameAcquisitionDateTime'),
  dateTime('FrameReferenceDateTime'),
  index('TemporalPositionIdentifier'),
  {
    name: 'TriggerTime',
    unit: 'offset',
    withinSeries: true,
    read: (frame) => {
      const milliseconds = frame.number('TriggerTime')
      return milliseconds === undefined ? null : milliseconds / 1000
    },
  },
  dateTime('AcquisitionDateTime'),
  time('AcquisitionTime', 'AcquisitionDate'),
  // Reconstruction runs on its own clock, and on some scanners backwards (rordenlab/dcm2niix#201).
  { ...time('ContentTime', 'ContentDate'), yieldsTo: 'AcquisitionNumber' },
  index('FrameAcquisitionNumber'),
  index('AcquisitionNumber'),
]

/** The values of one frame, in the order of MARKS. */
export type Marks = readonly (number | Moment | null)[]

export function readMarks(frame: Dataset, temporalDimension: number | null): Marks {
  return MARKS.map((mark) => (mark.name === TEMPORAL_DIMENSION ? temporalDimension : mark.read(frame)))
}
