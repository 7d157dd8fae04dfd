import { type NodeProto, intsAttribute, stringAttribute } from '../onnx.js'
import type { Dim } from '../shapes.js'

/** How a transposed window moves over one axis: input i and tap k meet in output i * stride + k * dilation - before. */
export interface TransposedAxis {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  /** Outputs cut off at the begin and at the end; below zero where outputs that no input reaches are added. */
  readonly before: number
  readonly after: number
}

/** Outputs from the first that an input reaches to the last that any reaches: of one input. */
export const reach = ({ kernel, dilation }: TransposedAxis): number => (kernel - 1) * dilation + 1

/** Outputs of `size` inputs. */
export function transposedSize(axis: TransposedAxis, size: number): number {
  return (size - 1) * axis.stride + reach(axis) - axis.before - axis.after
}

/**
 * The attributes of a ConvTranspose over `kernel.length` axes, for an input of these sizes; null for an axis
 * whose cuts depend on a size that is not known (output_shape), or altogether where they do not fit together.
 */
export function readTransposed(
  node: NodeProto,
  kernel: readonly number[],
  input: readonly Dim[],
): readonly (TransposedAxis | null)[] | null {
  const count = kernel.length
  const list = (name: string, length: number, absent: number): number[] => {
    const given = intsAttribute(node, name) ?? []
    return given.length === 0 ? new Array<number>(length).fill(absent) : given
  }
  const [strides, dilations] = [list('strides', count, 1), list('dilations', count, 1)]
  const padding = list('output_padding', count, 0)
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET')
  const pads = autoPad === 'NOTSET' ? list('pads', 2 * count, 0) : new Array<number>(2 * count).fill(0)
  const lists = [kernel, strides, dilations, padding]
  const agree = lists.every((values) => values.length === count) && pads.length === 2 * count
  if (!agree || [...kernel, ...strides, ...dilations].some((v) => v < 1)) return null
  if ([...padding, ...pads].some((v) => v < 0)) return null
  const wanted = (intsAttribute(node, 'output_shape') ?? []).slice(-count)
  return kernel.map((k, i) => {
    const [stride = 1, dilation = 1, extra = 0] = [strides[i], dilations[i], padding[i]]
    const axis = { kernel: k, stride, dilation }
    const own = (k - 1) * dilation + 1
    if (wanted.length === count) {
      const size = input[i] ?? null
      if (typeof size !== 'number') return null
      return { ...axis, ...shared((size - 1) * stride + own + extra - (wanted[i] ?? 0), extra, autoPad) }
    }
    if (autoPad.startsWith('SAME')) return { ...axis, ...shared(own + extra - stride, extra, autoPad) }
    return { ...axis, before: pads[i] ?? 0, after: (pads[i + count] ?? 0) - extra }
  })
}

/** ONNX: of what is too much, the odd one is cut off at the end with SAME_UPPER, else at the begin. */
function shared(total: number, extra: number, autoPad: string): Pick<TransposedAxis, 'before' | 'after'> {
  if (total < 0) return { before: 0, after: total - extra }
  const small = Math.floor(total / 2)
  const [before, after] = autoPad === 'SAME_UPPER' ? [small, total - small] : [total - small, small]
  return { before, after: after - extra }
}

/** A transposed window as ordinary ones of stride 1: one for each phase that outputs have within a stride. */
export interface Phases {
  /** Inputs that the outputs of one cell of `stride` outputs see. */
  readonly taps: number
  /** For each phase the kernel's tap at each input under it, from the first input on; -1 for none. */
  readonly tapOf: readonly (readonly number[])[]
  /** Zeros around the input. */
  readonly before: number
  readonly after: number
  /** Outputs cut off from the cells. */
  readonly cutBefore: number
  readonly cutAfter: number
}

export function phasesOf(axis: TransposedAxis): Phases {
  const { kernel, stride, dilation, before, after } = axis
  const cells = Math.ceil(reach(axis) / stride)
  const tapOf = Array.from({ length: stride }, (_, phase) =>
    Array.from({ length: cells }, (_, at) => {
      const offset = phase + (cells - 1 - at) * stride
      return offset % dilation === 0 && offset / dilation < kernel ? offset / dilation : -1
    }),
  )
  // All outputs lie in size - 1 + whole cells, as many as begin in the kernel's reach and what is added behind.
  const added = Math.max(0, -after)
  const whole = Math.ceil((reach(axis) + added) / stride)
  const cut = { cutBefore: before, cutAfter: whole * stride - reach(axis) - added + Math.max(0, after) }
  const padded = { taps: cells, tapOf, before: cells - 1, after: whole - 1 }
  if (stride > 1) return { ...padded, ...cut }
  // Without phases, fewer zeros around the input leave out the same outputs.
  const [first, last] = [Math.min(cut.cutBefore, padded.before), Math.min(cut.cutAfter, padded.after)]
  return {
    ...padded,
    before: padded.before - first,
    after: padded.after - last,
    cutBefore: cut.cutBefore - first,
    cutAfter: cut.cutAfter - last,
  }
}
