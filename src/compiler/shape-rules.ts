import {
  type NodeProto,
  attribute,
  intAttribute,
  intsAttribute,
  isStandard,
  stringAttribute,
} from './onnx.js'
import { readTransposed, transposedSize } from './passes/transposed-window.js'
import { readResize } from './resize.js'
import type { Dim, Shape, Shapes } from './shapes.js'
import { slicedRange } from './shape-elements.js'
import { tensorDims } from './tensors.js'

type Known = Shape | null
type Rule = (node: NodeProto, shapes: Shapes, opset: number) => readonly Known[]

/** Shapes of a node's outputs as far as its inputs' tell; empty where nothing can be said. */
export function inferNode(node: NodeProto, shapes: Shapes, opset: number): readonly Known[] {
  const rule = isStandard(node) ? RULES.get(node.opType) : undefined
  return rule?.(node, shapes, opset) ?? []
}

const input = (node: NodeProto, shapes: Shapes, i: number): Known => shapes.of(node.input[i] ?? '')

const same: Rule = (node, shapes) => [input(node, shapes, 0)]
const sameTwice: Rule = (node, shapes) => [input(node, shapes, 0), input(node, shapes, 0)]
const broadcasting: Rule = (node, shapes) => [broadcast(node.input.map((name) => shapes.of(name)))]

function broadcast(all: readonly Known[]): Known {
  const known = all.filter((s) => s !== null)
  if (known.length < all.length) return null
  const rank = Math.max(0, ...known.map((s) => s.length))
  return Array.from({ length: rank }, (_, i) => {
    const dims = known.map((s) => (i < rank - s.length ? 1 : (s[i - rank + s.length] ?? null)))
    const sizes = [...new Set(dims.filter((d) => d !== 1))]
    return sizes.length === 0
      ? 1
      : sizes.length === 1
        ? (sizes[0] ?? null)
        : (sizes.find((d) => typeof d === 'number') ?? null)
  })
}

const normalAxis = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

/** Axes of an operator that took them as an attribute once and as an input later; null where unknown. */
export function axesOf(node: NodeProto, shapes: Shapes, at: number): readonly number[] | 'all' | null {
  const given = intsAttribute(node, 'axes')
  if (given !== null) return given
  const name = node.input[at] ?? ''
  if (name === '') return 'all'
  const elements = shapes.elements(name)
  return elements?.every((d) => typeof d === 'number') === true ? elements : null
}

interface AxisWindow {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly before: number
  readonly after: number
}

/** Size of a spatial axis after a window has moved over it; the symbol itself where it does not change. */
function windowed(size: Dim, { kernel, stride, dilation, before, after }: AxisWindow, ceil: boolean): Dim {
  const extra = before + after - (kernel - 1) * dilation - 1
  if (typeof size !== 'number') return stride === 1 && extra === -1 ? size : null
  if (!ceil) return Math.floor((size + extra) / stride) + 1
  const count = Math.ceil((size + extra) / stride) + 1
  // A last window that would start in the padding behind the input is dropped.
  return (count - 1) * stride >= size + before ? count - 1 : count
}

function windowedSame(size: Dim, stride: number): Dim {
  return typeof size === 'number' ? Math.ceil(size / stride) : stride === 1 ? size : null
}

function window(node: NodeProto, shapes: Shapes, kernel: readonly Dim[], channels: Dim): Known {
  const x = input(node, shapes, 0)
  const spatial = kernel.length
  if (spatial === 0) return null
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET')
  const list = (name: string): number[] => intsAttribute(node, name) ?? []
  const [pads, strides, dilations] = [
    autoPad === 'NOTSET' ? list('pads') : [],
    list('strides'),
    list('dilations'),
  ]
  const ceil = intAttribute(node, 'ceil_mode', 0) === 1
  const sizes = kernel.map((k, i): Dim => {
    const size = x?.[i + 2] ?? null
    const stride = strides[i] ?? 1
    if (autoPad.startsWith('SAME')) return windowedSame(size, stride)
    if (typeof k !== 'number') return null
    const [before, after] = [pads[i] ?? 0, pads[i + spatial] ?? 0]
    return windowed(size, { kernel: k, stride, dilation: dilations[i] ?? 1, before, after }, ceil)
  })
  return [x?.[0] ?? null, channels, ...sizes]
}

const conv: Rule = (node, shapes) => {
  const w = input(node, shapes, 1)
  const rank = w?.length ?? input(node, shapes, 0)?.length
  if (rank === undefined) return []
  const kernel = intsAttribute(node, 'kernel_shape') ?? w?.slice(2) ?? new Array<Dim>(rank - 2).fill(null)
  return [window(node, shapes, kernel, w?.[0] ?? null)]
}

const pool: Rule = (node, shapes) => {
  const out = window(
    node,
    shapes,
    intsAttribute(node, 'kernel_shape') ?? [],
    shapes.dim(node.input[0] ?? '', 1),
  )
  return [out, out]
}

const globalPool: Rule = (node, shapes) => [
  input(node, shapes, 0)?.map((d, axis) => (axis < 2 ? d : 1)) ?? null,
]

const convTranspose: Rule = (node, shapes) => {
  const [x, w] = [input(node, shapes, 0), input(node, shapes, 1)]
  const rank = x?.length ?? w?.length
  if (rank === undefined) return [null]
  const kernel = w?.slice(2) ?? intsAttribute(node, 'kernel_shape') ?? []
  const perGroup = w?.[1] ?? null
  const channels = typeof perGroup === 'number' ? perGroup * intAttribute(node, 'group', 1) : null
  const known = kernel.length === rank - 2 && kernel.every((k) => typeof k === 'number')
  const axes = (known ? readTransposed(node, kernel, x?.slice(2) ?? []) : null) ?? []
  const sizes = Array.from({ length: rank - 2 }, (_, i): Dim => {
    const [axis, size] = [axes[i], x?.[i + 2] ?? null]
    return axis && typeof size === 'number' ? transposedSize(axis, size) : null
  })
  return [[x?.[0] ?? null, channels, ...sizes]]
}

const resize: Rule = (node, shapes) => [
  readResize(node, shapes.graph, shapes)?.sizes ?? input(node, shapes, 0)?.map(() => null) ?? null,
]

const reduce =
  (axesAt: number): Rule =>
  (node, shapes) => {
    const x = input(node, shapes, 0)
    let axes = axesOf(node, shapes, axesAt)
    if (x === null || axes === null) return []
    if (axes === 'all' || axes.length === 0) {
      axes = intAttribute(node, 'noop_with_empty_axes', 0) === 1 ? [] : x.map((_, i) => i)
    }
    const gone = new Set(axes.map((a) => normalAxis(a, x.length)))
    if (intAttribute(node, 'keepdims', 1) === 1) return [x.map((d, i) => (gone.has(i) ? 1 : d))]
    return [x.filter((_, i) => !gone.has(i))]
  }

const arg: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  if (x === null) return []
  const axis = normalAxis(intAttribute(node, 'axis', 0), x.length)
  if (intAttribute(node, 'keepdims', 1) === 1) return [x.map((d, i) => (i === axis ? 1 : d))]
  return [x.filter((_, i) => i !== axis)]
}

const reshape: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  const target = shapes.elements(node.input[1] ?? '')
  if (target === null) {
    const count = shapes.dim(node.input[1] ?? '', 0)
    return [typeof count === 'number' && count <= 64 ? new Array<Dim>(count).fill(null) : null]
  }
  const keepZero = intAttribute(node, 'allowzero', 0) === 1
  const out = target.map((d, i): Dim => (d === 0 && !keepZero ? (x?.[i] ?? null) : d))
  const open = out.indexOf(-1)
  if (open < 0) return [out]
  out[open] = null
  // The open size follows where everything else is known, or cancels symbol by symbol.
  const rest = out.filter((_, i) => i !== open)
  const from = x === null ? null : [...x]
  for (const d of rest) {
    const match = typeof d === 'string' ? (from?.indexOf(d) ?? -1) : -1
    if (match >= 0) from?.splice(match, 1)
    else if (typeof d !== 'number') return [out]
  }
  const divisor = rest.reduce<number>((a, d) => (typeof d === 'number' ? a * d : a), 1)
  if (from === null || divisor === 0) return [out]
  const numbers = from.reduce<number>((a, d) => (typeof d === 'number' ? a * d : a), 1)
  const symbols = from.filter((d) => typeof d !== 'number')
  if (symbols.length === 0) out[open] = numbers / divisor
  else if (symbols.length === 1 && numbers === divisor) out[open] = symbols[0] ?? null
  return [out]
}

const transpose: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  if (x === null) return []
  const perm = intsAttribute(node, 'perm') ?? x.map((_, i) => x.length - 1 - i)
  return [perm.map((p) => x[p] ?? null)]
}

const concat: Rule = (node, shapes) => {
  const all = node.input.map((name) => shapes.of(name))
  const first = all.find((s) => s !== null)
  if (first === undefined) return []
  const axis = normalAxis(intAttribute(node, 'axis', 1), first.length)
  return [
    first.map((_, i): Dim => {
      const dims = all.map((s) => s?.[i] ?? null)
      if (i === axis) return dims.every((d) => typeof d === 'number') ? dims.reduce((a, b) => a + b, 0) : null
      return dims.find((d) => typeof d === 'number') ?? dims.find((d) => d !== null) ?? null
    }),
  ]
}

const shapeOf: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  if (x === null) return [[null]]
  const [start, end] = [intAttribute(node, 'start', 0), intAttribute(node, 'end', x.length)]
  return [[x.slice(start, end).length]]
}

const gather: Rule = (node, shapes) => {
  const [x, index] = [input(node, shapes, 0), input(node, shapes, 1)]
  if (x === null || index === null) return []
  const axis = normalAxis(intAttribute(node, 'axis', 0), x.length)
  return [[...x.slice(0, axis), ...index, ...x.slice(axis + 1)]]
}

const slice: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  if (x === null) return []
  const ints = (name: string, at: number): Known =>
    intsAttribute(node, name) ?? shapes.elements(node.input[at] ?? '')
  const [starts, ends] = [ints('starts', 1), ints('ends', 2)]
  const axes = ints('axes', 3) ?? starts?.map((_, i) => i)
  const steps = ints('steps', 4)
  const out = [...x]
  if (axes === undefined || starts === null || ends === null) return [out.map(() => null)]
  axes.forEach((a, i) => {
    if (typeof a !== 'number') return
    const axis = normalAxis(a, x.length)
    out[axis] = sliced(x[axis] ?? null, starts[i] ?? null, ends[i] ?? null, steps?.[i] ?? 1)
  })
  return [out]
}

function sliced(size: Dim, start: Dim, end: Dim, step: Dim): Dim {
  if (start === 0 && step === 1 && typeof end === 'number' && end >= 2 ** 31 - 1) return size
  if (start === 0 && step === 1 && end === size) return size
  const all = [size, start, end, step]
  if (!all.every((d) => typeof d === 'number')) return null
  const [n = 0, from = 0, to = 0, by = 1] = all
  return by === 0 ? null : slicedRange(n, from, to, by).count
}

const pad: Rule = (node, shapes, opset) => {
  const x = input(node, shapes, 0)
  const pads = opset < 11 ? intsAttribute(node, 'pads') : shapes.elements(node.input[1] ?? '')
  if (x === null) return []
  if (pads === null || (node.input[3] ?? '') !== '') return [x.map(() => null)]
  return [
    x.map((d, i) => {
      const [before, after] = [pads[i] ?? null, pads[i + x.length] ?? null]
      if (before === 0 && after === 0) return d
      return typeof d === 'number' && typeof before === 'number' && typeof after === 'number'
        ? d + before + after
        : null
    }),
  ]
}

const squeeze: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  const axes = axesOf(node, shapes, 1)
  if (x === null || axes === null) return []
  if (axes === 'all')
    return x.includes(null) || x.some((d) => typeof d === 'string') ? [] : [x.filter((d) => d !== 1)]
  const gone = new Set(axes.map((a) => normalAxis(a, x.length)))
  return [x.filter((_, i) => !gone.has(i))]
}

const unsqueeze: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  const axes = axesOf(node, shapes, 1)
  if (x === null || axes === null || axes === 'all') return []
  const rank = x.length + axes.length
  const added = new Set(axes.map((a) => normalAxis(a, rank)))
  const rest = [...x]
  return [Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : (rest.shift() ?? null)))]
}

const flatten: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  if (x === null) return [[null, null]]
  const axis = normalAxis(intAttribute(node, 'axis', 1), x.length)
  const size = (dims: Shape): Dim =>
    dims.length === 1
      ? (dims[0] ?? null)
      : dims.reduce<Dim>((a, d) => (typeof a === 'number' && typeof d === 'number' ? a * d : null), 1)
  return [[size(x.slice(0, axis)), size(x.slice(axis))]]
}

const split: Rule = (node, shapes) => {
  const x = input(node, shapes, 0)
  if (x === null) return []
  const axis = normalAxis(intAttribute(node, 'axis', 0), x.length)
  const sizes = intsAttribute(node, 'split') ?? shapes.elements(node.input[1] ?? '')
  const size = x[axis]
  const even = typeof size === 'number' && size % node.output.length === 0 ? size / node.output.length : null
  return node.output.map((_, k) =>
    x.map((d, i) => (i === axis ? (sizes === null ? even : (sizes[k] ?? null)) : d)),
  )
}

const expand: Rule = (node, shapes) => {
  const target = shapes.elements(node.input[1] ?? '')
  return [target === null ? null : broadcast([input(node, shapes, 0), target])]
}

const filled: Rule = (node, shapes) => [shapes.elements(node.input[0] ?? '')]

const constant: Rule = (node, shapes) => {
  const value = attribute(node, 'value')?.t
  if (value !== undefined) return [tensorDims(value)]
  const ints = shapes.elements(node.output[0] ?? '')
  const list = attribute(node, 'value_ints') ?? attribute(node, 'value_floats')
  return ints === null && list === undefined
    ? []
    : [list === undefined ? [] : [list.ints.length + list.floats.length]]
}

const gemm: Rule = (node, shapes) => {
  const rows = shapes.dim(node.input[0] ?? '', intAttribute(node, 'transA', 0) === 1 ? 1 : 0)
  const columns = shapes.dim(node.input[1] ?? '', intAttribute(node, 'transB', 0) === 1 ? 0 : 1)
  return [[rows, columns]]
}

const matmul: Rule = (node, shapes) => {
  const [a, b] = [input(node, shapes, 0), input(node, shapes, 1)]
  if (a === null || b === null || a.length < 2 || b.length < 2) return []
  const batch = broadcast([a.slice(0, -2), b.slice(0, -2)])
  return [batch === null ? null : [...batch, a.at(-2) ?? null, b.at(-1) ?? null]]
}

const openRank: Rule = (node, shapes) => {
  const out = input(node, shapes, 0)?.map(() => null) ?? null
  return [out, out]
}

const range: Rule = (node, shapes) => {
  const [start, limit, step] = [0, 1, 2].map((i) => shapes.elements(node.input[i] ?? '')?.[0] ?? null)
  return [[start === 0 && step === 1 ? (limit ?? null) : null]]
}

const rules = (names: string, rule: Rule): [string, Rule][] => names.split(' ').map((name) => [name, rule])

const RULES = new Map<string, Rule>([
  ...rules(
    'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh CumSum Elu Erf Exp Floor Gelu HardSigmoid HardSwish ' +
      'Hardmax IsInf IsNaN LeakyRelu Log LogSoftmax Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin ' +
      'Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu LpNormalization LRN MeanVarianceNormalization ' +
      'InstanceNormalization GroupNormalization LayerNormalization BatchNormalization RMSNormalization ' +
      'ScatterND ScatterElements QuantizeLinear DequantizeLinear',
    same,
  ),
  ...rules('Identity Cast CastLike', same),
  ...rules('Dropout', sameTwice),
  ...rules(
    'Add Sub Mul Div Pow Mod Max Min Sum Mean And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual Where PRelu',
    broadcasting,
  ),
  ...rules('Conv ConvInteger', conv),
  ...rules('MaxPool AveragePool LpPool', pool),
  ...rules('GlobalAveragePool GlobalMaxPool GlobalLpPool', globalPool),
  ...rules('ConvTranspose', convTranspose),
  ...rules(
    'ReduceMean ReduceMax ReduceMin ReduceSum ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare',
    reduce(1),
  ),
  ...rules('ArgMax ArgMin', arg),
  ...rules('Resize Upsample', resize),
  ...rules('TopK Tile', openRank),
  ['Reshape', reshape],
  ['Transpose', transpose],
  ['Concat', concat],
  ['Shape', shapeOf],
  ['Gather', gather],
  ['Slice', slice],
  ['Pad', pad],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Flatten', flatten],
  ['Split', split],
  ['Expand', expand],
  ['ConstantOfShape', filled],
  ['Constant', constant],
  ['Gemm', gemm],
  ['MatMul', matmul],
  ['Size', () => [[]]],
  ['Range', range],
  ['GatherElements', (node, shapes) => [input(node, shapes, 1)]],
])
