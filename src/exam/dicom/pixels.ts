/** Pixel data of chosen frames into the volume: each file opened once, each frame read once. */

import { InflateError, type Unpacking } from '../inflate.js'
import { ExamRejection } from '../rejection.js'
import type { ByteReader } from '../source.js'
import type { Samples } from '../volume.js'
import { decode } from './codecs/index.js'
import { UNDEFINED_LENGTH } from './dataset.js'
import { frameFragments, type Fragment } from './encapsulated.js'
import type { PixelFormat, SourceFile } from './frames.js'
import { pixelReader } from './part10.js'

/** A frame's place: number in its file, and number in the volume (phase * Z + slice). */
export interface Placement {
  readonly source: SourceFile
  readonly indexInFile: number
  readonly frame: number
}

/** @throws ExamRejection UNSUPPORTED_PIXEL_FORMAT */
export function requireReadable({ format, header, modalityTable }: SourceFile): void {
  if (modalityTable) {
    throw new ExamRejection(
      'UNSUPPORTED_PIXEL_FORMAT',
      'a modality table in place of rescale slope and intercept is not read',
    )
  }
  const { bitsAllocated, bitsStored, highBit, float } = format
  const allocated = float ? bitsAllocated === 32 || bitsAllocated === 64 : [8, 16, 32].includes(bitsAllocated)
  const stored =
    float ||
    (bitsStored >= 1 && bitsStored <= bitsAllocated && highBit < bitsAllocated && highBit >= bitsStored - 1)
  const compressed = header.syntax.compression !== 'none'
  if (!allocated || !stored || (compressed && (float || bitsAllocated === 32))) {
    throw new ExamRejection(
      'UNSUPPORTED_PIXEL_FORMAT',
      `samples of ${String(bitsStored)} bits in ${String(bitsAllocated)} are not read${compressed ? ' from compressed pixel data' : ''}`,
      { bitsAllocated, bitsStored },
    )
  }
}

/** Whether the file, by its header and size, is shorter than its pixel data; known without reading them. */
export function isTruncated({ file, header, format, rows, columns, frames }: SourceFile): boolean {
  const { pixels, syntax } = header
  if (pixels === null || syntax.compression !== 'none') return false
  const expected = (rows * columns * frames * format.bitsAllocated) / 8
  if (pixels.length !== UNDEFINED_LENGTH && pixels.length < expected) return true
  return !syntax.deflated && pixels.at + expected > file.size
}

/** The narrowest sample type that holds every format as it is stored. */
export function sampleArray(
  formats: readonly PixelFormat[],
): Float32ArrayConstructor | Uint16ArrayConstructor | Int16ArrayConstructor {
  if (formats.some((format) => format.float || format.bitsStored > 16)) return Float32Array
  if (formats.every((format) => !format.signed)) return Uint16Array
  if (formats.every((format) => format.signed || format.bitsStored < 16)) return Int16Array
  return Float32Array
}

/**
 * Reads and decodes every placed frame.
 * @param into T * Z * Y * X samples
 * @throws ExamRejection TRUNCATED_PIXEL_DATA, CORRUPT_PIXEL_DATA
 */
export async function readPixels(
  placements: readonly Placement[],
  into: Samples,
  unpacking: Unpacking,
  signal?: AbortSignal,
): Promise<void> {
  const byFile = new Map<SourceFile, Placement[]>()
  for (const placement of placements) {
    const known = byFile.get(placement.source)
    if (known === undefined) byFile.set(placement.source, [placement])
    else known.push(placement)
  }
  // Deflated files are unpacked again for their pixels, frames that are left out with them.
  unpacking.allowAgain()
  unpacking.allow(8 * into.byteLength)
  for (const [source, frames] of byFile) {
    signal?.throwIfAborted()
    const reader = await source.file.open()
    const body = pixelReader(reader, source.header, unpacking)
    try {
      await readFile(source, frames, body, into, signal)
    } catch (error) {
      if (!(error instanceof InflateError)) throw error
      throw new ExamRejection('CORRUPT_PIXEL_DATA', 'a deflated file of the dynamic series does not unpack')
    } finally {
      if (body !== reader) await body.close()
      await reader.close()
    }
  }
}

async function readFile(
  source: SourceFile,
  placements: readonly Placement[],
  reader: ByteReader,
  into: Samples,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { header, format, rows, columns } = source
  const pixels = rows * columns
  const size = (pixels * format.bitsAllocated) / 8
  const at = header.pixels?.at ?? 0
  const { compression } = header.syntax
  const fragments = compression === 'none' ? null : await frameFragments(reader, at, source.frames)
  for (const { indexInFile, frame } of [...placements].sort((a, b) => a.indexInFile - b.indexInFile)) {
    signal?.throwIfAborted()
    const target = into.subarray(frame * pixels, (frame + 1) * pixels)
    if (fragments === null && reader.readInto !== undefined && liesAsStored(source, target)) {
      const into = new Uint8Array(target.buffer, target.byteOffset, target.byteLength)
      if ((await reader.readInto(at + indexInFile * size, into)) < size) throw truncated()
    } else if (fragments === null) {
      const bytes = await reader.read(at + indexInFile * size, size)
      if (bytes.byteLength < size) throw truncated()
      unpack(bytes, format.bitsAllocated, source, target)
    } else {
      const bytes = await gather(reader, fragments[indexInFile] ?? [])
      const decoded = await decode(compression, bytes, rows, columns, format.bitsAllocated / 8)
      if (decoded === null) {
        throw new ExamRejection(
          'CORRUPT_PIXEL_DATA',
          `a frame of the dynamic series does not decode as ${header.syntax.name}`,
        )
      }
      unpack(decoded.bytes, decoded.bytesPerSample * 8, source, target)
    }
  }
}

async function gather(reader: ByteReader, fragments: readonly Fragment[]): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (const { at, length } of fragments) {
    const piece = await reader.read(at, length)
    if (piece.byteLength < length) throw truncated()
    pieces.push(piece)
  }
  return pieces.length === 1 ? (pieces[0] ?? new Uint8Array()) : Buffer.concat(pieces)
}

/** Whether the file's bytes are those of the samples: all 16 bits count, and the target's type gives their sign. */
function liesAsStored({ format, header }: SourceFile, target: Samples): boolean {
  const { bitsAllocated, bitsStored, float } = format
  const words = !float && bitsAllocated === 16 && bitsStored === 16 && !(target instanceof Float32Array)
  return words && header.syntax.encoding.littleEndian && LITTLE_ENDIAN_HOST
}

const LITTLE_ENDIAN_HOST = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Samples of `width` bits as they are stored, cut to their stored bits and given their sign. */
function unpack(bytes: Uint8Array, width: number, { format, header }: SourceFile, target: Samples): void {
  const littleEndian = header.syntax.encoding.littleEndian || header.syntax.compression !== 'none'
  if (format.float) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let i = 0; i < target.length; i++) {
      target[i] = width === 64 ? view.getFloat64(8 * i, littleEndian) : view.getFloat32(4 * i, littleEndian)
    }
    return
  }
  const raw = rawIntegers(bytes, width, littleEndian, header.pixels?.vr === 'OW')
  const drop = 32 - (format.highBit + 1)
  const keep = 32 - format.bitsStored
  if (width === 16 && format.bitsStored === 16 && !(target instanceof Float32Array)) {
    // All 16 bits count, and the type of the target gives their sign: a copy of memory.
    target.set(target instanceof Int16Array ? new Int16Array(raw.buffer, raw.byteOffset, raw.length) : raw)
  } else if (format.signed) {
    for (let i = 0; i < target.length; i++) target[i] = ((raw[i] as number) << drop) >> keep
  } else {
    for (let i = 0; i < target.length; i++) target[i] = ((raw[i] as number) << drop) >>> keep
  }
}

function rawIntegers(
  bytes: Uint8Array,
  width: number,
  littleEndian: boolean,
  words: boolean,
): Uint8Array | Uint16Array | Uint32Array {
  // Eight-bit samples in big-endian words lie in swapped pairs (PS3.5, annex D).
  if (width === 8) return littleEndian || !words ? bytes : Uint8Array.from(bytes, (_, i) => bytes[i ^ 1] ?? 0)
  const count = Math.floor((bytes.byteLength * 8) / width)
  const aligned = bytes.byteOffset % (width / 8) === 0 ? bytes : bytes.slice()
  if (width === 16) {
    const samples = new Uint16Array(aligned.buffer, aligned.byteOffset, count)
    return littleEndian ? samples : Uint16Array.from(samples, (v) => ((v & 0xff) << 8) | (v >>> 8))
  }
  const view = new DataView(aligned.buffer, aligned.byteOffset, aligned.byteLength)
  return Uint32Array.from({ length: count }, (_, i) => view.getUint32(4 * i, littleEndian))
}

function truncated(): ExamRejection {
  return new ExamRejection(
    'TRUNCATED_PIXEL_DATA',
    'a file of the dynamic series holds less pixel data than its header says',
  )
}
