import type { ReduceOp } from '../emitter.js'
import { type NodeProto, intAttribute } from '../onnx.js'
import { axesOf } from '../shape-rules.js'
import type { Lowering } from './lowering.js'

const REDUCTION_OF: Readonly<Record<string, ReduceOp>> = {
  GlobalAveragePool: 'ReduceMean',
  GlobalMaxPool: 'ReduceMax',
}

const SEPARABLE = new Set<string>(['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceSum'])

/** A global pool as reductions over the elements of each frame and over the frames. */
export function lowerGlobalPool(node: NodeProto, lowering: Lowering): void {
  const op = REDUCTION_OF[node.opType] ?? 'ReduceMean'
  reduceFrames(node, op, [1, 1, 1, 1], lowering)
  lowering.note(node, `${op} over T, D, H, W`)
}

/** Whether the node reduces exactly T, D, H, W of a value that is held folded. */
export function isFrameReduction(node: NodeProto, { shapes, layouts }: Lowering): boolean {
  const [x = ''] = node.input
  if (!SEPARABLE.has(node.opType) || !layouts.isFoldedOnly(x)) return false
  const axes = axesOf(node, shapes, 1)
  if (axes === null || axes === 'all') return false
  return (
    [...axes]
      .map((a) => (a < 0 ? a + 6 : a))
      .sort()
      .join() === '2,3,4,5'
  )
}

/** A reduction over T, D, H, W without going back to the plain layout first. */
export function followReduction(node: NodeProto, lowering: Lowering): void {
  const kept = intAttribute(node, 'keepdims', 1) === 1 ? [1, 1, 1, 1] : []
  reduceFrames(node, node.opType as ReduceOp, kept, lowering)
}

function reduceFrames(node: NodeProto, op: ReduceOp, trailing: readonly number[], lowering: Lowering): void {
  const { emit, layouts } = lowering
  const [x = ''] = node.input
  const [y = ''] = node.output
  if (layouts.isFoldedOnly(x)) {
    const { value, n, t, frame } = layouts.fold(x)
    const [c = 0] = frame
    const perFrame = emit.reduce(op, emit.reshape(value, [n, t, c, -1]), [3])
    const whole = emit.reduce(op, perFrame, [1])
    emit.reshape(whole, [n, c, ...trailing], y)
  } else {
    const n = layouts.extent(x, 0, x, 0)
    const c = layouts.extent(x, 1, x, 1)
    const whole = emit.reduce(op, emit.reshape(x, [0, 0, -1]), [2])
    emit.reshape(whole, [n, c, ...trailing], y)
  }
  layouts.definePlain(y)
}
