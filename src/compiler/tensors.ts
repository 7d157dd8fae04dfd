import { SentinodeError } from '../errors.js'
import { DataType, TensorProto } from './onnx.js'

/** Bytes of an element, for the types that the compiler moves about. */
const ELEMENT_SIZE: Readonly<Record<number, number>> = {
  [DataType.FLOAT]: 4,
  [DataType.UINT8]: 1,
  [DataType.INT8]: 1,
  [DataType.UINT16]: 2,
  [DataType.INT16]: 2,
  [DataType.INT32]: 4,
  [DataType.INT64]: 8,
  [DataType.BOOL]: 1,
  [DataType.FLOAT16]: 2,
  [DataType.DOUBLE]: 8,
  [DataType.UINT32]: 4,
  [DataType.UINT64]: 8,
  [DataType.BFLOAT16]: 2,
}

export function tensorDims(tensor: TensorProto): number[] {
  return tensor.dims.map(Number)
}

/** Elements of a tensor by its dims. */
export function elementCount(tensor: TensorProto): number {
  return product(tensorDims(tensor))
}

/** Bytes of one element. Throws MODEL_INVALID for types that are not moved about. */
export function elementSize(tensor: TensorProto): number {
  const size = ELEMENT_SIZE[tensor.dataType]
  if (size === undefined)
    throw invalid(tensor, `element type ${tensor.dataType} is not one that can be rewritten`)
  return size
}

export function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1)
}

/** The elements as little-endian bytes, whichever of the format's lists holds them; a view where it can be. */
export function tensorBytes(tensor: TensorProto): Uint8Array {
  const size = elementSize(tensor)
  const bytes = tensor.rawData ?? typedBytes(tensor, size)
  const expected = product(tensorDims(tensor)) * size
  if (bytes.length !== expected)
    throw invalid(tensor, `${expected} bytes were expected, it has ${bytes.length}`)
  return bytes
}

function typedBytes(tensor: TensorProto, size: number): Uint8Array {
  switch (tensor.dataType) {
    case DataType.FLOAT:
      return new Uint8Array(Float32Array.from(tensor.floatData).buffer)
    case DataType.DOUBLE:
      return new Uint8Array(Float64Array.from(tensor.doubleData).buffer)
    case DataType.INT64:
      return new Uint8Array(BigInt64Array.from(tensor.int64Data).buffer)
    case DataType.UINT64:
    case DataType.UINT32: {
      const wide = new Uint8Array(BigUint64Array.from(tensor.uint64Data).buffer)
      return size === 8 ? wide : narrow(wide, 8, 4)
    }
    default:
      return narrow(new Uint8Array(Int32Array.from(tensor.int32Data).buffer), 4, size)
  }
}

/** Keeps the low `to` of every `from` bytes. */
function narrow(bytes: Uint8Array, from: number, to: number): Uint8Array {
  if (from === to) return bytes
  const out = new Uint8Array((bytes.length / from) * to)
  for (let i = 0; i < out.length; i++) out[i] = bytes[Math.floor(i / to) * from + (i % to)] ?? 0
  return out
}

export function isFloat(dataType: number): boolean {
  return (
    dataType === DataType.FLOAT ||
    dataType === DataType.DOUBLE ||
    dataType === DataType.FLOAT16 ||
    dataType === DataType.BFLOAT16
  )
}

/** Elements of a floating-point tensor; a view for aligned float32, a copy otherwise. */
export function tensorFloats(tensor: TensorProto): Float32Array | Float64Array {
  const bytes = tensorBytes(tensor)
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes)
  const { buffer, byteOffset, byteLength } = aligned
  switch (tensor.dataType) {
    case DataType.FLOAT:
      return new Float32Array(buffer, byteOffset, byteLength / 4)
    case DataType.DOUBLE:
      return new Float64Array(buffer, byteOffset, byteLength / 8)
    case DataType.FLOAT16:
      return Float32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), halfToNumber)
    case DataType.BFLOAT16: {
      const bits = Uint32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), (b) => b << 16)
      return new Float32Array(bits.buffer)
    }
    default:
      throw invalid(tensor, 'a floating-point tensor was expected')
  }
}

/** A floating-point tensor of the given type from numbers, rounded to nearest even. */
export function floatTensor(
  name: string,
  dims: readonly number[],
  values: Float32Array | Float64Array,
  dataType: number = DataType.FLOAT,
): TensorProto {
  const typed =
    dataType === DataType.DOUBLE
      ? Float64Array.from(values)
      : dataType === DataType.FLOAT16
        ? Uint16Array.from(values, numberToHalf)
        : dataType === DataType.BFLOAT16
          ? Uint16Array.from(values, numberToBfloat)
          : Float32Array.from(values)
  return rawTensor(name, dims, dataType, new Uint8Array(typed.buffer))
}

export function rawTensor(
  name: string,
  dims: readonly number[],
  dataType: number,
  rawData: Uint8Array,
): TensorProto {
  return TensorProto.fromPartial({ name, dims: dims.map(BigInt), dataType, rawData })
}

export function int64Tensor(name: string, dims: readonly number[], values: readonly number[]): TensorProto {
  const data = BigInt64Array.from(values, BigInt)
  return rawTensor(name, dims, DataType.INT64, new Uint8Array(data.buffer))
}

/** Elements of an INT32 or INT64 tensor, null for any other type. */
export function tensorInts(tensor: TensorProto): number[] | null {
  if (tensor.dataType !== DataType.INT64 && tensor.dataType !== DataType.INT32) return null
  const bytes = tensorBytes(tensor)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out: number[] = []
  if (tensor.dataType === DataType.INT64) {
    // Tens of times faster than by way of big integers.
    for (let i = 0; i < bytes.length; i += 8)
      out.push(view.getInt32(i + 4, true) * 2 ** 32 + view.getUint32(i, true))
  } else {
    for (let i = 0; i < bytes.length; i += 4) out.push(view.getInt32(i, true))
  }
  return out
}

/** The same elements with their axes in another order, as ONNX's Transpose. */
export function transposeTensor(tensor: TensorProto, name: string, perm: readonly number[]): TensorProto {
  const dims = tensorDims(tensor)
  const source = tensorBytes(tensor)
  const size = ELEMENT_SIZE[tensor.dataType] ?? 0
  const strides = dims.map((_, axis) => product(dims.slice(axis + 1)) * size)
  const outDims = perm.map((axis) => dims[axis] ?? 0)
  // Axes that stay last are moved as one block.
  let block = dims.length
  while (block > 0 && perm[block - 1] === block - 1) block--
  const blockBytes = product(outDims.slice(block)) * size
  const target = new Uint8Array(source.length)
  const index = new Array<number>(block).fill(0)
  for (let at = 0; at < target.length; at += blockBytes) {
    let from = 0
    for (let i = 0; i < block; i++) from += (index[i] ?? 0) * (strides[perm[i] ?? 0] ?? 0)
    target.set(source.subarray(from, from + blockBytes), at)
    for (let i = block - 1; i >= 0; i--) {
      index[i] = (index[i] ?? 0) + 1
      if ((index[i] ?? 0) < (outDims[i] ?? 0)) break
      index[i] = 0
    }
  }
  return rawTensor(name, outDims, tensor.dataType, target)
}

export function reshapeTensor(tensor: TensorProto, name: string, dims: readonly number[]): TensorProto {
  return rawTensor(name, dims, tensor.dataType, tensorBytes(tensor))
}

const scratch = new DataView(new ArrayBuffer(4))

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (magnitude >= 65520) return sign | 0x7c00
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24)
  const exponent = Math.floor(Math.log2(magnitude))
  // A fraction that rounds up to 1024 carries into the exponent, as it should.
  return sign | (((exponent + 15) << 10) + roundHalfEven((magnitude / 2 ** exponent - 1) * 1024))
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}

function numberToBfloat(value: number): number {
  scratch.setFloat32(0, value)
  const bits = scratch.getUint32(0)
  if (Number.isNaN(value)) return 0x7fc0
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

function invalid(tensor: TensorProto, why: string): SentinodeError {
  return new SentinodeError('MODEL_INVALID', `Tensor "${tensor.name}": ${why}`)
}
