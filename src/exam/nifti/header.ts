/**
 * NIfTI-1 and NIfTI-2 headers, of either byte order. Read here, from the first bytes alone, because a gzipped
 * exam is unpacked as a stream, and because a scanner's sform must win over its qform, as all viewers have it.
 */

import type { Affine } from '../volume.js'

export type SampleCode =
  'uint8' | 'int8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'float32' | 'float64'

export interface NiftiHeader {
  readonly littleEndian: boolean
  /** [X, Y, Z, T]. */
  readonly size: readonly [number, number, number, number]
  readonly sample: SampleCode | null
  readonly bitsPerSample: number
  /** Where the samples start. */
  readonly offset: number
  readonly slope: number
  readonly intercept: number
  /** From voxel to millimetres, RAS; null when the file has neither sform nor qform. */
  readonly affineRas: Affine | null
  readonly spacingMm: readonly [number, number, number]
  /** Seconds between volumes, 0 when unknown. */
  readonly timeStepS: number
}

export const HEADER_BYTES = 544

const SAMPLES: Readonly<Record<number, SampleCode>> = {
  2: 'uint8',
  4: 'int16',
  8: 'int32',
  16: 'float32',
  64: 'float64',
  256: 'int8',
  512: 'uint16',
  768: 'uint32',
  1024: 'int64',
  1280: 'uint64',
}
const MM_PER_UNIT: Readonly<Record<number, number>> = { 1: 1000, 2: 1, 3: 0.001 }
const SECONDS_PER_UNIT: Readonly<Record<number, number>> = { 8: 1, 16: 1e-3, 24: 1e-6 }

/** Where the two versions keep the same things. */
interface Layout {
  dim(view: DataView, i: number, le: boolean): number
  pixdim(view: DataView, i: number, le: boolean): number
  real(view: DataView, at: number, le: boolean): number
  readonly datatype: number
  readonly bitpix: number
  offset(view: DataView, le: boolean): number
  readonly slope: number
  readonly intercept: number
  units(view: DataView, le: boolean): number
  codes(view: DataView, le: boolean): readonly [number, number]
  readonly quaternion: number
  readonly sform: number
  readonly realBytes: number
}

const VERSION_1: Layout = {
  dim: (view, i, le) => view.getInt16(40 + 2 * i, le),
  pixdim: (view, i, le) => view.getFloat32(76 + 4 * i, le),
  real: (view, at, le) => view.getFloat32(at, le),
  datatype: 70,
  bitpix: 72,
  offset: (view, le) => view.getFloat32(108, le),
  slope: 112,
  intercept: 116,
  units: (view) => view.getUint8(123),
  codes: (view, le) => [view.getInt16(252, le), view.getInt16(254, le)],
  quaternion: 256,
  sform: 280,
  realBytes: 4,
}

const VERSION_2: Layout = {
  dim: (view, i, le) => Number(view.getBigInt64(16 + 8 * i, le)),
  pixdim: (view, i, le) => view.getFloat64(104 + 8 * i, le),
  real: (view, at, le) => view.getFloat64(at, le),
  datatype: 12,
  bitpix: 14,
  offset: (view, le) => Number(view.getBigInt64(168, le)),
  slope: 176,
  intercept: 184,
  units: (view, le) => view.getInt32(500, le),
  codes: (view, le) => [view.getInt32(344, le), view.getInt32(348, le)],
  quaternion: 352,
  sform: 400,
  realBytes: 8,
}

/** Whether the bytes start like a single-file NIfTI. */
export function isNifti(bytes: Uint8Array): boolean {
  return detect(bytes) !== null
}

function detect(bytes: Uint8Array): { layout: Layout; littleEndian: boolean } | null {
  if (bytes.byteLength < 352) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (const littleEndian of [true, false]) {
    const size = view.getInt32(0, littleEndian)
    if (size === 348 && text(bytes, 344) === 'n+1') return { layout: VERSION_1, littleEndian }
    if (size === 540 && text(bytes, 4) === 'n+2' && bytes.byteLength >= HEADER_BYTES - 4)
      return { layout: VERSION_2, littleEndian }
  }
  return null
}

function text(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 3))
}

/** @returns null when the header contradicts itself or describes something that is not a series of volumes */
export function parseNiftiHeader(bytes: Uint8Array): NiftiHeader | null {
  const found = detect(bytes)
  if (found === null) return null
  const { layout, littleEndian: le } = found
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const dims = Array.from({ length: 8 }, (_, i) => layout.dim(view, i, le))
  const [rank = 0, x = 0, y = 0, z = 0] = dims
  const t = rank >= 4 ? (dims[4] ?? 1) : 1
  const beyond = dims.slice(5, rank + 1).some((dim) => dim > 1)
  const sizes = [x, y, z, t]
  if (rank < 3 || rank > 7 || beyond || !sizes.every((n) => Number.isSafeInteger(n) && n > 0 && n < 2 ** 31))
    return null
  const units = layout.units(view, le)
  const mm = MM_PER_UNIT[units & 7] ?? 1
  const spacing = [1, 2, 3].map((i) => Math.abs(layout.pixdim(view, i, le)) * mm) as [number, number, number]
  const slope = layout.real(view, layout.slope, le)
  const intercept = layout.real(view, layout.intercept, le)
  const offset = Math.trunc(layout.offset(view, le))
  if (!(offset >= 348) || !spacing.every(Number.isFinite)) return null
  const scaled = Number.isFinite(slope) && slope !== 0
  const affine = affineOf(view, layout, le, mm)
  const step = layout.pixdim(view, 4, le) * (SECONDS_PER_UNIT[units & 56] ?? 0)
  return {
    littleEndian: le,
    size: [x, y, z, t],
    sample: SAMPLES[view.getInt16(layout.datatype, le)] ?? null,
    bitsPerSample: view.getInt16(layout.bitpix, le),
    offset,
    slope: scaled ? slope : 1,
    intercept: scaled && Number.isFinite(intercept) ? intercept : 0,
    affineRas: affine !== null && isPlace(affine) ? affine : null,
    spacingMm: affine === null ? spacing : columnLengths(affine),
    timeStepS: Number.isFinite(step) && step > 0 ? step : 0,
  }
}

/** Finite, and with a volume: voxels that all lie in one plane are nowhere. */
function isPlace(affine: Affine): boolean {
  const [
    [a = NaN, b = NaN, c = NaN] = [],
    [d = NaN, e = NaN, f = NaN] = [],
    [g = NaN, h = NaN, i = NaN] = [],
  ] = affine
  const volume = Math.abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
  const [x, y, z] = columnLengths(affine)
  return affine.flat().every(Number.isFinite) && volume > 1e-6 * x * y * z
}

function columnLengths(affine: Affine): [number, number, number] {
  const column = (c: number): number => Math.hypot(...affine.slice(0, 3).map((row) => row[c] ?? 0))
  return [column(0), column(1), column(2)]
}

function affineOf(view: DataView, layout: Layout, le: boolean, mm: number): Affine | null {
  const [qform, sform] = layout.codes(view, le)
  const real = (at: number, i: number): number => layout.real(view, at + layout.realBytes * i, le)
  if (sform > 0) {
    const row = (r: number): number[] => [0, 1, 2, 3].map((c) => real(layout.sform, 4 * r + c) * mm)
    return [row(0), row(1), row(2), [0, 0, 0, 1]]
  }
  if (qform <= 0) return null
  const [b, c, d, x, y, z] = [0, 1, 2, 3, 4, 5].map((i) => real(layout.quaternion, i)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const spacing = [1, 2, 3].map((i) => layout.pixdim(view, i, le) * mm)
  const handed = layout.pixdim(view, 0, le) < 0 ? -1 : 1
  const rotation = quaternionRotation(b, c, d)
  const row = (r: number, origin: number): number[] => [
    (rotation[r]?.[0] ?? 0) * (spacing[0] ?? 1),
    (rotation[r]?.[1] ?? 0) * (spacing[1] ?? 1),
    (rotation[r]?.[2] ?? 0) * (spacing[2] ?? 1) * handed,
    origin * mm,
  ]
  return [row(0, x), row(1, y), row(2, z), [0, 0, 0, 1]]
}

function quaternionRotation(b: number, c: number, d: number): number[][] {
  const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d))
  return [
    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
  ]
}
