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

/** Lesions are small: a slice counts by its most enhancing voxels, not by its mean. */
const STRONGEST = 0.02
/** A full-size crop would take seconds to search; every slice is looked at, not every voxel. */
const SAMPLES_PER_SLICE = 16_384

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
function intensity({ crop }: Crop, phase: number, index: number): number {
  return (crop.data[index] ?? NaN) / (crop.scales[phase] ?? 1) + (crop.offsets[phase] ?? 0)
}

function strongestSlice(exam: Crop): number {
  const [phases, depth, height, width] = exam.cropShape
  const pixels = height * width
  const step = Math.max(1, Math.floor(pixels / SAMPLES_PER_SLICE))
  let best = Math.floor(depth / 2)
  let most = -Infinity
  for (let z = 0; z < depth; z++) {
    const rises: number[] = []
    for (let i = 0; i < pixels; i += step) {
      const before = intensity(exam, 0, z * pixels + i)
      let rise = 0
      for (let t = 1; t < phases; t++)
        rise = Math.max(rise, intensity(exam, t, (t * depth + z) * pixels + i) - before)
      rises.push(rise)
    }
    rises.sort((a, b) => b - a)
    const kept = Math.max(1, Math.floor(rises.length * STRONGEST))
    const strength = rises.slice(0, kept).reduce((sum, rise) => sum + rise, 0) / kept
    if (phases > 1 && strength > most) {
      most = strength
      best = z
    }
  }
  return best
}

/** From the 1st to the 99.5th percentile of all phases together. */
function windowOf(images: readonly Float32Array[]): [number, number] {
  const all = Float32Array.from(images.flatMap((image) => [...image])).sort()
  const at = (share: number) => all[Math.min(all.length - 1, Math.floor(share * all.length))] ?? 0
  const [low, high] = [at(0.01), at(0.995)]
  return high > low ? [low, high] : [low, low + 1]
}
