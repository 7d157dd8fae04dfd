/** What an exam becomes: one block of samples over phase, slice, row and column, and what is known about it. */

/** Samples as the files store them. Their real value is `sample * slope + intercept` of their frame. */
export type Samples = Int16Array | Uint16Array | Float32Array

/** Row-major 4x4: `affine[row][column]`. */
export type Affine = readonly (readonly number[])[]

export type Format = 'dicom' | 'nifti'

/** Which series gave the phases. Identified by its number and its place in the exam, never by its text. */
export interface SeriesUse {
  /** SeriesNumber, null where the file has none (NIfTI, some anonymised exams). */
  readonly number: number | null
  /** Place of the series in the exam, by series number, from 1. */
  readonly ordinal: number
  readonly phases: number
  readonly frames: number
}

/** Frames that were read and not used, counted by reason and series. */
export interface LeftOut {
  readonly reason: LeftOutReason
  /** SeriesNumber, null where there is none. */
  readonly series: number | null
  readonly count: number
}

/** Each reason is documented in docs/exams.md. */
export type LeftOutReason =
  | 'NOT_AN_IMAGE'
  | 'NOT_MR'
  | 'LOCALIZER'
  | 'DERIVED'
  | 'NOT_MAGNITUDE'
  | 'T2_WEIGHTED'
  | 'DIFFUSION'
  | 'MOSAIC'
  | 'COLOUR'
  | 'NO_GEOMETRY'
  | 'SINGLE_SLICE'
  | 'NOT_DYNAMIC'
  | 'NOT_WATER'

export interface FrameAccount {
  readonly read: number
  readonly used: number
  readonly leftOut: readonly LeftOut[]
}

export type WarningCode =
  | 'UNEVEN_SPACING'
  | 'NO_VISIBLE_ENHANCEMENT'
  | 'IMPLAUSIBLE_PHASE_TIMES'
  | 'TIMES_UNKNOWN'
  | 'EQUIDISTANT_TIMES_ASSUMED'
  | 'ORDER_FROM_FILE_NAMES'
  | 'DATE_NOT_ADVANCED'
  | 'ATTRIBUTES_DISAGREE'
  | 'LOSSY_COMPRESSION'
  | 'FILES_LEFT_OUT'

/** Something the reader of an answer should know; the exam is used all the same. */
export interface ExamWarning {
  readonly code: WarningCode
  readonly message: string
}

/**
 * A time series of volumes in patient space. Z ascends along the slice normal (row direction x column
 * direction) for DICOM; NIfTI keeps the order of the file.
 */
export interface Volume4D {
  readonly format: Format
  /** [T, Z, Y, X]; samples are stored in this order, X fastest. */
  readonly shape: readonly [number, number, number, number]
  readonly samples: Samples
  /** One per frame, T * Z of them, phase-major. */
  readonly slopes: Float64Array
  readonly intercepts: Float64Array
  /** From voxel (x, y, z, 1) to patient millimetres, LPS, at voxel centres. */
  readonly affineLps: Affine
  /** Distance of neighbouring voxels, [z, y, x], in millimetres. */
  readonly spacingMm: readonly [number, number, number]
  /** Seconds after the first phase, ascending; null when unknown (only if the caller allowed that). */
  readonly timesS: readonly number[] | null
  /** Names of the attributes that told phases apart and that gave the times; for the report. */
  readonly phasesFrom: string
  readonly timesFrom: string | null
  readonly series: readonly SeriesUse[]
  readonly frames: FrameAccount
  readonly warnings: readonly ExamWarning[]
}

/** Bytes of pixel memory that a volume holds. */
export function volumeBytes(volume: Volume4D): number {
  return volume.samples.byteLength + volume.slopes.byteLength + volume.intercepts.byteLength
}

/**
 * One frame's real values (float32 of the product in float64).
 * @param frame phase * Z + slice
 * @param into Y * X values, reused by the caller
 */
export function rescaleFrame(volume: Volume4D, frame: number, into: Float32Array): Float32Array {
  const pixels = volume.shape[2] * volume.shape[3]
  const slope = volume.slopes[frame] ?? 1
  const intercept = volume.intercepts[frame] ?? 0
  const from = frame * pixels
  for (let i = 0; i < pixels; i++) into[i] = (volume.samples[from + i] as number) * slope + intercept
  return into
}
