import { readFile } from 'node:fs/promises'
import { DataType as OnnxType, TensorProto } from '../../compiler/onnx.js'
import { tensorBytes, tensorDims } from '../../compiler/tensors.js'
import type { DataType } from '../../engine/index.js'
import { SentinodeError } from '../../errors.js'

/** A tensor as the engine takes and gives it: row-major little-endian, strings length-prefixed. */
export interface Tensor {
  readonly dataType: DataType
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

const TYPES: Readonly<Record<number, DataType>> = {
  [OnnxType.FLOAT]: 'FP32',
  [OnnxType.UINT8]: 'UINT8',
  [OnnxType.INT8]: 'INT8',
  [OnnxType.UINT16]: 'UINT16',
  [OnnxType.INT16]: 'INT16',
  [OnnxType.INT32]: 'INT32',
  [OnnxType.INT64]: 'INT64',
  [OnnxType.STRING]: 'BYTES',
  [OnnxType.BOOL]: 'BOOL',
  [OnnxType.FLOAT16]: 'FP16',
  [OnnxType.DOUBLE]: 'FP64',
  [OnnxType.UINT32]: 'UINT32',
  [OnnxType.UINT64]: 'UINT64',
  [OnnxType.BFLOAT16]: 'BF16',
}

/** Reads a file that holds one TensorProto. Throws CASE_INVALID or CASE_UNSUPPORTED. */
export async function readTensorFile(path: string, name: string): Promise<Tensor> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new SentinodeError('CASE_INVALID', `${name} cannot be read`, { cause })
  })
  let tensor: TensorProto
  try {
    tensor = TensorProto.decode(bytes)
  } catch (cause) {
    throw new SentinodeError('CASE_INVALID', `${name} is not a TensorProto`, { cause })
  }
  const dataType = TYPES[tensor.dataType]
  if (dataType === undefined) {
    throw new SentinodeError('CASE_UNSUPPORTED', `${name} has elements of ONNX type ${tensor.dataType}`)
  }
  const shape = tensorDims(tensor)
  return {
    dataType,
    shape,
    data: dataType === 'BYTES' ? joinStrings(tensor.stringData) : tensorBytes(tensor),
  }
}

function joinStrings(strings: readonly Uint8Array[]): Uint8Array {
  const out = Buffer.alloc(strings.reduce((size, s) => size + 4 + s.length, 0))
  let at = 0
  for (const s of strings) {
    at = out.writeUInt32LE(s.length, at)
    out.set(s, at)
    at += s.length
  }
  return out
}
