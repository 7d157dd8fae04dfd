/** Planes of the crop in grey, with what a finding comes from over them in colour. */

import type { Explanation } from '../explain/explanation.js'
import type { PreparedExam } from '../prepare.js'
import { intensity, strongestSlice, windowOf } from './pictures.js'
import { rgbPng } from './png.js'

export interface Overlay {
  readonly caption: string
  readonly png: Buffer
  readonly width: number
  readonly height: number
  /** Height of a pixel over its width. */
  readonly aspect: number
}

type Crop = Pick<PreparedExam, 'cropShape' | 'crop'>

/** What hiding takes from the finding, and what it adds to it. */
const FOR = [255, 118, 32] as const
const AGAINST = [52, 140, 255] as const
const STRONGEST_ALPHA = 0.65

/** A plane: how many pixels, and the voxel (index within a phase) of each; row 0 is at the top. */
interface Plane {
  readonly caption: string
  readonly width: number
  readonly height: number
  readonly aspect: number
  readonly voxel: (row: number, column: number) => number
}

/**
 * The slice of strongest enhancement, and three planes through the strongest place, in the phase that is
 * brightest over the crop.
 * @param spacing of the grid, [z, y, x]
 */
export function takeOverlays(
  exam: Crop,
  { map, strongest }: Explanation,
  spacing: readonly [number, number, number],
): Overlay[] {
  const [phases, depth, height, width] = exam.cropShape
  const size = depth * height * width
  const [z = 0, y = 0, x = 0] = strongest.voxel.map(Math.floor)
  const slice = (at: number, caption: string): Plane => ({
    caption,
    width,
    height,
    aspect: spacing[1] / spacing[2],
    voxel: (row, column) => (at * height + row) * width + column,
  })
  const planes: Plane[] = [
    slice(strongestSlice(exam), 'slice of strongest enhancement'),
    slice(z, 'strongest place, along the slices'),
    {
      caption: 'strongest place, from the front',
      width,
      height: depth,
      aspect: spacing[0] / spacing[2],
      voxel: (row, column) => ((depth - 1 - row) * height + y) * width + column,
    },
    {
      caption: 'strongest place, from the side',
      width: height,
      height: depth,
      aspect: spacing[0] / spacing[1],
      voxel: (row, column) => ((depth - 1 - row) * height + column) * width + x,
    },
  ]
  const means = [...exam.crop.phaseMeans]
  const phase = Math.min(phases - 1, Math.max(0, means.indexOf(Math.max(...means))))
  const values = Float32Array.from({ length: size }, (_, i) => intensity(exam, phase, phase * size + i))
  const [low, high] = windowOf([values])
  const most = map.reduce((largest, drop) => Math.max(largest, Math.abs(drop)), 0)
  return planes.map(({ voxel, ...plane }) => {
    const pixels = new Uint8Array(3 * plane.width * plane.height)
    for (let i = 0; i < plane.width * plane.height; i++) {
      const at = voxel(Math.floor(i / plane.width), i % plane.width)
      const grey = Math.min(1, Math.max(0, ((values[at] ?? 0) - low) / (high - low))) * 255
      const share = most > 0 ? (map[at] ?? 0) / most : 0
      const alpha = STRONGEST_ALPHA * Math.abs(share)
      const colour = share < 0 ? AGAINST : FOR
      colour.forEach((part, c) => (pixels[3 * i + c] = grey + alpha * (part - grey)))
    }
    return { ...plane, png: rgbPng(pixels, plane.width, plane.height) }
  })
}
