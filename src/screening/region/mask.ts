/** A region of interest drawn as a mask: NIfTI, or DICOM SEG. */

import { SentinodeError, isSentinodeError } from '../../errors.js'
import { readExam, type ReadOptions } from '../../exam/read.js'
import { memorySource } from '../../exam/source.js'
import { boxCorners, apply } from '../plan/geometry.js'
import type { Point, Region } from '../types.js'
import { isDicom, readSegmentation } from './segmentation.js'

export interface MaskOptions {
  /** The segment or label that is meant; null for whatever is marked, which must then be one segment. */
  readonly segment: number | null
  /** Bound on the unpacked mask. */
  readonly maxBytes: number
  /** Memory for the unpacked mask. */
  readonly allocate?: ReadOptions['allocate']
}

export const DEFAULT_MASK_OPTIONS: MaskOptions = { segment: null, maxBytes: 2 ** 30 }

/**
 * The box of patient axes around what a mask marks.
 *
 * @param bytes the file's content, NIfTI (.nii or .nii.gz) or DICOM SEG
 * @throws SentinodeError REGION_INVALID
 */
export async function readMask(
  bytes: Uint8Array,
  options: MaskOptions = DEFAULT_MASK_OPTIONS,
): Promise<Region & { kind: 'mask' }> {
  const points = isDicom(bytes) ? readSegmentation(bytes, options.segment) : await readLabels(bytes, options)
  if (points.length === 0) throw invalidMask('at least one marked voxel', 'none')
  const end = (choose: (...numbers: number[]) => number): Point => {
    const along = (axis: 0 | 1 | 2) =>
      points.reduce((so, point) => choose(so, point[axis]), points[0]?.[axis] ?? NaN)
    return [along(0), along(1), along(2)]
  }
  return { kind: 'mask', low: end(Math.min), high: end(Math.max) }
}

export function invalidMask(expected: string, found: string): SentinodeError {
  return new SentinodeError('REGION_INVALID', `mask: expected ${expected}, found ${found}`)
}

/** Corners, in patient space, of the voxel box around the marked voxels of a NIfTI file. */
async function readLabels(bytes: Uint8Array, options: MaskOptions): Promise<Point[]> {
  const volume = await readExam(memorySource([{ id: 'mask', bytes }]), {
    minPhases: 1,
    requireTimes: false,
    limits: { maxPixelBytes: options.maxBytes },
    ...(options.allocate && { allocate: options.allocate }),
  }).catch((error: unknown) => {
    if (isSentinodeError(error))
      throw invalidMask('a NIfTI or DICOM SEG file', `one that is refused as ${error.code}`)
    throw error
  })
  const [phases, depth, height, width] = volume.shape
  if (phases !== 1) throw invalidMask('one volume', `${phases}`)
  const low = [Infinity, Infinity, Infinity]
  const high = [-Infinity, -Infinity, -Infinity]
  const labels = new Set<number>()
  let index = 0
  for (let z = 0; z < depth; z++) {
    const [slope, intercept] = [volume.slopes[z] ?? 1, volume.intercepts[z] ?? 0]
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const label = (volume.samples[index++] ?? 0) * slope + intercept
        if (label === 0 || (options.segment !== null && label !== options.segment)) continue
        if (labels.size < 3) labels.add(label)
        for (const [axis, place] of [x, y, z].entries()) {
          low[axis] = Math.min(low[axis] ?? NaN, place - 0.5)
          high[axis] = Math.max(high[axis] ?? NaN, place + 0.5)
        }
      }
    }
  }
  if (labels.size === 0) return []
  if (labels.size > 1)
    throw invalidMask('one label, or the number of the one that is meant', 'several labels')
  const corner = (ends: number[]): Point => [ends[0] ?? NaN, ends[1] ?? NaN, ends[2] ?? NaN]
  return boxCorners(corner(low), corner(high)).map((point) => apply(volume.affineLps, point))
}
