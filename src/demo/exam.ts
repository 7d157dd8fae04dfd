import { readFileSync } from 'node:fs'
import * as nifti from 'nifti-reader-js'
import { CROP } from './network.js'

export interface Exam {
  /** Phases, slices, rows, columns. */
  readonly shape: readonly [number, number, number, number]
  readonly voxels: Int16Array
}

/** Reads a 4D NIfTI file of int16. */
export function readExam(path: string): Exam {
  const file = readFileSync(path)
  let bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength)
  if (nifti.isCompressed(bytes)) bytes = nifti.decompress(bytes) as ArrayBuffer
  const header = nifti.readHeader(bytes)
  const [, width, height, depth, phases] = header.dims
  if (header.datatypeCode !== nifti.NIFTI1.TYPE_INT16 || !width || !height || !depth || !phases) {
    throw new Error('expected a 4D NIfTI file of int16')
  }
  const voxels = new Int16Array(nifti.readImage(header, bytes))
  return { shape: [phases, depth, height, width], voxels }
}

/**
 * A crop around a voxel (slice, row, column), z-scored over all phases together so that enhancement
 * survives, as little-endian float32 bytes of shape [1, 1, T, D, H, W].
 */
export function crop(exam: Exam, centre: readonly [number, number, number]): Uint8Array {
  const [, depth, height, width] = exam.shape
  const start = (c: number, size: number, limit: number): number =>
    Math.min(Math.max(0, c - size / 2), limit - size)
  const z0 = start(centre[0], CROP.depth, depth)
  const y0 = start(centre[1], CROP.height, height)
  const x0 = start(centre[2], CROP.width, width)
  const out = new Float32Array(CROP.phases * CROP.depth * CROP.height * CROP.width)
  let at = 0
  for (let t = 0; t < CROP.phases; t++) {
    for (let z = z0; z < z0 + CROP.depth; z++) {
      for (let y = y0; y < y0 + CROP.height; y++) {
        const row = ((t * depth + z) * height + y) * width + x0
        out.set(exam.voxels.subarray(row, row + CROP.width), at)
        at += CROP.width
      }
    }
  }
  const mean = out.reduce((sum, v) => sum + v, 0) / out.length
  const deviation = Math.sqrt(out.reduce((sum, v) => sum + (v - mean) ** 2, 0) / out.length) || 1
  return new Uint8Array(out.map((v) => (v - mean) / deviation).buffer)
}
