/** The place of a DICOM Segmentation's marked pixels (PS3.3, A.51): binary and fractional, not compressed. */

import type { DataSet, Element } from 'dicom-parser'
import { SentinodeError } from '../../errors.js'
import { parseDicom } from '../dicom.js'
import type { Point } from '../types.js'

const SEGMENTATION_STORAGE = '1.2.840.10008.5.1.4.1.1.66.4'
const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2'
const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1'
const MAX_FRAMES = 100_000

const invalid = (expected: string, found: string) =>
  new SentinodeError('REGION_INVALID', `mask: expected ${expected}, found ${found}`)

export const isDicom = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', 128, 132) === 'DICM'

interface Plane {
  readonly origin: Point
  /** Millimetres from one column to the next, from one row to the next, and through the slice. */
  readonly column: Point
  readonly row: Point
  readonly through: Point
}

/**
 * Corners, in patient space, of the marked pixels of every frame.
 *
 * @param segment its number; null where the object has one only
 * @throws SentinodeError REGION_INVALID
 */
export function readSegmentation(bytes: Uint8Array, segment: number | null): Point[] {
  const dataset = parseDicom(bytes)
  if (dataset === null) throw invalid('a DICOM Segmentation', 'a file that is broken')
  if (dataset.string('x00080016') !== SEGMENTATION_STORAGE)
    throw invalid('a DICOM Segmentation', 'another kind of object')
  const syntax = dataset.string('x00020010') ?? IMPLICIT_LITTLE_ENDIAN
  if (syntax !== IMPLICIT_LITTLE_ENDIAN && syntax !== EXPLICIT_LITTLE_ENDIAN) {
    throw invalid('an uncompressed little endian object', 'another transfer syntax')
  }
  const frames = Number(dataset.string('x00280008') ?? '1')
  const rows = dataset.uint16('x00280010') ?? 0
  const columns = dataset.uint16('x00280011') ?? 0
  const groups = items(dataset, 'x52009230')
  if (!(frames >= 1 && frames <= MAX_FRAMES) || groups.length !== frames || rows === 0 || columns === 0) {
    throw invalid('as many functional groups as frames, and their size', 'others')
  }
  const [shared] = items(dataset, 'x52009229')
  const marked = pixelReader(dataset, frames * rows * columns)
  const segments = new Set<number>()
  const points: Point[] = []
  groups.forEach((group, frame) => {
    const number = find(group, shared, 'x0062000a')?.uint16('x0062000b') ?? 0
    if (segment !== null && number !== segment) return
    const corners = markedBox(rows, columns, (pixel) => marked(frame * rows * columns + pixel))
    if (corners === null) return
    segments.add(number)
    points.push(...placed(planeOf(group, shared), corners))
  })
  if (segments.size > 1)
    throw invalid('one segment, or the number of the one that is meant', 'several segments')
  return points
}

const items = (dataset: DataSet, tag: string): DataSet[] =>
  (dataset.elements[tag]?.items ?? []).flatMap((item) => (item.dataSet === undefined ? [] : [item.dataSet]))

/** The first item of a functional group, the frame's own before the shared one. */
const find = (own: DataSet, shared: DataSet | undefined, tag: string): DataSet | undefined =>
  items(own, tag)[0] ?? (shared === undefined ? undefined : items(shared, tag)[0])

function numbers(dataset: DataSet | undefined, tag: string, count: number, what: string): number[] {
  const values = (dataset?.string(tag) ?? '').split('\\').map(Number)
  if (values.length !== count || !values.every(Number.isFinite)) throw invalid(what, 'none for a frame')
  return values
}

function planeOf(own: DataSet, shared: DataSet | undefined): Plane {
  const [px = 0, py = 0, pz = 0] = numbers(find(own, shared, 'x00209113'), 'x00200032', 3, 'a position')
  const [xx = 0, xy = 0, xz = 0, yx = 0, yy = 0, yz = 0] = numbers(
    find(own, shared, 'x00209116'),
    'x00200037',
    6,
    'an orientation',
  )
  const measures = find(own, shared, 'x00289110')
  const [between = 0, across = 0] = numbers(measures, 'x00280030', 2, 'a pixel spacing')
  const thickness = Number(measures?.string('x00180050') ?? measures?.string('x00180088') ?? '0') || 0
  const normal: Point = [xy * yz - xz * yy, xz * yx - xx * yz, xx * yy - xy * yx]
  const scaled = ([x, y, z]: Point, by: number): Point => [x * by, y * by, z * by]
  return {
    origin: [px, py, pz],
    column: scaled([xx, xy, xz], across),
    row: scaled([yx, yy, yz], between),
    through: scaled(normal, thickness),
  }
}

/** Bits are packed over all frames, the lowest first; bytes hold a share of MaximumFractionalValue. */
function pixelReader(dataset: DataSet, pixels: number): (pixel: number) => boolean {
  const element: Element | undefined = dataset.elements['x7fe00010']
  const bits = dataset.uint16('x00280100')
  const needed = bits === 1 ? Math.ceil(pixels / 8) : pixels
  if (element === undefined || (bits !== 1 && bits !== 8)) throw invalid('pixels of 1 or 8 bits', 'others')
  if (element.length < needed) throw invalid(`${needed} bytes of pixels`, `${element.length}`)
  const at = element.dataOffset
  const { byteArray } = dataset
  if (bits === 1) return (pixel) => (((byteArray[at + (pixel >> 3)] ?? 0) >> (pixel & 7)) & 1) === 1
  const half = (dataset.uint16('x0062000e') ?? 255) / 2
  return (pixel) => (byteArray[at + pixel] ?? 0) >= half
}

interface PixelBox {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

function markedBox(rows: number, columns: number, marked: (pixel: number) => boolean): PixelBox | null {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity]
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (!marked(row * columns + column)) continue
      left = Math.min(left, column)
      right = Math.max(right, column)
      top = Math.min(top, row)
      bottom = row
    }
  }
  return right < left ? null : { left: left - 0.5, right: right + 0.5, top: top - 0.5, bottom: bottom + 0.5 }
}

function placed(plane: Plane, box: PixelBox): Point[] {
  return [-0.5, 0.5].flatMap((slice) =>
    [box.top, box.bottom].flatMap((row) =>
      [box.left, box.right].map((column): Point => {
        const along = (axis: 0 | 1 | 2) =>
          plane.origin[axis] +
          column * plane.column[axis] +
          row * plane.row[axis] +
          slice * plane.through[axis]
        return [along(0), along(1), along(2)]
      }),
    ),
  )
}
