/**
 * Typed contents: values that came as protobuf's repeated fields in place of raw bytes. Which field
 * goes with which datatype is the protocol's; FP16 and BF16 have none and come raw.
 */
import type { DataType } from '../../engine/native.js'
import { elementSize, isDataType } from '../datatypes.js'
import { encodeBytesTensor, encodedSize } from './bytes-tensor.js'
import { invalid, quote } from './messages.js'
import type { RequestInput, TypedContents } from './types.js'

type Field = keyof TypedContents

/** Fields in the order of the protocol, each with the datatypes that it can carry, the widest last. */
const FIELDS: readonly (readonly [Field, readonly DataType[]])[] = [
  ['boolContents', ['BOOL']],
  ['intContents', ['INT8', 'INT16', 'INT32']],
  ['int64Contents', ['INT64']],
  ['uintContents', ['UINT8', 'UINT16', 'UINT32']],
  ['uint64Contents', ['UINT64']],
  ['fp32Contents', ['FP32']],
  ['fp64Contents', ['FP64']],
  ['bytesContents', ['BYTES']],
]

/** The field that is filled and its elements; null where the contents are empty. */
export interface FilledContents {
  readonly field: Field
  readonly elements: number
  /** Bytes of the tensor that the values make. */
  readonly byteSize: number
}

/** INVALID_REQUEST where two fields are filled or the filled one does not go with the input's datatype. */
export function inspectContents(
  input: RequestInput,
  model: string,
  contents: TypedContents,
): FilledContents | null {
  let filled: FilledContents | null = null
  for (const [field, types] of FIELDS) {
    const elements = contents[field].length
    if (elements === 0) continue
    const tensor = `unexpected explicit tensor data for input tensor ${quote(input.name)} for model ${quote(model)}`
    if (filled !== null) throw invalid(`${tensor}, binary data was already supplied.`)
    const type = types.find((candidate) => candidate === input.datatype)
    if (type === undefined) {
      throw invalid(`${tensor} of type '${types.at(-1)}', expected datatype ${quote(input.datatype)}`)
    }
    const byteSize = type === 'BYTES' ? encodedSize(contents.bytesContents) : elements * elementSize(type)
    filled = { field, elements, byteSize }
  }
  return filled
}

/**
 * The values as the raw bytes that would carry them. INVALID_REQUEST for an integer beyond its datatype,
 * which a cast would silently change.
 */
export function encodeContents(input: RequestInput, contents: TypedContents): Uint8Array {
  if (!isDataType(input.datatype)) throw invalid(`input ${quote(input.name)} has no datatype`)
  switch (input.datatype) {
    case 'BOOL':
      return Uint8Array.from(contents.boolContents, Number)
    case 'INT8':
      return bytesOf(Int8Array.from(inRange(input, contents.intContents, -128, 127)))
    case 'INT16':
      return bytesOf(Int16Array.from(inRange(input, contents.intContents, -32768, 32767)))
    case 'INT32':
      return bytesOf(Int32Array.from(contents.intContents))
    case 'INT64':
      return bytesOf(BigInt64Array.from(contents.int64Contents))
    case 'UINT8':
      return Uint8Array.from(inRange(input, contents.uintContents, 0, 255))
    case 'UINT16':
      return bytesOf(Uint16Array.from(inRange(input, contents.uintContents, 0, 65535)))
    case 'UINT32':
      return bytesOf(Uint32Array.from(contents.uintContents))
    case 'UINT64':
      return bytesOf(BigUint64Array.from(contents.uint64Contents))
    case 'FP32':
      return bytesOf(Float32Array.from(contents.fp32Contents))
    case 'FP64':
      return bytesOf(Float64Array.from(contents.fp64Contents))
    case 'BYTES':
      return encodeBytesTensor(contents.bytesContents)
    case 'FP16':
    case 'BF16':
      // There is no field for these; an empty tensor has no bytes either way.
      return new Uint8Array(0)
  }
}

function inRange(
  input: RequestInput,
  values: readonly number[],
  min: number,
  max: number,
): readonly number[] {
  const at = values.findIndex((value) => value < min || value > max)
  if (at < 0) return values
  throw invalid(
    `value ${at} of input ${quote(input.name)} is out of range for datatype ${quote(input.datatype)}`,
  )
}

/** Typed arrays have the machine's byte order, which is little-endian wherever the addon runs. */
function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
