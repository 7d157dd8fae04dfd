/** A volume as a gzipped NIfTI-1 file, for any viewer. */

import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { rescaleFrame, type Affine, type Volume4D } from '../volume.js'
import { toLps } from './read.js'

const HEADER = 348
const OFFSET = 352
const INT16 = 4
const FLOAT32 = 16
const MM_AND_SECONDS = 2 | 8
const SCANNER = 1

export interface NiftiWriteOptions {
  /** real: float32 of the rescaled values; stored: integers as they are, where one rescale serves all frames. */
  readonly samples: 'real' | 'stored'
}

/**
 * Writes `volume` frame by frame, beside `path` first and under its name when complete.
 * @throws RangeError when a dimension does not fit NIfTI-1; the file system's errors
 */
export async function saveNifti(
  volume: Volume4D,
  path: string,
  options: NiftiWriteOptions = { samples: 'real' },
): Promise<void> {
  const stored = options.samples === 'stored' ? storedSamples(volume) : null
  const header = niftiHeader(volume, stored !== null)
  const partial = `${path}.${String(process.pid)}.partial`
  try {
    await pipeline(
      Readable.from(contents(volume, header, stored)),
      createGzip({ level: 3 }),
      createWriteStream(partial),
    )
    await rename(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
}

/** Samples that can be written as they are; null where frames differ in their rescale, or are real numbers. */
function storedSamples({ samples, slopes, intercepts }: Volume4D): Int16Array | null {
  const alike = (values: Float64Array) => values.every((value) => value === values[0])
  return samples instanceof Int16Array && alike(slopes) && alike(intercepts) ? samples : null
}

function* contents(volume: Volume4D, header: Buffer, stored: Int16Array | null): Generator<Buffer> {
  yield header
  if (stored !== null) {
    yield Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
    return
  }
  const [phases, slices, rows, columns] = volume.shape
  for (let frame = 0; frame < phases * slices; frame++) {
    const values = rescaleFrame(volume, frame, new Float32Array(rows * columns))
    yield Buffer.from(values.buffer)
  }
}

function niftiHeader(volume: Volume4D, stored: boolean): Buffer {
  const [t, z, y, x] = volume.shape
  if ([t, z, y, x].some((size) => size > 0x7fff)) throw new RangeError('the volume does not fit NIfTI-1')
  const header = Buffer.alloc(OFFSET)
  header.writeInt32LE(HEADER, 0)
  ;[t === 1 ? 3 : 4, x, y, z, t, 1, 1, 1].forEach((size, i) => header.writeInt16LE(size, 40 + 2 * i))
  header.writeInt16LE(stored ? INT16 : FLOAT32, 70)
  header.writeInt16LE(stored ? 16 : 32, 72)
  const [dz, dy, dx] = volume.spacingMm
  ;[1, dx, dy, dz, evenStep(volume.timesS)].forEach((size, i) => header.writeFloatLE(size, 76 + 4 * i))
  header.writeFloatLE(OFFSET, 108)
  header.writeFloatLE(stored ? (volume.slopes[0] ?? 1) : 1, 112)
  header.writeFloatLE(stored ? (volume.intercepts[0] ?? 0) : 0, 116)
  header.writeUInt8(MM_AND_SECONDS, 123)
  header.writeInt16LE(SCANNER, 254)
  const ras: Affine = toLps(volume.affineLps)
  ras
    .slice(0, 3)
    .forEach((row, r) => row.forEach((value, c) => header.writeFloatLE(value, 280 + 16 * r + 4 * c)))
  header.write('n+1\0', 344, 'latin1')
  return header
}

/** NIfTI has one interval for all phases: 0 where there is no such thing. */
function evenStep(timesS: readonly number[] | null): number {
  if (timesS === null || timesS.length < 2) return 0
  const step = (timesS.at(-1) ?? 0) / (timesS.length - 1)
  return timesS.every((time, i) => Math.abs(time - i * step) < 1e-3) ? step : 0
}
