/** A NIfTI exam: one 4D file, or one 3D file for each phase in the order of their names. */

import { enhancementWarning } from '../enhancement.js'
import { inflated, InflateError, type Unpacking } from '../inflate.js'
import type { ExamLimits } from '../limits.js'
import { ExamRejection } from '../rejection.js'
import type { ByteReader, ExamFile } from '../source.js'
import type { Affine, ExamWarning, Samples, Volume4D } from '../volume.js'
import { HEADER_BYTES, parseNiftiHeader, type NiftiHeader, type SampleCode } from './header.js'

export interface NiftiFile {
  readonly file: ExamFile
  readonly gzipped: boolean
}

export interface NiftiOptions {
  readonly minPhases: number
  readonly requireTimes: boolean
  readonly limits: ExamLimits
  readonly unpacking: Unpacking
  /** Seconds of each phase; NIfTI itself can only say that phases are equidistant. */
  readonly timesS?: readonly number[] | undefined
  readonly signal?: AbortSignal | undefined
  readonly allocate?: ((bytes: number) => Promise<ArrayBuffer>) | undefined
  readonly onUsed?: ((files: readonly ExamFile[]) => Promise<void>) | undefined
}

interface Opened extends NiftiFile {
  readonly header: NiftiHeader
}

const BYTES: Readonly<Record<SampleCode, number>> = {
  uint8: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float32: 4,
  float64: 8,
}

/** @throws ExamRejection INVALID_NIFTI, EXAM_TOO_LARGE, TOO_FEW_PHASES, AMBIGUOUS_TIMES and those of its pixels */
export async function volumeFromNifti(files: readonly NiftiFile[], options: NiftiOptions): Promise<Volume4D> {
  const ordered = [...files].sort((a, b) => a.file.id.localeCompare(b.file.id, 'en', { numeric: true }))
  const opened: Opened[] = []
  for (const file of ordered) opened.push({ ...file, header: await readHeader(file, options.unpacking) })
  const [first] = opened
  if (first === undefined) throw new ExamRejection('NOT_DICOM', 'the exam has no NIfTI file')
  requireAlike(opened, first.header)
  const [x, y, z] = first.header.size
  const t = opened.length > 1 ? opened.length : first.header.size[3]
  if (t < options.minPhases) {
    throw new ExamRejection(
      'TOO_FEW_PHASES',
      `the exam has ${String(t)} phases; at least ${String(options.minPhases)} are needed`,
      {
        phases: t,
        needed: options.minPhases,
      },
    )
  }
  const affine = first.header.affineRas
  if (affine === null)
    throw new ExamRejection(
      'INVALID_NIFTI',
      'neither sform nor qform says where the voxels lie: the place in the patient is unknown',
    )
  const times = phaseTimes(opened, t, options)
  const shape = [t, z, y, x] as const
  await options.onUsed?.(opened.map(({ file }) => file))
  const samples = await samplesFor(opened, shape, options)
  const slopes = new Float64Array(t * z)
  const intercepts = new Float64Array(t * z)
  const perFile = samples.length / opened.length
  for (const [i, file] of opened.entries()) {
    options.signal?.throwIfAborted()
    options.unpacking.allow((perFile * file.header.bitsPerSample) / 8)
    await readSamples(file, samples.subarray(i * perFile, (i + 1) * perFile), options.unpacking)
    const frames = (t * z) / opened.length
    slopes.fill(file.header.slope, i * frames, (i + 1) * frames)
    intercepts.fill(file.header.intercept, i * frames, (i + 1) * frames)
  }
  return {
    format: 'nifti',
    shape,
    samples,
    slopes,
    intercepts,
    affineLps: toLps(affine),
    spacingMm: [first.header.spacingMm[2], first.header.spacingMm[1], first.header.spacingMm[0]],
    timesS: times.timesS,
    phasesFrom: opened.length > 1 ? 'file names' : 'fourth dimension',
    timesFrom: times.from,
    series: [{ number: null, ordinal: 1, phases: t, frames: t * z }],
    frames: { read: t * z, used: t * z, leftOut: [] },
    warnings: [...times.warnings, ...enhancementWarning(shape, samples, slopes, intercepts)],
  }
}

async function readHeader(file: NiftiFile, unpacking: Unpacking): Promise<NiftiHeader> {
  const reader = await file.file.open()
  try {
    const pieces: Uint8Array[] = []
    let total = 0
    for await (const piece of unpacked(reader, file.gzipped, unpacking)) {
      pieces.push(piece)
      total += piece.byteLength
      if (total >= HEADER_BYTES) break
    }
    const header = parseNiftiHeader(Buffer.concat(pieces))
    if (header === null)
      throw new ExamRejection('INVALID_NIFTI', 'a NIfTI header is broken, or is not of a series of volumes')
    if (header.sample === null || header.bitsPerSample !== 8 * BYTES[header.sample]) {
      throw new ExamRejection(
        'UNSUPPORTED_PIXEL_FORMAT',
        'the samples of a NIfTI file are neither integers of 8 to 64 bits nor real numbers',
      )
    }
    return header
  } finally {
    await reader.close()
  }
}

async function* unpacked(
  reader: ByteReader,
  gzipped: boolean,
  unpacking: Unpacking,
): AsyncGenerator<Uint8Array> {
  if (gzipped) {
    try {
      yield* inflated(reader, 0, 'gzip', unpacking)
    } catch (error) {
      if (error instanceof InflateError)
        throw new ExamRejection('CORRUPT_PIXEL_DATA', 'a gzipped NIfTI file does not unpack')
      throw error
    }
    return
  }
  const chunk = 1024 * 1024
  for (let at = 0; at < reader.size; at += chunk) yield await reader.read(at, chunk)
}

function requireAlike(files: readonly Opened[], first: NiftiHeader): void {
  if (files.length === 1) return
  for (const { header } of files) {
    if (header.size[3] !== 1) {
      throw new ExamRejection(
        'AMBIGUOUS_SERIES',
        'the exam has several NIfTI files and one of them has several phases itself',
        { files: files.length },
      )
    }
    if (header.size.join() !== first.size.join()) {
      throw new ExamRejection(
        'INCONSISTENT_MATRIX',
        'the NIfTI files of the phases differ in their dimensions',
        { files: files.length },
      )
    }
    const offset = (header.affineRas ?? [])
      .flat()
      .some((value, i) => Math.abs(value - ((first.affineRas ?? []).flat()[i] ?? NaN)) > 1e-3)
    if (offset || (header.affineRas === null) !== (first.affineRas === null)) {
      throw new ExamRejection(
        'INCONSISTENT_GEOMETRY',
        'the NIfTI files of the phases lie at different places in the patient',
        { files: files.length },
      )
    }
  }
}

function phaseTimes(
  files: readonly Opened[],
  phases: number,
  options: NiftiOptions,
): { timesS: number[] | null; from: string | null; warnings: ExamWarning[] } {
  const warnings: ExamWarning[] = []
  if (files.length > 1) {
    warnings.push({
      code: 'ORDER_FROM_FILE_NAMES',
      message: 'phases are ordered by the names of their files',
    })
  }
  const given = options.timesS
  if (given !== undefined) {
    const [start = 0] = given
    if (given.length !== phases || given.some((time, i) => i > 0 && time <= (given[i - 1] ?? 0))) {
      throw new ExamRejection(
        'AMBIGUOUS_TIMES',
        `${String(given.length)} times were given for ${String(phases)} phases, or they do not ascend`,
      )
    }
    return { timesS: given.map((time) => time - start), from: 'caller', warnings }
  }
  const step = files.length === 1 ? (files[0]?.header.timeStepS ?? 0) : 0
  if (step > 0) {
    const message = `NIfTI has one interval for all phases: ${String(step)} s`
    warnings.push({ code: 'EQUIDISTANT_TIMES_ASSUMED', message })
    return { timesS: Array.from({ length: phases }, (_, i) => i * step), from: 'pixdim', warnings }
  }
  if (options.requireTimes) {
    throw new ExamRejection('AMBIGUOUS_TIMES', `the NIfTI exam has ${String(phases)} phases and no times`, {
      phases,
    })
  }
  warnings.push({
    code: 'TIMES_UNKNOWN',
    message: 'the order of the phases is known and their times are not',
  })
  return { timesS: null, from: null, warnings }
}

async function samplesFor(
  files: readonly Opened[],
  shape: readonly number[],
  { limits, allocate }: NiftiOptions,
): Promise<Samples> {
  const count = shape.reduce((product, n) => product * n, 1)
  const samples = new Set(files.map(({ header }) => header.sample))
  const whole = (...codes: SampleCode[]): boolean =>
    [...samples].every((sample) => sample !== null && codes.includes(sample))
  const SampleArray = whole('int8', 'uint8', 'int16')
    ? Int16Array
    : whole('uint8', 'uint16')
      ? Uint16Array
      : Float32Array
  const bytes = count * SampleArray.BYTES_PER_ELEMENT
  if (bytes > limits.maxPixelBytes) {
    throw new ExamRejection(
      'EXAM_TOO_LARGE',
      `the volume has ${shape.join(' x ')} samples, more than the ${String(limits.maxPixelBytes)} bytes allowed`,
      {
        shape,
        maxPixelBytes: limits.maxPixelBytes,
      },
    )
  }
  // A short file must not make the machine reserve what it only claims.
  for (const { file, gzipped, header } of files) {
    const claimed =
      (header.offset + (count / files.length) * (header.bitsPerSample / 8)) / (gzipped ? MAX_GZIP_RATIO : 1)
    if (file.size < claimed) throw truncated()
  }
  return new SampleArray((await allocate?.(bytes)) ?? new ArrayBuffer(bytes))
}

/** Deflate cannot pack better than this (zlib's own bound is 1032). */
const MAX_GZIP_RATIO = 1040

async function readSamples(
  { file, gzipped, header }: Opened,
  into: Samples,
  unpacking: Unpacking,
): Promise<void> {
  const code = header.sample ?? 'int16'
  const width = BYTES[code]
  const reader = await file.open()
  let skip = header.offset
  let done = 0
  let rest: Uint8Array = new Uint8Array()
  try {
    for await (const piece of unpacked(reader, gzipped, unpacking)) {
      const fresh = piece.subarray(Math.min(skip, piece.byteLength))
      skip -= piece.byteLength - fresh.byteLength
      const bytes = rest.byteLength === 0 ? fresh : Buffer.concat([rest, fresh])
      const whole = Math.min(Math.floor(bytes.byteLength / width), into.length - done)
      convert(bytes, code, header.littleEndian, into.subarray(done, done + whole))
      done += whole
      rest = bytes.subarray(whole * width)
      if (done === into.length) return
    }
  } finally {
    await reader.close()
  }
  throw truncated()
}

function convert(bytes: Uint8Array, code: SampleCode, le: boolean, into: Samples): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const n = into.length
  if (code === 'int16') for (let i = 0; i < n; i++) into[i] = view.getInt16(2 * i, le)
  else if (code === 'uint16') for (let i = 0; i < n; i++) into[i] = view.getUint16(2 * i, le)
  else if (code === 'float32') for (let i = 0; i < n; i++) into[i] = view.getFloat32(4 * i, le)
  else if (code === 'float64') for (let i = 0; i < n; i++) into[i] = view.getFloat64(8 * i, le)
  else if (code === 'int32') for (let i = 0; i < n; i++) into[i] = view.getInt32(4 * i, le)
  else if (code === 'uint32') for (let i = 0; i < n; i++) into[i] = view.getUint32(4 * i, le)
  else if (code === 'int64') for (let i = 0; i < n; i++) into[i] = Number(view.getBigInt64(8 * i, le))
  else if (code === 'uint64') for (let i = 0; i < n; i++) into[i] = Number(view.getBigUint64(8 * i, le))
  else if (code === 'int8') for (let i = 0; i < n; i++) into[i] = view.getInt8(i)
  else for (let i = 0; i < n; i++) into[i] = view.getUint8(i)
}

/** RAS and LPS differ in the sign of the first two axes. */
export function toLps(ras: Affine): Affine {
  return ras.map((row, r) => (r < 2 ? row.map((value) => (value === 0 ? 0 : -value)) : row))
}

function truncated(): ExamRejection {
  return new ExamRejection('TRUNCATED_PIXEL_DATA', 'a NIfTI file holds fewer samples than its header says')
}
