import { type NodeProto, intAttribute, intsAttribute } from '../../onnx.js'
import { product, tensorDims } from '../../tensors.js'
import { type Phases, phasesOf, readTransposed } from '../transposed-window.js'
import { MOST_CHANNELS, type RegionContext, type RegionStep, constant, step } from './steps.js'

/** Beyond so many products for one of the kernel's, most are with zeros: ONNX Runtime's operator over three axes is as good. */
const MOST_WASTE = 8

/**
 * ConvTranspose as a convolution of stride 1 that computes all phases of its outputs, a group of channels each,
 * and the shuffle that puts the phases where they belong. Null where a region cannot.
 */
export function convTranspose(node: NodeProto, context: RegionContext): RegionStep | null {
  const [x = '', w = '', b = ''] = node.input
  const tensor = context.graph.constant(w)
  const weight = constant(w, context)
  const bias = b === '' ? undefined : constant(b, context)
  if (tensor === null || weight === null || bias === null || context.shapes.rank(x) !== 6) return null
  const [channels = 0, perGroup = 0, ...kernel] = tensorDims(tensor)
  if (kernel.length !== 4 || (intsAttribute(node, 'kernel_shape') ?? kernel).join() !== kernel.join())
    return null
  const groups = intAttribute(node, 'group', 1)
  const axes = readTransposed(
    node,
    kernel,
    [2, 3, 4, 5].map((axis) => context.shapes.dim(x, axis)),
  )
  if (axes?.every((axis) => axis !== null) !== true) return null
  const phases = axes.map(phasesOf)
  const factors = axes.map((axis) => axis.stride)
  const count = product(factors)
  const taps = phases.map((p) => p.taps)
  if (count * perGroup * groups > MOST_CHANNELS || count * product(taps) > MOST_WASTE * product(kernel))
    return null
  const around = phases.flatMap((p) => [p.before, p.after, p.cutBefore, p.cutAfter])
  if (around.some((v) => v < 0 || v > 255) || taps.some((k, axis) => k > (axis === 0 ? 31 : 63))) return null

  const conv = step(
    'conv',
    [x],
    {
      channels: groups * count * perGroup,
      kernel: taps,
      strides: [1, 1, 1, 1],
      dilations: [1, 1, 1, 1],
      pads: [...phases.map((p) => p.before), ...phases.map((p) => p.after)],
      groups,
    },
    {
      weight: phaseWeights(weight, { channels, perGroup, kernel, groups }, phases),
      bias: bias === undefined ? undefined : spreadOverPhases(bias, groups, count),
    },
    true,
  )
  const cuts = [...phases.map((p) => p.cutBefore), ...phases.map((p) => p.cutAfter)]
  if (count === 1 && cuts.every((cut) => cut === 0)) return conv
  return { ...conv, shuffle: { groups, factors, cuts } }
}

/** [group][channel] to [group][phase][channel]. */
function spreadOverPhases(bias: Float32Array, groups: number, count: number): Float32Array {
  const each = bias.length / groups
  return Float32Array.from({ length: bias.length * count }, (_, i) => {
    const group = Math.floor(i / (each * count))
    return bias[group * each + (i % each)] ?? 0
  })
}

interface Weights {
  readonly channels: number
  readonly perGroup: number
  readonly kernel: readonly number[]
  readonly groups: number
}

/** ONNX's [C][M/g][kernel] to [g][phase][M/g][C/g][taps]. */
function phaseWeights(
  weight: Float32Array,
  { channels, perGroup, kernel, groups }: Weights,
  phases: readonly Phases[],
): Float32Array {
  const groupIn = channels / groups
  const size = product(kernel)
  const places = placesOf(phases, kernel)
  const taps = product(phases.map((p) => p.taps))
  const result = new Float32Array(groups * places.length * perGroup * groupIn * taps)
  let at = 0
  for (let group = 0; group < groups; group++) {
    for (const place of places) {
      for (let m = 0; m < perGroup; m++) {
        for (let c = 0; c < groupIn; c++) {
          const from = ((group * groupIn + c) * perGroup + m) * size
          for (const tap of place) result[at++] = tap < 0 ? 0 : (weight[from + tap] ?? 0)
        }
      }
    }
  }
  return result
}

/** For each phase of four axes, where in the kernel each of its taps is; -1 for none. */
function placesOf(phases: readonly Phases[], kernel: readonly number[]): number[][] {
  let places: number[][] = [[0]]
  phases.forEach(({ tapOf }, axis) => {
    const size = kernel[axis] ?? 1
    places = places.flatMap((place) =>
      tapOf.map((taps) => place.flatMap((p) => taps.map((t) => (p < 0 || t < 0 ? -1 : p * size + t)))),
    )
  })
  return places
}
