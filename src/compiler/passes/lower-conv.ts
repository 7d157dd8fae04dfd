import type { Extent } from '../emitter.js'
import { type Folded, foldedRows } from '../layout.js'
import { elementType } from '../element-types.js'
import { DataType, type NodeProto, intAttribute, intsAttribute } from '../onnx.js'
import { reshapeTensor, tensorDims, transposeTensor } from '../tensors.js'
import { type AxisWindow, type Lowering, isIdentity, readWindow, sizes, unsupported } from './lowering.js'
import { lowerFastConv } from './fast-taps.js'
import { lowerDoubleConv } from './lower-conv-double.js'
import { padTime, takeTaps } from './time-taps.js'

/**
 * A convolution over T, D, H, W as one over D, H, W: the kT frames that an output frame needs are stacked
 * into its channels, and the weights [M, C/g, kT, kD, kH, kW] become [M, kT*C/g, kD, kH, kW]. Exact: the
 * same products are summed.
 */
export function lowerConv(node: NodeProto, lowering: Lowering): void {
  const { emit, layouts } = lowering
  const [x = '', w = '', bias = ''] = node.input
  const [y = ''] = node.output
  const kernel = kernelOf(node, lowering)
  const group = intAttribute(node, 'group', 1)
  const folded = withChannels(layouts.fold(x), lowering.shapes.dim(w, 1), group)
  const window = readWindow(node, kernel, sizes(folded))
  if (elementType(x, lowering.graph) === DataType.DOUBLE) {
    lowerDoubleConv(node, { folded, window, group }, lowering)
    return
  }
  if (lowering.fastTaps && lowerFastConv({ node, folded, window }, lowering)) return
  const { time, space } = window

  const { value, t } = isIdentity(time) ? folded : stackTaps(node, folded, time, group, lowering)
  const weight = stackedWeight(w, kernel, lowering)
  const inputs = bias === '' ? [value, weight] : [value, weight, bias]
  const result = emit.op('Conv', inputs, { ...space, group: group === 1 ? undefined : group })
  layouts.defineFrom(y, result, folded.n, t)
  const taps = time.kernel === 1 ? '' : ` of ${time.kernel} frames stacked into channels`
  lowering.note(node, `Conv over D, H, W${taps}`)
}

export function kernelOf(node: NodeProto, { shapes }: Lowering): number[] {
  const given = intsAttribute(node, 'kernel_shape')
  const weight = shapes.of(node.input[1] ?? '')?.slice(2) ?? given ?? []
  const sizes = weight.map((k, i) => (typeof k === 'number' ? k : given?.[i]))
  if (sizes.length !== 4 || !sizes.every((k) => k !== undefined)) {
    throw unsupported(node, 'the size of its kernel is known only when it runs')
  }
  return sizes
}

/** The weights know the number of channels even where the input's shape does not. */
export function withChannels(folded: Folded, perGroup: number | string | null, group: number): Folded {
  if (typeof perGroup !== 'number') return folded
  return { ...folded, frame: [perGroup * group, ...folded.frame.slice(1)] }
}

/** [N*T, C, D, H, W] to [N*T', kT*C, D, H, W]; with groups, the taps of a group stay together. */
export function stackTaps(
  node: NodeProto,
  { value, n, t, frame }: Folded,
  time: AxisWindow,
  group: number,
  lowering: Lowering,
): { value: string; t: Extent } {
  const { emit } = lowering
  const [c = 0, ...space] = frame
  const flat = { value: emit.reshape(value, [n, t, -1]), t }
  const taps = takeTaps(padTime(node, flat, time, lowering), time, lowering)
  const rows = foldedRows({ n, t: taps.t })
  const stacked = [rows, emit.times(c, time.kernel), ...space]
  if (group === 1 || time.kernel === 1) return { value: emit.reshape(taps.value, stacked), t: taps.t }
  const apart = emit.reshape(taps.value, [n, taps.t, time.kernel, group, -1])
  const together = emit.transpose(apart, [0, 1, 3, 2, 4])
  return { value: emit.reshape(together, stacked), t: taps.t }
}

/** Weights [M, C/g, kT, kD, kH, kW] as [M, kT*C/g, kD, kH, kW]: now if they are constant, else when run. */
function stackedWeight(name: string, kernel: readonly number[], { emit, graph }: Lowering): string {
  const [kT = 1, ...space] = kernel
  const tensor = graph.constant(name)
  if (tensor === null) {
    const ordered = kT === 1 ? name : emit.transpose(name, [0, 2, 1, 3, 4, 5])
    return emit.reshape(ordered, [0, -1, ...space])
  }
  const [m = 0, perGroup = 0] = tensorDims(tensor)
  const ordered = kT === 1 ? tensor : transposeTensor(tensor, '', [0, 2, 1, 3, 4, 5])
  return emit.constant(reshapeTensor(ordered, `${name}_taps`, [m, kT * perGroup, ...space]))
}
