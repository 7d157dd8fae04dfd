/**
 * The classification extension: in place of an output's values its n largest, each as the string
 * "value:index" or "value:index:label". Per row where the model has a batch dimension. In pieces: there may be a
 * million of them.
 */
import type { DataType } from '../../engine/index.js'
import type { Sliced } from '../../slices.js'
import { elementSize } from '../datatypes.js'
import { encodeElements } from '../request/bytes-tensor.js'
import { invalid } from '../request/messages.js'
import type { SignatureOutput } from '../signature.js'
import { largest, type Value } from './largest.js'

/** More values than this are no classes, and each that is asked for becomes a string. */
const MOST_CLASSES = 1_000_000

/** Values that are read, or strings that are made, at once. */
const PIECE = 8192

const READERS: Readonly<Partial<Record<DataType, (view: DataView, offset: number) => Value>>> = {
  UINT8: (view, offset) => view.getUint8(offset),
  UINT16: (view, offset) => view.getUint16(offset, true),
  UINT32: (view, offset) => view.getUint32(offset, true),
  UINT64: (view, offset) => view.getBigUint64(offset, true),
  INT8: (view, offset) => view.getInt8(offset),
  INT16: (view, offset) => view.getInt16(offset, true),
  INT32: (view, offset) => view.getInt32(offset, true),
  INT64: (view, offset) => view.getBigInt64(offset, true),
  FP32: (view, offset) => view.getFloat32(offset, true),
  FP64: (view, offset) => view.getFloat64(offset, true),
}

/** A BYTES tensor of shape [rows, n], [n] without a batch. Throws INVALID_REQUEST. */
export function* classify(
  output: SignatureOutput,
  shape: readonly number[],
  batched: boolean,
  data: Uint8Array,
  count: number,
): Sliced<{ readonly shape: number[]; readonly data: Uint8Array }> {
  const read = READERS[output.dataType]
  if (read === undefined) {
    throw invalid(`class result not available for output due to unsupported type '${output.dataType}'`)
  }
  const inner = batched ? shape.slice(1) : shape
  const classes = inner.reduce((product, dim) => product * dim, 1)
  const rows = batched ? (shape[0] ?? 0) : 1
  if (classes * rows > MOST_CLASSES) throw invalid('classification output tensor too large')
  const size = elementSize(output.dataType)
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const encoder = new TextEncoder()
  const strings: Uint8Array[] = []
  for (let row = 0; row < rows; row++) {
    const values: Value[] = []
    for (let i = 0; i < classes; i++) {
      values.push(read(view, (row * classes + i) * size))
      if (i % PIECE === PIECE - 1) yield
    }
    const order = yield* largest(values, count)
    for (const [place, index] of order.entries()) {
      if (place % PIECE === PIECE - 1) yield
      const label = output.labels?.[index]
      const text = `${format(values[index] as Value, output.dataType)}:${index}`
      strings.push(encoder.encode(label === undefined ? text : `${text}:${label}`))
    }
  }
  const found = Math.min(count, classes)
  return { shape: batched ? [rows, found] : [found], data: yield* encodeElements(strings) }
}

/** As C prints it: integers as they are, floating point with six decimals. */
function format(value: Value, type: DataType): string {
  if (typeof value === 'bigint' || (type !== 'FP32' && type !== 'FP64')) return String(value)
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  // From 1e21 on toFixed falls back to exponents; such a number is an integer.
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`
}
