/** Which frames cannot be a phase of a dynamic series, by what their own headers say. */

import type { LeftOutReason } from '../volume.js'
import type { Frame } from './frames.js'

/** Dynamic T1-weighted gradient echoes have echo times of 1 to 5 ms; T2-weighted images 60 ms and more. */
const T2_ECHO_TIME_MS = 30

/** Values of ImageType (or FrameType) from the third on, PS3.3 C.8.3.1.1.1 and the vendors' own. */
const DERIVED = new Set([
  'SUB',
  'SUBTRACTION',
  'MIP',
  'MINIP',
  'MPR',
  'PROJECTION IMAGE',
  'REFORMATTED',
  'MOCO',
  'ADC',
  'SCREEN SAVE',
])
const NOT_MAGNITUDE = new Set(['P', 'PHASE', 'PHASE MAP', 'R', 'REAL', 'I', 'IMAGINARY'])
const DIFFUSION = new Set(['DIFFUSION', 'TRACEW', 'FA'])

/** Why this frame is left out before any series is looked at; null when it may be used. */
export function unusable(frame: Frame): LeftOutReason | null {
  const [value1 = '', value2 = '', ...rest] = frame.imageType
  const has = (set: ReadonlySet<string>): boolean => rest.some((value) => set.has(value))
  if (frame.modality !== '' && frame.modality !== 'MR') return 'NOT_MR'
  if (frame.colour) return 'COLOUR'
  if (rest.includes('LOCALIZER')) return 'LOCALIZER'
  // Enhanced objects keep the word and have their slices as frames (rordenlab/dcm2niix#553).
  if (rest.includes('MOSAIC') && frame.source.frames === 1) return 'MOSAIC'
  // Lossy compression makes an image DERIVED and changes nothing else of what it is; the parts of a Dixon
  // series are called DERIVED by most scanners, and are the acquired images all the same.
  const derived = value1 === 'DERIVED' && !frame.lossy && dixonPart(frame) === null
  if (derived || value2 === 'SECONDARY' || has(DERIVED)) return 'DERIVED'
  if (has(NOT_MAGNITUDE) || /^(PHASE|REAL|IMAGINARY)$/.test(frame.complexComponent)) return 'NOT_MAGNITUDE'
  if (frame.bValue > 0 || has(DIFFUSION)) return 'DIFFUSION'
  if (frame.protocol.echoTime >= T2_ECHO_TIME_MS) return 'T2_WEIGHTED'
  if (frame.position === null || frame.orientation === null || frame.pixelSpacing === null)
    return 'NO_GEOMETRY'
  return null
}

const WATER = new Set(['W', 'WATER'])
const OTHER_THAN_WATER = new Set('F FAT IP IN_PHASE OP OPP_PHASE OUT_PHASE'.split(' '))

/** Which part of a Dixon series a frame is; null where it is none. */
export function dixonPart(frame: Frame): 'water' | 'other' | null {
  const rest = frame.imageType.slice(2)
  if (rest.some((value) => WATER.has(value))) return 'water'
  return rest.some((value) => OTHER_THAN_WATER.has(value)) ? 'other' : null
}

/** What an image shows of the same acquisition: the parts of a Dixon series, with or without distortion correction. */
const FLAVOURS = new Set([...WATER, ...OTHER_THAN_WATER, 'ND', 'DIS2D', 'DIS3D'])

/** Frames of one series with different flavours are different image sets. */
export function flavour(frame: Frame): string {
  return [...new Set(frame.imageType.slice(2).filter((value) => FLAVOURS.has(value)))].sort().join(' ')
}
