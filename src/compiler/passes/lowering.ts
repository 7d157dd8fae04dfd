import { SentinodeError } from '../../errors.js'
import type { Emitter } from '../emitter.js'
import type { Graph } from '../graph.js'
import type { Folded, Layouts } from '../layout.js'
import { type NodeProto, describe, intAttribute, intsAttribute, stringAttribute } from '../onnx.js'
import type { Dim, Shapes } from '../shapes.js'

/** What the lowering of one operator works with. */
export interface Lowering {
  readonly graph: Graph
  readonly shapes: Shapes
  readonly emit: Emitter
  readonly layouts: Layouts
  /** Convolve by fewer multiplications than taps along T, where that can be (fast-taps.ts). */
  readonly fastTaps: boolean
  /** Records that `node` was rewritten. */
  readonly note: (node: NodeProto, what: string) => void
}

/** MODEL_UNSUPPORTED_OPERATOR, naming the node and the reason. */
export function unsupported(node: NodeProto, reason: string): SentinodeError {
  return new SentinodeError('MODEL_UNSUPPORTED_OPERATOR', `${describe(node)} cannot be lowered: ${reason}`)
}

/** How a window moves over one axis. `before` and `after` are null where SAME padding depends on the size. */
export interface AxisWindow {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly before: number | null
  readonly after: number | null
}

/** A window over four axes, apart: along T, and over D, H, W as attributes of an operator over three. */
export interface FourAxisWindow {
  readonly time: AxisWindow
  readonly space: {
    readonly kernel_shape: readonly number[]
    readonly strides: readonly number[]
    readonly dilations: readonly number[]
    readonly pads: readonly number[] | undefined
    readonly auto_pad: string | undefined
  }
}

/**
 * Reads a window's attributes for an input with sizes `input` along T, D, H, W. SAME padding becomes numbers
 * where the sizes are known or do not matter. Where they do, D, H, W leave it to the operator over three axes.
 */
export function readWindow(
  node: NodeProto,
  kernel: readonly number[],
  input: readonly Dim[],
): FourAxisWindow {
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET')
  const list = (name: string, length: number, value: number): number[] => {
    const given = intsAttribute(node, name) ?? []
    if (given.length === 0) return new Array<number>(length).fill(value)
    if (given.length !== length) {
      throw unsupported(node, `${name} has ${given.length} values, ${length} were expected`)
    }
    return given
  }
  const strides = list('strides', 4, 1)
  const dilations = list('dilations', 4, 1)
  if (kernel.length !== 4 || [...kernel, ...strides, ...dilations].some((v) => v < 1)) {
    throw unsupported(node, 'kernel sizes, strides and dilations must be four numbers of at least 1')
  }
  const given = autoPad === 'NOTSET' ? list('pads', 8, 0) : new Array<number>(8).fill(0)
  if (given.some((p) => p < 0)) throw unsupported(node, 'it has negative pads')
  const axes = kernel.map((k, i): AxisWindow => {
    const window = { kernel: k, stride: strides[i] ?? 1, dilation: dilations[i] ?? 1 }
    if (!autoPad.startsWith('SAME')) return { ...window, before: given[i] ?? 0, after: given[i + 4] ?? 0 }
    return { ...window, ...samePads(autoPad, input[i] ?? null, window) }
  })
  if (intAttribute(node, 'ceil_mode', 0) === 0)
    axes.forEach((axis, i) => checkReach(node, axis, input[i] ?? null, i))
  // Such a pool comes out with negative padding in ONNX Runtime.
  const open = axes.some((a) => a.before === null)
  if (open && node.opType !== 'Conv' && axes.some((a) => a.kernel < a.stride)) {
    throw unsupported(
      node,
      `auto_pad ${autoPad} with strides wider than the kernel needs sizes that are known`,
    )
  }
  const [time, ...space] = axes
  if (time === undefined) throw unsupported(node, 'it has no kernel')
  return { time, space: spaceAttributes(node, space, autoPad) }
}

function checkReach(node: NodeProto, axis: AxisWindow, size: Dim, at: number): void {
  const { kernel, dilation, before, after } = axis
  const reach = (kernel - 1) * dilation + 1
  if (typeof size !== 'number' || before === null || after === null || reach <= size + before + after) return
  const [name, there] = [['T', 'D', 'H', 'W'][at], size + before + after]
  throw unsupported(node, `its kernel reaches over ${reach} along ${name}, with padding there are ${there}`)
}

function spaceAttributes(
  node: NodeProto,
  axes: readonly AxisWindow[],
  autoPad: string,
): FourAxisWindow['space'] {
  const pads = [...axes.map((a) => a.before), ...axes.map((a) => a.after)]
  const known = pads.every((p) => p !== null)
  if (!known && axes.some((a) => a.dilation > 1)) {
    throw unsupported(
      node,
      `auto_pad ${autoPad} with strides and dilations needs sizes D, H, W that are known`,
    )
  }
  return {
    kernel_shape: axes.map((a) => a.kernel),
    strides: axes.map((a) => a.stride),
    dilations: axes.map((a) => a.dilation),
    pads: known ? pads : undefined,
    auto_pad: known ? undefined : autoPad,
  }
}

/** Zeros that SAME padding adds; null where they depend on a size that is not known. */
function samePads(
  autoPad: string,
  size: Dim,
  { kernel, stride, dilation }: Pick<AxisWindow, 'kernel' | 'stride' | 'dilation'>,
): Pick<AxisWindow, 'before' | 'after'> {
  const reach = (kernel - 1) * dilation + 1
  if (reach === 1) return { before: 0, after: 0 }
  if (typeof size !== 'number' && stride !== 1) return { before: null, after: null }
  const total =
    typeof size === 'number' ? Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size) : reach - 1
  const small = Math.floor(total / 2)
  const large = total - small
  return autoPad === 'SAME_UPPER' ? { before: small, after: large } : { before: large, after: small }
}

/** Whether a window leaves an axis as it is. */
export function isIdentity({ kernel, stride, before, after }: AxisWindow): boolean {
  return kernel === 1 && stride === 1 && before === 0 && after === 0
}

/** What is known of T, D, H, W of a folded value. */
export function sizes({ t, frame }: Folded): Dim[] {
  return [t, ...frame.slice(1)].map((extent) => (typeof extent === 'number' ? extent : null))
}
