/** Operators that compute with constants: in float64, rounded once to the result's type. */
import { DataType, type TensorProto, attribute, intAttribute } from '../onnx.js'
import {
  floatTensor,
  int64Tensor,
  isFloat,
  product,
  rawTensor,
  tensorBytes,
  tensorDims,
  tensorFloats,
} from '../tensors.js'
import { type Evaluate, type Inputs, numbers, positions, spread, strides } from './moves.js'

const INTEGERS: Readonly<Record<number, new (buffer: ArrayBuffer) => ArrayLike<number | bigint>>> = {
  [DataType.UINT8]: Uint8Array,
  [DataType.INT8]: Int8Array,
  [DataType.UINT16]: Uint16Array,
  [DataType.INT16]: Int16Array,
  [DataType.INT32]: Int32Array,
  [DataType.UINT32]: Uint32Array,
  [DataType.INT64]: BigInt64Array,
  [DataType.UINT64]: BigUint64Array,
  [DataType.BOOL]: Uint8Array,
}

/** Elements as numbers; null for types that are none, and for integers that a number cannot hold. */
export function values(tensor: TensorProto): Float64Array | null {
  if (isFloat(tensor.dataType)) return Float64Array.from(tensorFloats(tensor))
  const Type = INTEGERS[tensor.dataType]
  if (Type === undefined) return null
  const read = new Type(new Uint8Array(tensorBytes(tensor)).buffer)
  const out = new Float64Array(read.length)
  for (let i = 0; i < read.length; i++) out[i] = Number(read[i])
  return out.every((v) => Number.isSafeInteger(v)) ? out : null
}

/** A tensor of a type from numbers that it can hold; null for other types. */
function typed(dims: readonly number[], data: Float64Array, dataType: number): TensorProto | null {
  if (isFloat(dataType)) return floatTensor('', dims, data, dataType)
  if (dataType === DataType.INT64) return int64Tensor('', dims, [...data])
  const narrow: Readonly<Record<number, (v: Float64Array) => ArrayBufferView>> = {
    [DataType.INT32]: (v) => Int32Array.from(v),
    [DataType.INT8]: (v) => Int8Array.from(v),
    [DataType.UINT8]: (v) => Uint8Array.from(v),
    [DataType.BOOL]: (v) => Uint8Array.from(v, (n) => (n === 0 ? 0 : 1)),
  }
  const view = narrow[dataType]?.(data)
  if (view === undefined) return null
  return rawTensor('', dims, dataType, new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
}

const one = (tensor: TensorProto | null): TensorProto[] | null => (tensor === null ? null : [tensor])

const cast: Evaluate = (node, [x]) => {
  const data = x === undefined ? null : values(x)
  const to = intAttribute(node, 'to', 0)
  if (x === undefined || data === null) return null
  const whole = isFloat(to) || to === DataType.BOOL ? data : data.map(Math.trunc)
  if (!isFloat(to) && !whole.every((v) => Math.abs(v) < 2 ** 31)) return null
  return one(typed(tensorDims(x), whole, to))
}

const binary =
  (compute: (a: number, b: number, whole: boolean) => number): Evaluate =>
  (_node, [a, b]) => {
    const [x, y] = [a, b].map((t) => (t === undefined ? null : values(t)))
    if (a === undefined || b === undefined || !x || !y || a.dataType !== b.dataType) return null
    const [left, right] = [tensorDims(a), tensorDims(b)]
    const rank = Math.max(left.length, right.length)
    const out = Array.from({ length: rank }, (_, i) =>
      Math.max(left[i - rank + left.length] ?? 1, right[i - rank + right.length] ?? 1),
    )
    const [p, q] = [spread(left, out), spread(right, out)]
    const whole = !isFloat(a.dataType)
    const data = Float64Array.from(p, (from, i) => compute(x[from] ?? 0, y[q[i] ?? 0] ?? 0, whole))
    return one(typed(out, data, a.dataType))
  }

const unary =
  (compute: (a: number) => number): Evaluate =>
  (_node, [x]) => {
    const data = x === undefined ? null : values(x)
    return x === undefined || data === null ? null : one(typed(tensorDims(x), data.map(compute), x.dataType))
  }

/** (q - zero point) * scale, for the whole tensor or for each index of an axis. */
const dequantize: Evaluate = (node, [x, s, z]) => {
  const [data, scale] = [x, s].map((t) => (t === undefined ? null : values(t)))
  const zero = z === undefined ? undefined : values(z)
  if (x === undefined || s === undefined || !data || !scale || zero === null) return null
  const dims = tensorDims(x)
  // Scales of blocks along an axis are another matter.
  if (scale.length !== 1 && (tensorDims(s).length !== 1 || intAttribute(node, 'block_size', 0) !== 0))
    return null
  const axis = intAttribute(node, 'axis', 1)
  const at = axis < 0 ? axis + dims.length : axis
  if (scale.length !== 1 && scale.length !== dims[at]) return null
  const inner = product(dims.slice(at + 1))
  const out = data.map((q, i) => {
    const c = scale.length === 1 ? 0 : Math.floor(i / inner) % scale.length
    return (q - (zero?.[zero.length === 1 ? 0 : c] ?? 0)) * (scale[c] ?? 1)
  })
  return one(typed(dims, out, s.dataType))
}

const filled: Evaluate = (node, [shape]) => {
  const dims = shape === undefined ? null : values(shape)
  if (dims === null) return null
  const value = attribute(node, 'value')?.t
  const fill = value === undefined ? 0 : (values(value)?.[0] ?? null)
  if (fill === null || product([...dims]) > MOST_FILLED) return null
  const count = product([...dims])
  return one(typed([...dims], new Float64Array(count).fill(fill), value?.dataType ?? DataType.FLOAT))
}

const range: Evaluate = (_node, inputs: Inputs) => {
  const [start, limit, step] = inputs.map((t) => (t === undefined ? null : (values(t)?.[0] ?? null)))
  const type = inputs[0]?.dataType ?? DataType.INT64
  if (start == null || limit == null || step == null || step === 0) return null
  const count = Math.max(0, Math.ceil((limit - start) / step))
  if (count > MOST_FILLED) return null
  return one(
    typed(
      [count],
      Float64Array.from({ length: count }, (_, i) => start + i * step),
      type,
    ),
  )
}

/** Elements of a tensor that is made from next to nothing. */
const MOST_FILLED = 2 ** 22

const reduce =
  (combine: (a: number, v: number) => number, finish: (a: number, count: number) => number): Evaluate =>
  (node, inputs) => {
    const [x] = inputs
    const data = x === undefined ? null : values(x)
    if (x === undefined || data === null || !isFloat(x.dataType)) return null
    const dims = tensorDims(x)
    const axes = numbers(node, inputs, 'axes', 1)?.map((a) => (a < 0 ? a + dims.length : a))
    if (axes === undefined) return null
    const kept = dims.map((d, i) => (axes.includes(i) ? 1 : d))
    const jumps = strides(kept)
    const into = positions(
      dims,
      dims.map((d, i) => Array.from({ length: d }, (_, k) => (axes.includes(i) ? 0 : k * (jumps[i] ?? 0)))),
    )
    const sums = new Float64Array(product(kept))
    data.forEach((v, i) => (sums[into[i] ?? 0] = combine(sums[into[i] ?? 0] ?? 0, v)))
    const count = data.length / sums.length
    const shape = intAttribute(node, 'keepdims', 1) === 1 ? kept : dims.filter((_, i) => !axes.includes(i))
    return one(
      typed(
        shape,
        sums.map((v) => finish(v, count)),
        x.dataType,
      ),
    )
  }

export const NUMBERS: ReadonlyMap<string, Evaluate> = new Map([
  ['Cast', cast],
  ['DequantizeLinear', dequantize],
  ['ConstantOfShape', filled],
  ['Range', range],
  ['Add', binary((a, b) => a + b)],
  ['Sub', binary((a, b) => a - b)],
  ['Mul', binary((a, b) => a * b)],
  ['Div', binary((a, b, whole) => (whole ? Math.trunc(a / b) : a / b))],
  [
    'Equal',
    (node, inputs, opset) =>
      truth(
        binary((a, b) => (a === b ? 1 : 0)),
        node,
        inputs,
        opset,
      ),
  ],
  ['Neg', unary((v) => -v)],
  ['Sqrt', unary(Math.sqrt)],
  ['Reciprocal', unary((v) => 1 / v)],
  [
    'ReduceSum',
    reduce(
      (a, v) => a + v,
      (a) => a,
    ),
  ],
  [
    'ReduceMean',
    reduce(
      (a, v) => a + v,
      (a, count) => a / count,
    ),
  ],
  [
    'ReduceL2',
    reduce(
      (a, v) => a + v * v,
      (a) => Math.sqrt(a),
    ),
  ],
])

function truth(of: Evaluate, ...[node, inputs, opset]: Parameters<Evaluate>): TensorProto[] | null {
  const [result] = of(node, inputs, opset) ?? []
  const data = result === undefined ? null : values(result)
  return result === undefined || data === null ? null : one(typed(tensorDims(result), data, DataType.BOOL))
}
