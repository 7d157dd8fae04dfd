import { DataType as OnnxType } from '../../compiler/onnx.js'
import { rawTensor, tensorFloats } from '../../compiler/tensors.js'
import { SentinodeError } from '../../errors.js'
import type { Tensor } from './tensor-file.js'

export interface Tolerance {
  readonly atol: number
  readonly rtol: number
}

export interface Difference {
  readonly ok: boolean
  /**
   * Largest absolute error, and largest relative one where something other than 0 was expected. The largest
   * number there is where one side alone is NaN or infinite.
   */
  readonly maxAbs: number
  readonly maxRel: number
}

export const NO_DIFFERENCE: Difference = { ok: true, maxAbs: 0, maxRel: 0 }

/**
 * Compares an answer with what was expected: |a - b| <= atol + rtol |b| for every element. NaN equals NaN,
 * an infinity itself. Throws CASE_DIFFERS where type, shape or a string is another one.
 */
export function compareTensors(actual: Tensor, expected: Tensor, name: string, limit: Tolerance): Difference {
  const [a, b] = [actual, expected].map((t) => `${t.dataType} [${t.shape.join(', ')}]`)
  if (a !== b) throw differs(`output "${name}": ${b} was expected, found ${a}`)
  if (expected.dataType === 'BYTES') {
    if (Buffer.compare(actual.data, expected.data) !== 0)
      throw differs(`output "${name}": its strings differ`)
    return NO_DIFFERENCE
  }
  const [x, y] = [numbers(actual), numbers(expected)]
  let [ok, maxAbs, maxRel] = [x.length === y.length, 0, 0]
  for (let i = 0; i < y.length; i++) {
    const [got = NaN, want = NaN] = [x[i], y[i]]
    if (Object.is(got, want) || got === want || (Number.isNaN(got) && Number.isNaN(want))) continue
    const error = Math.abs(got - want)
    const abs = Number.isFinite(error) ? error : Number.MAX_VALUE
    maxAbs = Math.max(maxAbs, abs)
    if (want !== 0) maxRel = Math.max(maxRel, Math.min(abs / Math.abs(want), Number.MAX_VALUE))
    ok &&= abs <= limit.atol + limit.rtol * Math.abs(want) && abs < Number.MAX_VALUE
  }
  return { ok, maxAbs, maxRel }
}

export function worst(a: Difference, b: Difference): Difference {
  return { ok: a.ok && b.ok, maxAbs: Math.max(a.maxAbs, b.maxAbs), maxRel: Math.max(a.maxRel, b.maxRel) }
}

/** Elements as numbers; 64-bit integers beyond 2^53 are rounded, which the tolerance does not notice. */
function numbers({ dataType, data, shape }: Tensor): ArrayLike<number> {
  const { buffer, byteOffset, length } = new Uint8Array(data)
  switch (dataType) {
    case 'FP64':
      return new Float64Array(buffer, byteOffset, length / 8)
    case 'FP32':
      return new Float32Array(buffer, byteOffset, length / 4)
    case 'FP16':
      return tensorFloats(rawTensor('', shape, OnnxType.FLOAT16, data))
    case 'BF16':
      return tensorFloats(rawTensor('', shape, OnnxType.BFLOAT16, data))
    case 'INT64':
      return Float64Array.from(new BigInt64Array(buffer, byteOffset, length / 8), Number)
    case 'UINT64':
      return Float64Array.from(new BigUint64Array(buffer, byteOffset, length / 8), Number)
    case 'INT32':
      return new Int32Array(buffer, byteOffset, length / 4)
    case 'UINT32':
      return new Uint32Array(buffer, byteOffset, length / 4)
    case 'INT16':
      return new Int16Array(buffer, byteOffset, length / 2)
    case 'UINT16':
      return new Uint16Array(buffer, byteOffset, length / 2)
    case 'INT8':
      return new Int8Array(buffer, byteOffset, length)
    default:
      return new Uint8Array(buffer, byteOffset, length)
  }
}

function differs(what: string): SentinodeError {
  return new SentinodeError('CASE_DIFFERS', what)
}
