/** Exams whose every voxel, time and position is known from a formula, as scanners of several vendors lay them out. */

import { SYNTAX, writeDicom, type Dataset, type Element, type FileOptions } from './dicom-writer.js'

type Vector = readonly [number, number, number]

export interface Geometry {
  readonly row: Vector
  readonly column: Vector
  readonly origin: Vector
  /** Between rows, between columns, between slices. */
  readonly spacing: readonly [number, number, number]
}

export const AXIAL: Geometry = {
  row: [1, 0, 0],
  column: [0, 1, 0],
  origin: [-10, -20, -30],
  spacing: [0.9, 1.1, 2],
}
export const SAGITTAL: Geometry = {
  row: [0, 1, 0],
  column: [0, 0, -1],
  origin: [-40, -50, 60],
  spacing: [0.8, 0.7, 2.5],
}
/** Turned about two axes, so that no direction cosine is 0 or 1. */
export const OBLIQUE: Geometry = {
  row: [Math.cos(0.3), Math.sin(0.3), 0],
  column: [-Math.sin(0.3) * Math.cos(0.2), Math.cos(0.3) * Math.cos(0.2), Math.sin(0.2)],
  origin: [5, -6, 7],
  spacing: [1.2, 1.3, 3],
}

export function normal({ row: a, column: b }: Geometry): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

export function positionOf(geometry: Geometry, slice: number): Vector {
  const n = normal(geometry)
  const step = slice * geometry.spacing[2]
  return [0, 1, 2].map((i) => (geometry.origin[i] ?? 0) + step * (n[i] ?? 0)) as unknown as Vector
}

/** What the affine must be, from PS3.3, equation C.7.6.2.1-1, with the slice step as third column. */
export function affineOf(geometry: Geometry): number[][] {
  const n = normal(geometry)
  const [rows, columns, slices] = geometry.spacing
  return [
    ...[0, 1, 2].map((i) => [
      (geometry.row[i] ?? 0) * columns,
      (geometry.column[i] ?? 0) * rows,
      (n[i] ?? 0) * slices,
      geometry.origin[i] ?? 0,
    ]),
    [0, 0, 0, 1],
  ]
}

export const ROWS = 6
export const COLUMNS = 5

/** Stored sample; negative values and a lesion that enhances. */
export function sample(phase: number, slice: number, y: number, x: number): number {
  const lesion = y > 1 && y < 5 && x > 1 && x < 4 ? 150 * phase : 0
  return 100 * slice + 10 * y + x - 40 + lesion
}

export function framePixels(
  phase: number,
  slice: number,
  big = false,
  rows = ROWS,
  columns = COLUMNS,
): Uint8Array {
  const bytes = new Uint8Array(rows * columns * 2)
  const view = new DataView(bytes.buffer)
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) view.setInt16(2 * (y * columns + x), sample(phase, slice, y, x), !big)
  }
  return bytes
}

export function ds(values: readonly number[]): string {
  return values.map((value) => String(Number(value.toFixed(9)))).join('\\')
}

/** HHMMSS.FFFFFF on a clock of 24 hours. */
export function tm(seconds: number): string {
  const day = ((seconds % 86_400) + 86_400) % 86_400
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  return `${two(day / 3600)}${two((day % 3600) / 60)}${(day % 60).toFixed(6).padStart(9, '0')}`
}

export function da(seconds: number): string {
  return new Date(Date.UTC(2026, 0, 2) + Math.floor(seconds / 86_400) * 86_400_000)
    .toISOString()
    .slice(0, 10)
    .replaceAll('-', '')
}

export interface FrameSpec {
  readonly phase: number
  readonly slice: number
  readonly series?: number
  readonly geometry?: Geometry
  readonly patient?: string
  readonly imageType?: string
  readonly echoTime?: string
  /** Added to the data set, or laid over what is there. */
  readonly extra?: Dataset
  readonly drop?: readonly number[]
  readonly file?: FileOptions
}

/** What never may be seen outside of the files. */
export const CANARY = 'CANARY^EXAM'

export function baseDataset(spec: FrameSpec): Element[] {
  const geometry = spec.geometry ?? AXIAL
  const series = spec.series ?? 5
  const elements: Element[] = [
    [0x00080008, 'CS', spec.imageType ?? 'ORIGINAL\\PRIMARY\\M\\ND'],
    [0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.4'],
    [0x00080018, 'UI', `1.2.3.${series}.${spec.phase + 1}.${spec.slice + 1}`],
    [0x00080060, 'CS', 'MR'],
    [0x0008103e, 'LO', CANARY],
    [0x00100010, 'PN', CANARY],
    [0x00100020, 'LO', spec.patient ?? 'CANARY1'],
    [0x00100030, 'DA', '19750101'],
    [0x00180080, 'DS', '5.2'],
    [0x00180081, 'DS', spec.echoTime ?? '2.4'],
    [0x00181314, 'DS', '10'],
    [0x0020000d, 'UI', '1.2.3'],
    [0x0020000e, 'UI', `1.2.3.${series}`],
    [0x00200011, 'IS', String(series)],
    [0x00200032, 'DS', ds(positionOf(geometry, spec.slice))],
    [0x00200037, 'DS', ds([...geometry.row, ...geometry.column])],
    [0x00200052, 'UI', '1.2.3.4'],
    [0x00280002, 'US', [1]],
    [0x00280004, 'CS', 'MONOCHROME2'],
    [0x00280010, 'US', [ROWS]],
    [0x00280011, 'US', [COLUMNS]],
    [0x00280030, 'DS', ds([geometry.spacing[0], geometry.spacing[1]])],
    [0x00280100, 'US', [16]],
    [0x00280101, 'US', [16]],
    [0x00280102, 'US', [15]],
    [0x00280103, 'US', [1]],
  ]
  const extra = spec.extra ?? []
  const replaced = new Set([...extra.map(([tag]) => tag), ...(spec.drop ?? [])])
  return [...elements.filter(([tag]) => !replaced.has(tag)), ...extra]
}

export function frameFile(spec: FrameSpec): Uint8Array {
  const big = spec.file?.syntax === SYNTAX.bigEndian
  const dataset = baseDataset(spec)
  const pixels: Element = [0x7fe00010, 'OW', framePixels(spec.phase, spec.slice, big)]
  const own = dataset.some(([tag]) => tag >>> 16 === 0x7fe0) || spec.drop?.includes(0x7fe00010) === true
  return writeDicom(own ? dataset : [...dataset, pixels], spec.file ?? {})
}

export interface ExamSpec {
  readonly phases?: number
  readonly slices?: number
  /** Everything about one frame that is not the default; null leaves the frame away. */
  readonly frame: (phase: number, slice: number) => Partial<FrameSpec> | null
}

/** Files of an exam in an order, and with names, that say nothing. */
export function exam({ phases = 3, slices = 4, frame }: ExamSpec): { id: string; bytes: Uint8Array }[] {
  const files: { id: string; bytes: Uint8Array }[] = []
  for (let phase = 0; phase < phases; phase++) {
    for (let slice = 0; slice < slices; slice++) {
      const spec = frame(phase, slice)
      if (spec !== null) files.push({ id: '', bytes: frameFile({ phase, slice, ...spec }) })
    }
  }
  return scramble(files)
}

/** A fixed permutation. */
export function scramble(files: readonly { bytes: Uint8Array }[]): { id: string; bytes: Uint8Array }[] {
  return files
    .map(({ bytes }, i) => ({ bytes, key: (i * 7919 + 13) % 1009 }))
    .sort((a, b) => a.key - b.key)
    .map(({ bytes }, i) => ({ id: `IM${String(i).padStart(5, '0')}`, bytes }))
}

export const AT = 36_000
export const TIMES = [0, 88.7, 155.25, 230, 300.5, 371]

/** AcquisitionDate and AcquisitionTime, the plainest way to tell phases. */
export function acquired(phase: number, at = AT): Dataset {
  const seconds = at + (TIMES[phase] ?? 0)
  return [
    [0x00080022, 'DA', da(seconds)],
    [0x00080032, 'TM', tm(seconds)],
  ]
}
