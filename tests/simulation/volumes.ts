/** Volumes compared with what other programs made of the same files. */

import { rescaleFrame, type Affine, type Volume4D } from '../../src/exam/volume.js'

export function realValues(volume: Volume4D): Float32Array {
  const [phases, slices, rows, columns] = volume.shape
  const frame = rows * columns
  const all = new Float32Array(phases * slices * frame)
  for (let i = 0; i < phases * slices; i++) rescaleFrame(volume, i, all.subarray(i * frame, (i + 1) * frame))
  return all
}

/** Largest difference of two series of values, relative to the greatest value: a slope of NIfTI is a float32. */
export function difference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity
  let [largest, greatest] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
    greatest = Math.max(greatest, Math.abs(a[i]!))
  }
  return largest / greatest
}

export const apply = (affine: Affine, voxel: readonly number[]): number[] =>
  affine.slice(0, 3).map((row) => voxel.reduce((sum, at, i) => sum + at * (row[i] ?? 0), row[3] ?? 0))

export const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.hypot(...a.map((at, i) => at - (b[i] ?? NaN)))

export function opposite(a: Affine, b: Affine, axis: number): boolean {
  return [0, 1, 2].reduce((sum, i) => sum + (a[i]?.[axis] ?? 0) * (b[i]?.[axis] ?? 0), 0) < 0
}

export const corners = (size: readonly number[]): number[][] =>
  Array.from({ length: 8 }, (_, c) => size.map((length, a) => ((c >> a) & 1) * (length - 1)))

/** The values of a volume with some of its axes (x, y, z) turned round. */
export function flipped(volume: Volume4D, [flipX, flipY, flipZ]: readonly boolean[]): Float32Array {
  const [phases, slices, rows, columns] = volume.shape
  const values = realValues(volume)
  const turned = new Float32Array(values.length)
  let at = 0
  for (let t = 0; t < phases; t++)
    for (let z = 0; z < slices; z++)
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < columns; x++) {
          const slice = t * slices + (flipZ ? slices - 1 - z : z)
          const row = slice * rows + (flipY ? rows - 1 - y : y)
          turned[at++] = values[row * columns + (flipX ? columns - 1 - x : x)]!
        }
  return turned
}

export function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
