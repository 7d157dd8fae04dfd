import type { Graph } from '../../graph.js'
import {
  DataType,
  type NodeProto,
  floatAttribute,
  intAttribute,
  intsAttribute,
  isStandard,
} from '../../onnx.js'
import type { Shapes } from '../../shapes.js'
import { readResize } from '../../resize.js'
import { axesOf } from '../../shape-rules.js'
import { isFloat, tensorDims, tensorFloats } from '../../tensors.js'
import { readWindow } from '../lowering.js'
import { ACTIVATION_OPERATORS, type Activation, activation, activationOf } from './activations.js'
import type { PlanValue } from './plan.js'
import { convTranspose } from './transposed.js'

/** What a node of the graph is in a region's plan. Names are those of the graph's values. */
export type RegionNode =
  | {
      readonly kind: 'step'
      readonly word: string
      readonly inputs: readonly string[]
      readonly keys: Readonly<Record<string, PlanValue>>
      readonly tensors: Readonly<Record<string, Float32Array | undefined>>
      /** Whether an activation may follow in the same step. */
      readonly takesActivation: boolean
      /** Two values of exactly the same shape: neither is spread over T, D, H, W. */
      readonly sameShape: boolean
      /** The keys of a shuffle that follows. */
      readonly shuffle?: Readonly<Record<'groups' | 'factors' | 'cuts', PlanValue>>
    }
  | {
      readonly kind: 'activation'
      readonly input: string
      readonly activation: Activation
      /** Of prelu: one number a channel. */
      readonly slope?: Float32Array
    }
  /** Its output is its input. */
  | { readonly kind: 'alias'; readonly input: string }

export type RegionStep = Extract<RegionNode, { kind: 'step' }>

export interface RegionContext {
  readonly graph: Graph
  readonly shapes: Shapes
  /** Nodes that stand for a run of others (joined.ts). */
  readonly joined?: ReadonlyMap<NodeProto, RegionNode>
}

type Reader = (node: NodeProto, context: RegionContext) => RegionNode | null

/** The node as part of a region, null where the region's operators cannot do what it does. */
export function readRegionNode(node: NodeProto, context: RegionContext): RegionNode | null {
  const joined = context.joined?.get(node)
  if (joined !== undefined) return joined
  const reader = isStandard(node) ? READERS.get(node.opType) : undefined
  if (reader === undefined || node.output.slice(1).some((o) => o !== '')) return null
  if (context.shapes.rank(node.output[0] ?? '') !== 6) return null
  return reader(node, context)
}

/** Whether the operator is worth a region: the others only keep one together. */
export function isHeavy(node: RegionNode): boolean {
  return node.kind === 'step' && !LIGHT.has(node.word)
}

const LIGHT = new Set(
  'scale_shift concat add sub mul div max min channel_mean channel_max channel_norm resize'.split(' '),
)

export function step(
  word: string,
  inputs: readonly string[],
  keys: Readonly<Record<string, PlanValue>> = {},
  tensors: Readonly<Record<string, Float32Array | undefined>> = {},
  takesActivation = false,
): RegionStep {
  return { kind: 'step', word, inputs, keys, tensors, takesActivation, sameShape: false }
}

/** A constant's elements as numbers, whatever its type of floating point; null for anything else. */
export function floatsOf(name: string, { graph }: RegionContext): Float32Array | Float64Array | null {
  const tensor = graph.constant(name)
  return tensor !== null && isFloat(tensor.dataType) ? tensorFloats(tensor) : null
}

/** A constant float32 tensor's elements, null for anything else. */
export function constant(name: string, { graph }: RegionContext): Float32Array | null {
  const tensor = graph.constant(name)
  if (tensor?.dataType !== DataType.FLOAT) return null
  const floats = tensorFloats(tensor)
  return floats instanceof Float32Array ? floats : null
}

/** A constant of one number a channel (or one for all), for a value of `channels`; null for any other operand. */
export function perChannel(name: string, channels: number, context: RegionContext): Float32Array | null {
  const values = constant(name, context)
  const tensor = context.graph.constant(name)
  if (values === null || tensor === null) return null
  if (values.length === 1) return new Float32Array(channels).fill(values[0] ?? 0)
  const dims = tensorDims(tensor)
  const lead = [...new Array<number>(Math.max(0, 6 - dims.length)).fill(1), ...dims]
  const shaped = lead.length === 6 && lead.every((d, axis) => d === (axis === 1 ? channels : 1))
  return shaped ? values : null
}

/** The plan's limit. */
export const MOST_CHANNELS = 16384

function channelsOf(value: string, { shapes }: RegionContext): number | null {
  const c = shapes.dim(value, 1)
  return typeof c === 'number' && c <= MOST_CHANNELS ? c : null
}

const conv: Reader = (node, context) => {
  const [x = '', w = '', b = ''] = node.input
  const tensor = context.graph.constant(w)
  const weight = constant(w, context)
  const bias = b === '' ? undefined : constant(b, context)
  if (tensor === null || weight === null || bias === null || context.shapes.rank(x) !== 6) return null
  const [channels = 0, , ...kernel] = tensorDims(tensor)
  const window = numericWindow(node, kernel, context)
  if (window === null || channels > MOST_CHANNELS) return null
  const keys = { channels, ...window, groups: intAttribute(node, 'group', 1) }
  return step('conv', [x], keys, { weight, bias }, true)
}

type WindowKeys = Record<'kernel' | 'strides' | 'dilations' | 'pads', readonly number[]>

/** Null where the window is beyond the plan's limits, or its padding is known only when it runs. */
function numericWindow(
  node: NodeProto,
  kernel: readonly number[],
  { shapes }: RegionContext,
): WindowKeys | null {
  const sizes = [2, 3, 4, 5].map((axis) => shapes.dim(node.input[0] ?? '', axis))
  const { time, space } = readWindow(node, kernel, sizes)
  if (time.before === null || time.after === null || space.pads === undefined) return null
  const window = {
    kernel,
    strides: [time.stride, ...space.strides],
    dilations: [time.dilation, ...space.dilations],
    pads: [time.before, ...space.pads.slice(0, 3), time.after, ...space.pads.slice(3)],
  }
  const within =
    kernel.every((k, axis) => k <= (axis === 0 ? 31 : 63)) &&
    [...window.strides, ...window.dilations, ...window.pads].every((v) => v <= 255)
  return within ? window : null
}

const pool: Reader = (node, context) => {
  const kernel = intsAttribute(node, 'kernel_shape') ?? []
  if (kernel.length !== 4) return null
  const window = numericWindow(node, kernel, context)
  if (window === null || window.pads.some((p, i) => p >= (kernel[i % 4] ?? 0))) return null
  const { dilations, ...rest } = window
  const ceil = { ceil_mode: intAttribute(node, 'ceil_mode', 0) }
  const [x = ''] = node.input
  if (node.opType === 'MaxPool') return step('max_pool', [x], { ...rest, dilations, ...ceil })
  if (dilations.some((d) => d !== 1)) return null
  return step('average_pool', [x], {
    ...rest,
    ...ceil,
    count_include_pad: intAttribute(node, 'count_include_pad', 0),
  })
}

const globalPool: Reader = (node) =>
  step(node.opType === 'GlobalMaxPool' ? 'global_max_pool' : 'global_average_pool', [node.input[0] ?? ''])

const batchNorm: Reader = (node, context) => {
  const [x = '', ...names] = node.input
  const [scale, beta, mean, variance] = names.map((name) => constant(name, context))
  if (!scale || !beta || !mean || !variance || intAttribute(node, 'training_mode', 0) === 1) return null
  if (intAttribute(node, 'spatial', 1) === 0) return null
  const epsilon = floatAttribute(node, 'epsilon', 1e-5)
  const factor = Float64Array.from(scale, (s, c) => s / Math.sqrt((variance[c] ?? 0) + epsilon))
  const shift = Float32Array.from(factor, (f, c) => (beta[c] ?? 0) - (mean[c] ?? 0) * f)
  return step('scale_shift', [x], {}, { scale: Float32Array.from(factor), shift }, true)
}

const norm: Reader = (node, context) => {
  const [x = '', s = '', b = ''] = node.input
  const channels = channelsOf(x, context)
  const scale = constant(s, context)
  const shift = constant(b, context)
  if (channels === null || scale === null || shift === null) return null
  const keys = { epsilon: floatAttribute(node, 'epsilon', 1e-5) }
  if (node.opType === 'InstanceNormalization') return step('instance_norm', [x], keys, { scale, shift }, true)
  const groups = intAttribute(node, 'num_groups', 1)
  // Until opset 21 there is one scale a group.
  const spread = (v: Float32Array): Float32Array =>
    Float32Array.from({ length: channels }, (_, c) => v[Math.floor((c * v.length) / channels)] ?? 0)
  return step('group_norm', [x], { groups, ...keys }, { scale: spread(scale), shift: spread(shift) }, true)
}

const ofOneValue: Reader = (node) => {
  const found = activationOf(node)
  return found === null ? null : { kind: 'activation', input: node.input[0] ?? '', activation: found }
}

const prelu: Reader = (node, context) => {
  const [input = '', s = ''] = node.input
  const channels = channelsOf(input, context)
  const slope = channels === null ? null : perChannel(s, channels, context)
  if (slope === null) return null
  const [alpha = 0] = slope
  if (slope.every((v) => v === alpha))
    return { kind: 'activation', input, activation: activation('leaky_relu', { alpha }) }
  return { kind: 'activation', input, activation: activation('prelu'), slope }
}

const clip: Reader = (node, context) => {
  const bound = (at: number, name: string, absent: number): number | null => {
    const value = node.input[at] ?? ''
    return value === '' ? floatAttribute(node, name, absent) : (constant(value, context)?.[0] ?? null)
  }
  const [min, max] = [bound(1, 'min', -Infinity), bound(2, 'max', Infinity)]
  if (min === null || max === null || min > max) return null
  return { kind: 'activation', input: node.input[0] ?? '', activation: activation('clip', { min, max }) }
}

const alias: Reader = (node, { graph }) => {
  // Dropout that a model runs in training mode is no identity.
  if (
    node.opType === 'Dropout' &&
    (node.input[2] ?? '') !== '' &&
    graph.constant(node.input[2] ?? '') === null
  )
    return null
  const training = graph.constant(node.input[2] ?? '')
  if (
    training?.rawData?.some((byte) => byte !== 0) === true ||
    training?.int32Data.some((v) => v !== 0) === true
  )
    return null
  return { kind: 'alias', input: node.input[0] ?? '' }
}

const PAIRS: Readonly<Record<string, string>> = {
  Add: 'add',
  Sum: 'add',
  Sub: 'sub',
  Mul: 'mul',
  Div: 'div',
  Max: 'max',
  Min: 'min',
}

/** Elementwise over two values, or over a value and constants per channel. */
const arithmetic: Reader = (node, context) => {
  const [a = '', b = ''] = node.input
  if (node.input.length !== 2) return null
  const constants = [a, b].map((name) => context.graph.constant(name) !== null)
  if (constants[0] === true || constants[1] === true) return affine(node, context)
  const fit = operands(a, b, context)
  if (fit === null) return null
  return { ...step(PAIRS[node.opType] ?? '', [a, b], {}, {}, true), sameShape: fit === 'same' }
}

function affine(node: NodeProto, context: RegionContext): RegionNode | null {
  const [a = '', b = ''] = node.input
  const second = context.graph.constant(b) !== null
  const [x, c] = second ? [a, b] : [b, a]
  const channels = channelsOf(x, context)
  if (channels === null || context.shapes.rank(x) !== 6) return null
  const values = perChannel(c, channels, context)
  if (values === null) return null
  const [ones, zeros] = [new Float32Array(channels).fill(1), new Float32Array(channels)]
  const scaled = (scale: Float32Array, shift: Float32Array): RegionStep =>
    step('scale_shift', [x], {}, { scale, shift }, true)
  switch (node.opType) {
    case 'Mul':
      return scaled(values, zeros)
    case 'Div':
      // A constant divided by a value is another matter.
      return second
        ? scaled(
            values.map((v) => 1 / v),
            zeros,
          )
        : null
    case 'Sub':
      return second
        ? scaled(
            ones,
            values.map((v) => -v),
          )
        : scaled(
            ones.map((v) => -v),
            values,
          )
    case 'Max':
    case 'Min': {
      const [bound = 0] = values
      if (!values.every((v) => v === bound)) return null
      const [min, max] = node.opType === 'Max' ? [bound, Infinity] : [-Infinity, bound]
      return { kind: 'activation', input: x, activation: activation('clip', { min, max }) }
    }
    default:
      return scaled(ones, values)
  }
}

const negation: Reader = (node, context) => {
  const [x = ''] = node.input
  const channels = channelsOf(x, context)
  if (channels === null) return null
  const scale = new Float32Array(channels).fill(-1)
  return step('scale_shift', [x], {}, { scale, shift: new Float32Array(channels) }, true)
}

const power: Reader = (node, context) => {
  const [x = '', exponent = ''] = node.input
  const values = floatsOf(exponent, context)
  if (values?.length !== 1 || context.graph.constant(x) !== null) return null
  if (values[0] === 2) return step('mul', [x, x], {}, {}, true)
  return values[0] === 0.5 ? { kind: 'activation', input: x, activation: activation('sqrt') } : null
}

/**
 * Whether two operands have the same shape, or axes of one position in either that are spread; null for anything
 * else. Rows of a batch stay apart, so N is the same.
 */
function operands(a: string, b: string, { shapes }: RegionContext): 'same' | 'spread' | null {
  const [left, right] = [shapes.of(a), shapes.of(b)]
  if (left?.length !== 6 || right?.length !== 6) return null
  const same = left.map((d, axis) => d !== null && d === right[axis])
  if (same.every(Boolean)) return 'same'
  const spread = left.map((d, axis) => axis > 0 && (d === 1 || right[axis] === 1))
  return same.every((agree, axis) => agree || spread[axis] === true) ? 'spread' : null
}

/** A mean or a maximum over channels, or over the last of T, D, H, W. */
const reduction: Reader = (node, context) => {
  const [x = ''] = node.input
  const axes = axesOf(node, context.shapes, 1)
  if (axes === null || axes === 'all' || intAttribute(node, 'keepdims', 1) !== 1) return null
  const reduced = new Set(axes.map((axis) => (axis < 0 ? axis + 6 : axis)))
  const mean = node.opType === 'ReduceMean'
  if (reduced.size === 1 && reduced.has(1)) return step(mean ? 'channel_mean' : 'channel_max', [x])
  const flags = [2, 3, 4, 5].map((axis) => (reduced.has(axis) ? 1 : 0))
  const last = flags.every((flag, i) => i === 0 || flag >= (flags[i - 1] ?? 0)) && flags[3] === 1
  if (!last || reduced.has(0) || reduced.has(1)) return null
  return step(mean ? 'global_average_pool' : 'global_max_pool', [x], { axes: flags })
}

const concat: Reader = (node, context) => {
  const axis = intAttribute(node, 'axis', 1)
  if ((axis !== 1 && axis !== -5) || node.input.length < 2) return null
  if (
    !node.input.every((name) => channelsOf(name, context) !== null && context.graph.constant(name) === null)
  )
    return null
  const [first = ''] = node.input
  const others = [0, 2, 3, 4, 5]
  const known = node.input.every((name) =>
    others.every(
      (i) =>
        context.shapes.dim(name, i) !== null && context.shapes.dim(name, i) === context.shapes.dim(first, i),
    ),
  )
  return known ? step('concat', node.input) : null
}

const COORDINATES = 'half_pixel half_pixel_symmetric pytorch_half_pixel align_corners asymmetric'.split(' ')

const resize: Reader = (node, context) => {
  const [x = ''] = node.input
  const spec = readResize(node, context.graph, context.shapes)
  if (spec === null || spec.scales[0] !== 1 || spec.scales[1] !== 1) return null
  if ((spec.mode !== 'nearest' && spec.mode !== 'linear') || spec.antialias) return null
  if (!COORDINATES.includes(spec.coordinates) || spec.keepAspect !== 'stretch') return null
  const scales = spec.scales.slice(2).map((scale, i) => {
    const [size, out] = [context.shapes.dim(x, i + 2), spec.sizes[i + 2]]
    if (scale === null || scale <= 0) return null
    // What the plan's own arithmetic makes of a scale has to be the size that is asked for.
    const agrees = !spec.bySize || scale === 1 || Math.floor(Math.fround(Number(size) * scale)) === out
    return agrees ? Math.fround(scale) : null
  })
  if (!scales.every((scale) => scale !== null)) return null
  const [scale_t = 1, scale_d = 1, scale_h = 1, scale_w = 1] = scales
  const { mode, coordinates, nearest: rounding } = spec
  return step('resize', [x], { mode, coordinates, rounding, scale_t, scale_d, scale_h, scale_w })
}

const READERS = new Map<string, Reader>([
  ['Conv', conv],
  ['ConvTranspose', convTranspose],
  ['Resize', resize],
  ['Upsample', resize],
  ['MaxPool', pool],
  ['AveragePool', pool],
  ['GlobalAveragePool', globalPool],
  ['GlobalMaxPool', globalPool],
  ['BatchNormalization', batchNorm],
  ['InstanceNormalization', norm],
  ['GroupNormalization', norm],
  ...ACTIVATION_OPERATORS.map((name) => [name, ofOneValue] as const),
  ['PRelu', prelu],
  ['Clip', clip],
  ['Neg', negation],
  ['Pow', power],
  ['Identity', alias],
  ['Dropout', alias],
  ...Object.keys(PAIRS).map((name) => [name, arithmetic] as const),
  ['ReduceMean', reduction],
  ['ReduceMax', reduction],
  ['Concat', concat],
])
