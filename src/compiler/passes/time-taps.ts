import { type Extent } from '../emitter.js'
import { DataType, type NodeProto, stringAttribute } from '../onnx.js'
import { type AxisWindow, type Lowering, unsupported } from './lowering.js'

/** Above this many an index is made when the model runs. */
const MOST_PICKS = 1 << 16

/** Frames as rows: a tensor [N, T, elements of a frame]. */
export interface Frames {
  readonly value: string
  readonly t: Extent
}

/** Adds the frames of zeros that a window over T needs before and after. */
export function padTime(node: NodeProto, frames: Frames, window: AxisWindow, lowering: Lowering): Frames {
  const { emit } = lowering
  const { before, after } = window
  if (before === null || after === null) return padSame(node, frames, window, lowering)
  if (before === 0 && after === 0) return frames
  const value = emit.padZeros(frames.value, 3, 1, before, after)
  const t = typeof frames.t === 'number' ? frames.t + before + after : emit.sizeOf(value, 1)
  return { value, t }
}

/** SAME padding with a stride along T, where the number of frames is known only when run. */
function padSame(node: NodeProto, frames: Frames, window: AxisWindow, { emit, graph }: Lowering): Frames {
  if (graph.opset < 11) {
    throw unsupported(node, 'auto_pad SAME with a stride over a dynamic T needs opset 11 or later')
  }
  const { kernel, stride, dilation } = window
  const reach = (kernel - 1) * dilation + 1
  const t = emit.extent(frames.t)
  const outputs = emit.op('Div', [emit.op('Add', [t, emit.ints([stride - 1])]), emit.ints([stride])])
  const covered = emit.op('Add', [
    emit.op('Mul', [outputs, emit.ints([stride])]),
    emit.ints([reach - stride]),
  ])
  // Max takes int64 from opset 12 only; Relu takes float32 always, and exact it is up to 2^24 frames.
  const needed = emit.op('Cast', [emit.op('Sub', [covered, t])], { to: DataType.FLOAT })
  const total = emit.op('Cast', [emit.op('Relu', [needed])], { to: DataType.INT64 })
  const small = emit.op('Div', [total, emit.ints([2])])
  const large = emit.op('Sub', [total, small])
  const upper = stringAttribute(node, 'auto_pad', '') === 'SAME_UPPER'
  const [before, after] = upper ? [small, large] : [large, small]
  const zero = emit.ints([0])
  const pads = emit.op('Concat', [zero, before, zero, zero, after, zero], { axis: 0 })
  const value = emit.op('Pad', [frames.value, pads], { mode: 'constant' })
  return { value, t: emit.sizeOf(value, 1) }
}

/** [N, T, E] to [N, T', kT*E] (in one shape or another of the same elements): each output frame's taps in order. */
export function takeTaps(frames: Frames, window: AxisWindow, lowering: Lowering): Frames {
  const { emit, graph } = lowering
  const { kernel, stride, dilation } = window
  const reach = (kernel - 1) * dilation + 1
  const taps = Array.from({ length: kernel }, (_, i) => i * dilation)
  const count = typeof frames.t === 'number' ? Math.floor((frames.t - reach) / stride) + 1 : Infinity
  if (typeof frames.t === 'number' && count * kernel <= MOST_PICKS) {
    const picks = Array.from({ length: count }, (_, t) => taps.map((tap) => t * stride + tap)).flat()
    if (picks.length === frames.t && picks.every((p, i) => p === i)) return { value: frames.value, t: count }
    const index = emit.ints(picks, [count, kernel])
    return { value: emit.op('Gather', [frames.value, index], { axis: 1 }), t: count }
  }
  if (graph.opset < 11) return slicedTaps(frames, window, taps, lowering)
  // Scalars, for Range takes nothing else.
  const size = emit.reshape(emit.extent(frames.t), [])
  const limit = emit.op('Sub', [size, emit.ints([reach - 1], [])])
  const starts = emit.op('Range', [emit.ints([0], []), limit, emit.ints([stride], [])])
  const index = emit.op('Add', [emit.reshape(starts, [-1, 1]), emit.ints(taps, [1, kernel])])
  const value = emit.op('Gather', [frames.value, index], { axis: 1 })
  return { value, t: emit.sizeOf(value, 1) }
}

/** The same from slices, for opsets without Range. */
function slicedTaps(
  frames: Frames,
  window: AxisWindow,
  taps: readonly number[],
  { emit, graph }: Lowering,
): Frames {
  const last = taps.at(-1) ?? 0
  const slices = taps.map((tap) => {
    const end = tap === last ? 2 ** 31 - 1 : tap - last
    if (window.stride === 1) return emit.slice(frames.value, 1, tap, end)
    if (graph.opset >= 10) return emit.slice(frames.value, 1, tap, end, window.stride)
    // A pool with a window of one is a slice with a step, in the opsets whose Slice has none.
    const rows = emit.op('Unsqueeze', [emit.slice(frames.value, 1, tap, end)], { axes: [1] })
    const every = emit.op('MaxPool', [rows], { kernel_shape: [1, 1], strides: [window.stride, 1] })
    return emit.op('Squeeze', [every], { axes: [1] })
  })
  const value = slices.length === 1 ? (slices[0] ?? '') : emit.op('Concat', slices, { axis: 2 })
  return { value, t: emit.sizeOf(value, 1) }
}
