/**
 * JPEG Lossless (ITU T.81, process 14 and annex H) of one component, any predictor, point transform and
 * restart interval. Written here because the decoder on npm (jpeg-lossless-decoder-js 2.1.2) loses the last
 * pixel of a frame whose bits end close to its last marker, and rounds predictor 7 the wrong way below zero.
 */

import { CodeReader, readHuffmanTables, type HuffmanTable } from './huffman.js'

interface Frame {
  readonly precision: number
  readonly rows: number
  readonly columns: number
}

interface Scan {
  readonly table: HuffmanTable
  /** 1 to 7, as in T.81, table H.1. */
  readonly predictor: number
  readonly pointTransform: number
  readonly restartInterval: number
  /** Where the entropy-coded bytes start. */
  readonly at: number
}

const SOF3 = 0xc3
const DHT = 0xc4
const SOS = 0xda
const DRI = 0xdd

/** Samples as they are stored, 8 or 16 bits by the precision; null when the codestream is broken or of another kind. */
export function decodeJpegLossless(bytes: Uint8Array): Uint8Array | Uint16Array | null {
  const parsed = parse(bytes)
  return parsed === null ? null : decodeScan(bytes, parsed.frame, parsed.scan)
}

/** The segments before the entropy-coded data (T.81, annex B). */
function parse(bytes: Uint8Array): { frame: Frame; scan: Scan } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tables = new Map<number, HuffmanTable>()
  let frame: Frame | null = null
  let restartInterval = 0
  for (let at = 2; at + 4 <= bytes.byteLength;) {
    if (bytes[at] !== 0xff) return null
    const marker = bytes[at + 1] ?? 0
    if (marker === 0xff) {
      at++
      continue
    }
    const end = at + 2 + view.getUint16(at + 2)
    const segment = bytes.subarray(at + 4, end)
    if (end > bytes.byteLength) return null
    if (marker === DHT && !readHuffmanTables(segment, tables)) return null
    if (marker === DRI && segment.length >= 2) restartInterval = view.getUint16(at + 4)
    if (marker === SOF3 && segment.length >= 9) {
      frame = { precision: segment[0] ?? 0, rows: view.getUint16(at + 5), columns: view.getUint16(at + 7) }
    }
    if (marker === SOS) {
      const [components = 0, , selector = 0, predictor = 0, , approximation = 0] = segment
      const table = tables.get(selector >> 4)
      if (frame === null || table === undefined || components !== 1) return null
      const pointTransform = approximation & 15
      if (frame.precision < 2 || frame.precision > 16 || pointTransform >= frame.precision) return null
      if (predictor < 1 || predictor > 7) return null
      return { frame, scan: { table, predictor, pointTransform, restartInterval, at: end } }
    }
    at = end
  }
  return null
}

function decodeScan(bytes: Uint8Array, frame: Frame, scan: Scan): Uint8Array | Uint16Array | null {
  const { rows, columns, precision } = frame
  const { restartInterval: interval, predictor, pointTransform, table } = scan
  // Intervals are whole lines (T.81, H.1.1).
  if (interval % columns !== 0) return null
  const lines = interval === 0 ? rows : interval / columns
  const samples = new Uint16Array(rows * columns)
  const reader = new CodeReader(bytes, scan.at)
  for (let y = 0; y < rows; y++) {
    const first = y % lines === 0
    if (first && y > 0 && !reader.restart()) return null
    const line = y * columns
    for (let x = 0; x < columns; x++) {
      const at = line + x
      const difference = reader.difference(table)
      if (difference === null) return null
      let prediction: number
      if (first) prediction = x > 0 ? (samples[at - 1] ?? 0) : 1 << (precision - pointTransform - 1)
      else if (x === 0) prediction = samples[at - columns] ?? 0
      else prediction = predict(predictor, samples, at, columns)
      samples[at] = prediction + difference
    }
  }
  if (reader.isPastEnd()) return null
  if (pointTransform > 0)
    for (let i = 0; i < samples.length; i++) samples[i] = (samples[i] ?? 0) << pointTransform
  return precision <= 8 ? Uint8Array.from(samples) : samples
}

/** T.81, table H.1: a to the left, b above, c above to the left. */
function predict(predictor: number, samples: Uint16Array, at: number, columns: number): number {
  const a = samples[at - 1] ?? 0
  const b = samples[at - columns] ?? 0
  const c = samples[at - columns - 1] ?? 0
  switch (predictor) {
    case 1:
      return a
    case 2:
      return b
    case 3:
      return c
    case 4:
      return a + b - c
    case 5:
      return a + ((b - c) >> 1)
    case 6:
      return b + ((a - c) >> 1)
    default:
      return (a + b) >> 1
  }
}
