/** Pictures of the crop for the report: one slice, where contrast agent shows most, in every phase. */

import type { PreparedExam } from '../prepare.js'
import { greyPng } from './png.js'

export interface Pictures {
  /** Slice of the crop, from 0. */
  readonly slice: number
  /** One PNG a phase, all with the same window. */
  readonly pngs: readonly Buffer[]
  readonly width: number
  readonly height: number
  /** Height of a pixel over its width. */
  readonly aspect: number
}

/** A full-size crop would take seconds to search: every slice is looked at, not every voxel. */
const SAMPLES = 500_000

type Crop = Pick<PreparedExam, 'cropShape' | 'crop'>

/** @param spacing of the grid, [z, y, x] */
export function takePictures(exam: Crop, spacing: readonly [number, number, number]): Pictures {
  const [phases, depth, height, width] = exam.cropShape
  const slice = strongestSlice(exam)
  const pixels = height * width
  const images = Array.from({ length: phases }, (_, t) => {
    const image = new Float32Array(pixels)
    const from = (t * depth + slice) * pixels
    for (let i = 0; i < pixels; i++) image[i] = intensity(exam, t, from + i)
    return image
  })
  const [low, high] = windowOf(images)
  const pngs = images.map((image) => {
    const grey = Uint8Array.from(image, (value) =>
      Math.min(255, Math.max(0, ((value - low) / (high - low)) * 255)),
    )
    return greyPng(grey, width, height)
  })
  return { slice, pngs, width, height, aspect: spacing[1] / spacing[2] }
}

/** Back to the exam's intensities, where phases compare whatever the normalisation was. */
export function intensity({ crop }: Crop, phase: number, index: number): number {
  return (crop.data[index] ?? NaN) / (crop.scales[phase] ?? 1) + (crop.offsets[phase] ?? 0)
}

/**
 * The slice with the largest sum of strong rises over the first phase, strong being at least half of what
 * the strongest of all voxels show: a lesion is small, and a mean over the slice would follow its size only.
 */
export function strongestSlice(exam: Crop): number {
  const [, depth, height, width] = exam.cropShape
  const rises = Array.from({ length: depth }, (_, z) => sliceRises(exam, z, height * width))
  const sorted = Float32Array.from(rises.flatMap((slice) => [...slice])).sort()
  const strong = (sorted[Math.floor(sorted.length * 0.995)] ?? 0) / 2
  let best = Math.floor(depth / 2)
  let most = 0
  for (const [z, slice] of rises.entries()) {
    const sum = slice.reduce((so, rise) => (rise > strong ? so + rise : so), 0)
    if (strong > 0 && sum > most) {
      most = sum
      best = z
    }
  }
  return best
}

/** The highest rise over the first phase of every few voxels of a slice. */
function sliceRises(exam: Crop, z: number, pixels: number): Float32Array {
  const [phases, depth] = exam.cropShape
  const step = Math.max(1, Math.floor((pixels * depth) / SAMPLES))
  const rises = new Float32Array(Math.ceil(pixels / step))
  for (let k = 0; k < rises.length; k++) {
    const i = k * step
    const before = intensity(exam, 0, z * pixels + i)
    for (let t = 1; t < phases; t++) {
      const rise = intensity(exam, t, (t * depth + z) * pixels + i) - before
      if (rise > (rises[k] ?? 0)) rises[k] = rise
    }
  }
  return rises
}

/** From the 1st to the 99.5th percentile of all phases together. */
export function windowOf(images: readonly Float32Array[]): [number, number] {
  const all = Float32Array.from(images.flatMap((image) => [...image])).sort()
  const at = (share: number) => all[Math.min(all.length - 1, Math.floor(share * all.length))] ?? 0
  const [low, high] = [at(0.01), at(0.995)]
  return high > low ? [low, high] : [low, low + 1]
}
