import type { Extent } from '../emitter.js'
import { foldedRows } from '../layout.js'
import { type NodeProto, intAttribute, intsAttribute, stringAttribute } from '../onnx.js'
import { floatTensor, product, tensorDims, tensorFloats } from '../tensors.js'
import { type Lowering, sizes, unsupported } from './lowering.js'
import { padTime, takeTaps } from './time-taps.js'
import { type Phases, type TransposedAxis, phasesOf, readTransposed } from './transposed-window.js'

/**
 * ConvTranspose over T, D, H, W as one over D, H, W: the frames that a cell of output frames sees are stacked into
 * its channels, and all frames of the cell are computed at once, some channels each. Exact: the same products are
 * summed.
 */
export function lowerConvTranspose(node: NodeProto, lowering: Lowering): void {
  const { emit, layouts, shapes } = lowering
  const [x = '', w = '', bias = ''] = node.input
  const [y = ''] = node.output
  const folded = layouts.fold(x)
  const weightShape = shapes.of(w)?.slice(2) ?? []
  const kernel = intsAttribute(node, 'kernel_shape') ?? weightShape.map(Number)
  if (kernel.length !== 4 || kernel.some((k) => !Number.isInteger(k)))
    throw unsupported(node, 'the size of its kernel is known only when it runs')
  const axes = readTransposed(node, kernel, sizes(folded))
  if (axes === null) throw unsupported(node, 'its attributes do not fit its four spatial axes')
  const [time, ...space] = axes
  if (time === null || time === undefined)
    throw unsupported(node, 'output_shape over a number of frames that is known only when it runs')

  const group = intAttribute(node, 'group', 1)
  const phases = phasesOf(time)
  const [, ...frame] = folded.frame
  const channels = shapes.dim(w, 0)
  const c = typeof channels === 'number' ? channels : (folded.frame[0] ?? 0)
  let { value, t } = folded
  if (phases.taps > 1 || phases.before > 0 || phases.after > 0) {
    const { taps, before, after } = phases
    const window = { kernel: taps, stride: 1, dilation: 1, before, after }
    const frames = { value: emit.reshape(value, [folded.n, t, -1]), t }
    const stacked = takeTaps(padTime(node, frames, window, lowering), window, lowering)
    t = stacked.t
    const rows = foldedRows({ n: folded.n, t })
    let apart = stacked.value
    if (group > 1 && taps > 1)
      apart = emit.transpose(emit.reshape(apart, [folded.n, t, taps, group, -1]), [0, 1, 3, 2, 4])
    value = emit.reshape(apart, [rows, emit.times(c, taps), ...frame])
  }
  const weight = phaseWeights(node, w, kernel, group, phases, lowering)
  const result = emit.op('ConvTranspose', [value, weight], spaceAttributes(node, kernel, space, group))
  const outputs = finishFrames({ node, result, n: folded.n, t, time, phases, group, bias }, lowering)
  layouts.defineFrom(y, outputs.value, folded.n, outputs.t)
  const cells = time.stride === 1 ? '' : `, ${time.stride} frames at once`
  lowering.note(node, `ConvTranspose over D, H, W${cells}`)
}

function spaceAttributes(
  node: NodeProto,
  kernel: readonly number[],
  axes: readonly (TransposedAxis | null)[],
  group: number,
): Record<string, number | readonly number[] | string | undefined> {
  const list = (name: string): number[] | undefined => intsAttribute(node, name)?.slice(-3)
  const shared = {
    kernel_shape: kernel.slice(1),
    strides: list('strides'),
    dilations: list('dilations'),
    group: group === 1 ? undefined : group,
  }
  if (axes.every((axis) => axis !== null)) {
    // What is added behind is output padding to ONNX; it has to be less than a stride there.
    const pads = [...axes.map((a) => a.before), ...axes.map((a) => Math.max(0, a.after))]
    const padding = axes.map((a) => Math.max(0, -a.after))
    return { ...shared, pads, output_padding: padding.every((p) => p === 0) ? undefined : padding }
  }
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET')
  return {
    ...shared,
    output_shape: list('output_shape'),
    output_padding: list('output_padding'),
    auto_pad: autoPad === 'NOTSET' ? undefined : autoPad,
  }
}

/** Weights [C, M/g, kT, kD, kH, kW] as [g * taps * C/g, phases * M/g, kD, kH, kW]. */
function phaseWeights(
  node: NodeProto,
  name: string,
  kernel: readonly number[],
  group: number,
  phases: Phases,
  lowering: Lowering,
): string {
  const { emit, graph } = lowering
  const tensor = graph.constant(name)
  if (tensor === null) return phaseWeightsAtRun(node, name, kernel, phases, lowering)
  const [c = 0, perGroup = 0, kT = 1, ...space] = tensorDims(tensor)
  const data = tensorFloats(tensor)
  const [groupIn, size] = [c / group, product(space)]
  const { tapOf, taps } = phases
  const dims = [c * taps, tapOf.length * perGroup, ...space]
  const result = new Float64Array(product(dims))
  let at = 0
  for (let g = 0; g < group; g++) {
    for (let tap = 0; tap < taps; tap++) {
      for (let i = 0; i < groupIn; i++) {
        for (const phase of tapOf) {
          const k = phase[tap] ?? -1
          for (let m = 0; m < perGroup; m++, at += size) {
            if (k < 0) continue
            const from = (((g * groupIn + i) * perGroup + m) * kT + k) * size
            result.set(data.subarray(from, from + size), at)
          }
        }
      }
    }
  }
  return emit.constant(floatTensor(`${name}_phases`, dims, result, tensor.dataType))
}

/** The same for weights that the model computes, without phases and overlaps along T. */
function phaseWeightsAtRun(
  node: NodeProto,
  name: string,
  kernel: readonly number[],
  phases: Phases,
  { emit }: Lowering,
): string {
  if (phases.taps > 1 || phases.tapOf.length > 1)
    throw unsupported(
      node,
      'weights that are known only when it runs need a kernel of one frame and no stride along T',
    )
  const space = kernel.slice(1)
  return emit.reshape(name, [0, -1, ...space])
}

interface Finish {
  readonly node: NodeProto
  readonly result: string
  readonly n: Extent
  readonly t: Extent
  readonly time: TransposedAxis
  readonly phases: Phases
  readonly group: number
  readonly bias: string
}

/** Cells [N*Q, phases * M, ...] as frames [N*T, M, ...], those that are cut off left out, with the bias. */
function finishFrames(
  { node, result, n, t, time, phases, group, bias }: Finish,
  lowering: Lowering,
): { value: string; t: Extent } {
  const { emit, layouts, shapes } = lowering
  const [y = ''] = node.output
  const { stride } = time
  const m = layouts.extent(y, 1, result, 1)
  const channels = typeof m === 'number' ? m : shapes.dim(node.input[1] ?? '', 1)
  if (typeof channels !== 'number')
    throw unsupported(node, 'its number of output channels is known only when it runs')
  const space = [3, 4, 5].map((axis, i) => layouts.extent(y, axis, result, i + 2))
  let value = result
  let frames = t
  if (stride > 1) {
    if (group > 1) {
      const apart = emit.reshape(value, [emit.product([n, t]), group, stride, -1])
      value = emit.transpose(apart, [0, 2, 1, 3])
    }
    frames = emit.times(t, stride)
  }
  const { cutBefore, cutAfter } = phases
  if (cutBefore > 0 || cutAfter > 0) {
    const rows = emit.reshape(value, [n, frames, -1])
    value = emit.slice(rows, 1, cutBefore, cutAfter === 0 ? 2 ** 31 - 1 : -cutAfter)
    frames = typeof frames === 'number' ? frames - cutBefore - cutAfter : emit.sizeOf(value, 1)
  }
  value = emit.reshape(value, [foldedRows({ n, t: frames }), channels, ...space])
  if (bias !== '') value = emit.op('Add', [value, emit.reshape(bias, [channels, 1, 1, 1])])
  return { value, t: frames }
}
