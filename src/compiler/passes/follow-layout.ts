import { FRAMES_FIRST } from '../layout.js'
import { type NodeProto, type TensorProto, intAttribute, intsAttribute } from '../onnx.js'
import { product, reshapeTensor, tensorDims, transposeTensor } from '../tensors.js'
import type { Lowering } from './lowering.js'
import { passOn } from './lower-norm.js'

/**
 * Operators between two lowered ones that do not mind in which layout their input is held. Each function
 * returns whether it could follow; otherwise the caller goes back to the plain layout.
 */
export function followLayout(node: NodeProto, lowering: Lowering): boolean {
  if (!node.input.some((name) => lowering.layouts.isFoldedOnly(name))) return false
  if (node.output.slice(1).some((o) => o !== '')) return false
  if (UNARY.has(node.opType)) return followUnary(node, lowering)
  if (ELEMENTWISE.has(node.opType)) return followElementwise(node, lowering)
  if (node.opType === 'Concat') return followConcat(node, lowering)
  if (node.opType === 'Pad') return followPad(node, lowering)
  return false
}

/** Elementwise in their first input; further inputs are scalars. */
const UNARY = new Set(
  (
    'Abs Acos Acosh Asin Asinh Atan Atanh Cast Ceil Celu Clip Cos Cosh Dropout Elu Erf Exp Floor Gelu HardSigmoid ' +
    'HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin ' +
    'Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu'
  ).split(' '),
)

const ELEMENTWISE = new Set(
  'Add Sub Mul Div Pow Mod Max Min Sum Mean And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual Where PRelu'.split(
    ' ',
  ),
)

function followUnary(node: NodeProto, lowering: Lowering): boolean {
  const [x = '', ...rest] = node.input
  const { layouts } = lowering
  if (!layouts.isFoldedOnly(x)) return false
  const folded = layouts.fold(x)
  layouts.define(node.output[0] ?? '', { ...folded, value: passOn(node, [folded.value, ...rest], lowering) })
  return true
}

/** On folded tensors where shapes are known to agree, otherwise on [N, T, C, D, H, W], where ONNX broadcasts. */
function followElementwise(node: NodeProto, lowering: Lowering): boolean {
  const { layouts, shapes, graph } = lowering
  const [y = ''] = node.output
  if (node.input.some((name) => (shapes.rank(name) ?? 7) > 6)) return false
  const anchor = node.input.find((name) => layouts.isFoldedOnly(name)) ?? ''
  const small = node.input.map((name) => {
    const tensor = graph.constant(name)
    return tensor === null ? null : alongFrame(name, tensor, lowering)
  })
  const agree = node.input.every(
    (name, i) => small[i] !== null || (shapes.rank(name) === 6 && layouts.sameShape(name, anchor)),
  )
  if (agree) {
    const inputs = node.input.map((name, i) => small[i] ?? layouts.fold(name).value)
    layouts.define(y, { ...layouts.fold(anchor), value: passOn(node, inputs, lowering) })
    return true
  }
  const result = passOn(
    node,
    node.input.map((name) => framesFirst(name, lowering)),
    lowering,
  )
  defineFrames(y, result, lowering)
  return true
}

/** A constant that is the same for all of N and T, shaped to broadcast against [N*T, C, D, H, W]. */
function alongFrame(name: string, tensor: TensorProto, { emit }: Lowering): string | null {
  const dims = tensorDims(tensor)
  if (product(dims) === 1) return emit.constant(reshapeTensor(tensor, `${name}_scalar`, []))
  const [n, c = 1, t, ...space] = [...new Array<number>(6 - dims.length).fill(1), ...dims]
  if (n !== 1 || t !== 1) return null
  return dims.length <= 3 ? name : emit.constant(reshapeTensor(tensor, `${name}_frame`, [c, ...space]))
}

/** Any operand of rank up to 6, as one that broadcasts against [N, T, C, D, H, W]. */
function framesFirst(name: string, lowering: Lowering): string {
  const { layouts, shapes, emit, graph } = lowering
  const rank = shapes.rank(name) ?? 0
  if (layouts.isFolded(name)) return layouts.frames(layouts.fold(name))
  if (rank <= 3) return name
  const constant = graph.constant(name)
  const lead = new Array<number>(6 - rank).fill(1)
  if (constant !== null) {
    const whole = reshapeTensor(constant, name, [...lead, ...tensorDims(constant)])
    return emit.constant(transposeTensor(whole, `${name}_frames`, FRAMES_FIRST))
  }
  const sizes = Array.from({ length: rank }, (_, axis) => layouts.extent(name, axis, name, axis))
  return emit.transpose(rank === 6 ? name : emit.reshape(name, [...lead, ...sizes]), FRAMES_FIRST)
}

/** Says that `value` is held in `tensor` [N, T, C, D, H, W]. */
function defineFrames(value: string, tensor: string, { emit, layouts }: Lowering): void {
  const [n = 0, c = 0, t = 0, ...space] = [0, 1, 2, 3, 4, 5].map((axis) =>
    layouts.extent(value, axis, tensor, FRAMES_FIRST[axis] ?? 0),
  )
  const rows = typeof n === 'number' && typeof t === 'number' ? n * t : -1
  const frame = [c, ...space]
  layouts.define(value, { value: emit.reshape(tensor, [rows, ...frame]), n, t, frame })
}

function followConcat(node: NodeProto, lowering: Lowering): boolean {
  const { layouts, emit } = lowering
  const [y = ''] = node.output
  const given = intAttribute(node, 'axis', 1)
  const axis = given < 0 ? given + 6 : given
  const first = layouts.fold(node.input.find((name) => layouts.isFoldedOnly(name)) ?? '')
  if (axis === 0 || axis === 2) {
    const inputs = node.input.map((name) => layouts.frames(layouts.fold(name)))
    defineFrames(y, emit.op('Concat', inputs, { axis: FRAMES_FIRST[axis] }), lowering)
  } else {
    const inputs = node.input.map((name) => layouts.fold(name).value)
    const result = emit.op('Concat', inputs, { axis: axis === 1 ? 1 : axis - 1 })
    layouts.defineFrom(y, result, first.n, first.t)
  }
  return true
}

/** Constant padding of channels and space: frames stay frames. */
function followPad(node: NodeProto, lowering: Lowering): boolean {
  const { layouts, emit, shapes, graph } = lowering
  const [x = '', padsName = '', fill = '', axes = ''] = node.input
  const [y = ''] = node.output
  if (!layouts.isFoldedOnly(x) || axes !== '') return false
  const pads = graph.opset < 11 ? intsAttribute(node, 'pads') : shapes.elements(padsName)
  if (pads?.length !== 12 || !pads.every((p) => typeof p === 'number')) return false
  const [n, , t] = pads
  if ([n, t, pads[6], pads[8]].some((p) => p !== 0)) return false
  const { value, ...folded } = layouts.fold(x)
  const inner = [0, 1, 3, 4, 5, 6, 7, 9, 10, 11].map((i) => pads[i] ?? 0)
  const copy: NodeProto =
    graph.opset < 11
      ? {
          ...node,
          attribute: node.attribute.map((a) => (a.name === 'pads' ? { ...a, ints: inner.map(BigInt) } : a)),
        }
      : node
  const inputs = graph.opset < 11 ? [value] : [value, emit.ints(inner), ...(fill === '' ? [] : [fill])]
  layouts.defineFrom(y, passOn(copy, inputs, lowering), folded.n, folded.t)
  return true
}
