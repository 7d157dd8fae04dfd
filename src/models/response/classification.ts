/**
 * The classification extension: in place of an output's values its n largest, each as the string
 * "value:index" or "value:index:label". Per row where the model has a batch dimension.
 */
import type { DataType } from '../../engine/native.js'
import { elementSize } from '../datatypes.js'
import { encodeBytesTensor } from '../request/bytes-tensor.js'
import { invalid } from '../request/messages.js'
import type { SignatureOutput } from '../signature.js'

/** More values than this are no classes, and sorting them would hold up everybody else. */
const MOST_CLASSES = 1_000_000

type Value = number | bigint

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
export function classify(
  output: SignatureOutput,
  shape: readonly number[],
  batched: boolean,
  data: Uint8Array,
  count: number,
): { readonly shape: number[]; readonly data: Uint8Array } {
  const read = READERS[output.dataType]
  if (read === undefined) {
    throw invalid(`class result not available for output due to unsupported type '${output.dataType}'`)
  }
  const inner = batched ? shape.slice(1) : shape
  const classes = inner.reduce((product, dim) => product * dim, 1)
  if (classes > MOST_CLASSES) throw invalid('classification output tensor too large')
  const rows = batched ? (shape[0] ?? 0) : 1
  const size = elementSize(output.dataType)
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const encoder = new TextEncoder()
  const strings: Uint8Array[] = []
  for (let row = 0; row < rows; row++) {
    const values = Array.from({ length: classes }, (_, i) => read(view, (row * classes + i) * size))
    for (const index of largest(values, count)) {
      const label = output.labels?.[index]
      const text = `${format(values[index] as Value, output.dataType)}:${index}`
      strings.push(encoder.encode(label === undefined ? text : `${text}:${label}`))
    }
  }
  const found = Math.min(count, classes)
  return { shape: batched ? [rows, found] : [found], data: encodeBytesTensor(strings) }
}

/** Indices of the `count` largest values, largest first, equal ones in their order, NaN last. */
function largest(values: readonly Value[], count: number): number[] {
  const order = values.map((_, i) => i)
  order.sort((a, b) => {
    const [left, right] = [values[a] as Value, values[b] as Value]
    if (left === right) return a - b
    if (Number.isNaN(left)) return Number.isNaN(right) ? a - b : 1
    return Number.isNaN(right) || left > right ? -1 : 1
  })
  return order.slice(0, count)
}

/** As C prints it: integers as they are, floating point with six decimals. */
function format(value: Value, type: DataType): string {
  if (typeof value === 'bigint' || (type !== 'FP32' && type !== 'FP64')) return String(value)
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  // From 1e21 on toFixed falls back to exponents; such a number is an integer.
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`
}
