import { axesOf } from '../../shape-rules.js'
import { slicedIndices } from '../../shape-elements.js'
import type { Dim, Shape } from '../../shapes.js'
import { type NodeProto, attribute, intAttribute, intsAttribute, stringAttribute } from '../../onnx.js'
import { product, tensorFloats } from '../../tensors.js'
import {
  type Axis,
  type Frame,
  type Frames,
  isPadded,
  sameAxes,
  zeroFrames,
  zeros,
  MOST_FRAMES,
  frameCount,
} from './frames.js'
import type { Recognition } from './recognition.js'
import { addBias, addFrames, convolve } from './sums.js'

type Rule = (node: NodeProto, around: Recognition) => Frames | null

/** What a node makes of the frames of its inputs; null where that is nothing that is followed. */
export function followNode(node: NodeProto, around: Recognition): Frames | null {
  return RULES.get(node.opType)?.(node, around) ?? null
}

const first = (node: NodeProto, around: Recognition): Frames | null => around.frames(node.input[0] ?? '')

const normal = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

const same: Rule = first

/** Picks positions along T; other axes must stay whole. */
function pick(value: Frames, axis: number, positions: readonly number[]): Frames | null {
  const label = value.axes[axis]
  const frames = positions.map((p) => value.frames[p])
  return label === 'T' && frames.every((f) => f !== undefined) ? { ...value, frames } : null
}

const slice: Rule = (node, around) => {
  let value = first(node, around)
  const ints = (name: string, at: number): Shape | null =>
    intsAttribute(node, name) ?? around.shapes.elements(node.input[at] ?? '')
  const [starts, ends] = [ints('starts', 1), ints('ends', 2)]
  const axes = ints('axes', 3) ?? starts?.map((_, i) => i) ?? []
  const steps = ints('steps', 4)
  if (value === null || starts === null || ends === null) return null
  for (const [i, given] of axes.entries()) {
    const [start, end, step] = [starts[i] ?? null, ends[i] ?? null, steps?.[i] ?? 1]
    if (typeof given !== 'number' || value === null) return null
    const axis = normal(given, value.axes.length)
    const size = around.shapes.dim(node.input[0] ?? '', axis)
    const whole =
      start === 0 && step === 1 && (end === size || (typeof end === 'number' && end >= 2 ** 31 - 1))
    if (whole && size !== null) continue
    if (typeof start !== 'number' || typeof end !== 'number' || typeof step !== 'number') return null
    if (step === 0) return null
    value = pick(value, axis, slicedIndices(value.frames.length, start, end, step))
  }
  return value
}

const gather: Rule = (node, around) => {
  const value = first(node, around)
  const [index = ''] = node.input.slice(1)
  const picked = around.shapes.elements(index)
  if (value === null || picked?.every((i) => typeof i === 'number') !== true) return null
  const axis = normal(intAttribute(node, 'axis', 0), value.axes.length)
  const result = pick(
    value,
    axis,
    picked.map((i) => normal(i, value.frames.length)),
  )
  const rank = around.shapes.rank(index)
  if (rank === 1) return result
  // One frame alone, without its axis.
  return rank === 0 && result !== null ? { ...result, axes: value.axes.filter((_, i) => i !== axis) } : null
}

const squeeze: Rule = (node, around) => {
  const value = first(node, around)
  const axes = axesOf(node, around.shapes, 1)
  if (value?.frames.length !== 1 || axes === null || axes === 'all' || axes.length !== 1) return null
  const axis = normal(axes[0] ?? 0, value.axes.length)
  return value.axes[axis] === 'T' ? { ...value, axes: value.axes.filter((_, i) => i !== axis) } : null
}

const unsqueeze: Rule = (node, around) => {
  const value = first(node, around)
  const axes = axesOf(node, around.shapes, 1)
  if (value === null || axes === null || axes === 'all' || axes.length !== 1 || hasTime(value)) return null
  return { ...value, axes: insert(value.axes, normal(axes[0] ?? 0, value.axes.length + 1), 'T') }
}

const hasTime = (value: Frames): boolean => value.axes.some((a) => a.includes('T'))

function insert(axes: readonly Axis[], at: number, axis: Axis): Axis[] {
  return [...axes.slice(0, at), axis, ...axes.slice(at)]
}

const transpose: Rule = (node, around) => {
  const value = first(node, around)
  const perm = intsAttribute(node, 'perm')
  if (value === null || perm?.length !== value.axes.length) return null
  const axes = perm.map((p) => value.axes[p])
  return axes.every((a) => a !== undefined) ? { ...value, axes } : null
}

/** Merging T with N, or with channels, and the way back. */
const reshape: Rule = (node, around) => {
  const value = first(node, around)
  const from = around.shapes.of(node.input[0] ?? '')
  const to = target(node, around)
  if (value === null || from === null || to === null || isPadded(value)) return null
  const equal = (a: Dim | undefined, b: Dim | undefined): boolean => a !== null && a !== undefined && a === b
  const tail = (a: Shape, b: Shape, count: number): boolean =>
    Array.from({ length: count }, (_, i) => i + 1).every((i) => equal(a.at(-i), b.at(-i)))
  const [axes, count] = [value.axes.join(), value.frames.length]
  const space = tail(from, to, 3)
  const channels = equal(from.at(-4), to.at(-4)) || to.at(-4) === null

  if (to.length === from.length && (tail(from, to, from.length) || (from.length === 5 && tail(from, to, 4))))
    return value
  if (space && channels && to.length === 5) {
    if (axes === 'N,T,C,D,H,W') return { ...value, axes: ['NT', 'C', 'D', 'H', 'W'] }
    if (axes === 'T,N,C,D,H,W') return { ...value, axes: ['TN', 'C', 'D', 'H', 'W'] }
  }
  if (space && channels && to.length === 6) {
    if (axes === 'NT,C,D,H,W' && to[1] === count) return { ...value, axes: ['N', 'T', 'C', 'D', 'H', 'W'] }
    if (axes === 'TN,C,D,H,W' && to[0] === count) return { ...value, axes: ['T', 'N', 'C', 'D', 'H', 'W'] }
    if (axes === 'N,C,D,H,W' && to[1] === 1 && equal(from[0], to[0])) {
      return { ...value, axes: ['N', 'T', 'C', 'D', 'H', 'W'] }
    }
  }
  if (
    axes === 'N,C,D,H,W' &&
    space &&
    to.length === 6 &&
    to[2] === 1 &&
    equal(from[0], to[0]) &&
    equal(from[1], to[1])
  ) {
    return { ...value, axes: ['N', 'C', 'T', 'D', 'H', 'W'] }
  }
  if (axes === 'N,T,C,D,H,W' && space && to.length === 5 && equal(from[0], to[0])) {
    const c = from[2]
    if (typeof c !== 'number' || to[1] !== c * count || value.frames.some((stack) => stack.length > 1))
      return null
    return { ...value, axes: ['N', 'C', 'D', 'H', 'W'], frames: [value.frames.flat()] }
  }
  return null
}

/** The shape that a Reshape makes: what it is told, where inference knows less. */
function target(node: NodeProto, around: Recognition): Shape | null {
  const inferred = around.shapes.of(node.output[0] ?? '')
  const told = around.shapes.elements(node.input[1] ?? '')
  return inferred?.map((d, i) => d ?? (told?.[i] === -1 ? null : (told?.[i] ?? null))) ?? null
}

const pad: Rule = (node, around) => {
  const value = first(node, around)
  const pads =
    around.graph.opset < 11 ? intsAttribute(node, 'pads') : around.shapes.elements(node.input[1] ?? '')
  const rank = value?.axes.length ?? 0
  const zero = stringAttribute(node, 'mode', 'constant') === 'constant' && isZeroFill(node, around)
  if (value === null || !zero || (node.input[3] ?? '') !== '' || pads?.length !== 2 * rank) return null
  if (!pads.every((p) => typeof p === 'number' && p >= 0 && p <= MOST_FRAMES)) return null
  const numbers = pads.map(Number)
  let { frames } = value
  const space = [...value.spacePads]
  for (const [i, axis] of value.axes.entries()) {
    const [before = 0, after = 0] = [numbers[i], numbers[i + rank]]
    if (before === 0 && after === 0) continue
    const place = ['D', 'H', 'W'].indexOf(axis)
    if (axis === 'T') {
      frames = [...zeros(before), ...frames, ...zeros(after)]
    } else if (place >= 0 && !frames.flat().some((f) => f.kind === 'sum')) {
      space[place] = (space[place] ?? 0) + before
      space[place + 3] = (space[place + 3] ?? 0) + after
    } else {
      return null
    }
  }
  return { ...value, frames, spacePads: space }
}

function isZeroFill(node: NodeProto, { graph }: Recognition): boolean {
  const fill = node.input[2] ?? ''
  if (graph.opset < 11) return (attribute(node, 'value')?.f ?? 0) === 0
  if (fill === '') return true
  const tensor = graph.constant(fill)
  return tensor !== null && tensorFloats(tensor)[0] === 0
}

const concat: Rule = (node, around) => {
  const values = node.input.map((name) => around.frames(name))
  const known = values.filter((v) => v !== null)
  const [head] = known
  if (head === undefined || known.length < values.length || known.some((v) => isPadded(v))) return null
  if (!known.every((v) => v.axes.join() === head.axes.join())) return null
  const axis = normal(intAttribute(node, 'axis', 0), head.axes.length)
  const label = head.axes[axis]
  if (label === 'T') return { ...head, frames: known.flatMap((v) => v.frames) }
  if (label === 'N' && !hasTime(head) && axis === 0) {
    return { ...head, axes: ['TN', ...head.axes.slice(1)], frames: known.flatMap((v) => v.frames) }
  }
  if (label !== 'C' || !known.every((v) => v.frames.length === head.frames.length)) return null
  if (known.some((v) => v.frames.flat().some((f) => f.kind === 'sum'))) return null
  return { ...head, frames: head.frames.map((_, t) => known.flatMap((v) => v.frames[t] ?? [])) }
}

const conv: Rule = (node, around) => {
  const value = first(node, around)
  if (value?.axes.length !== 5 || value.axes.slice(1).join() !== 'C,D,H,W' || value.axes[0] === 'C')
    return null
  return convolve(node, value, around)
}

const add: Rule = (node, around) => {
  const [a = '', b = ''] = node.input
  const [left, right] = [around.frames(a), around.frames(b)]
  if (left !== null && right !== null)
    return sameAxes(left, right) && !isPadded(left) && !isPadded(right) ? addFrames(left, right) : null
  if (left !== null) return addBias(left, b, around)
  return right === null ? null : addBias(right, a, around)
}

/** Broadcasting to the shape that a value has already. */
const expand: Rule = (node, around) => {
  const shape = around.shapes.of(node.input[0] ?? '')
  const to = around.shapes.of(node.output[0] ?? '')
  if (shape === null || to === null) return null
  const whole = shape.length === to.length && shape.every((d, i) => d !== null && d === to[i])
  return whole ? first(node, around) : zeroTensor(node, node.input[0] ?? '', around)
}

const filled: Rule = (node, around) => {
  const value = attribute(node, 'value')?.t
  if (value !== undefined && !(value.dataType === 1 && tensorFloats(value)[0] === 0)) return null
  return zeroValue(node, around)
}

function zeroTensor(node: NodeProto, fill: string, around: Recognition): Frames | null {
  const tensor = around.graph.constant(fill)
  if (tensor?.dataType !== 1 || product(tensor.dims.map(Number)) !== 1 || tensorFloats(tensor)[0] !== 0)
    return null
  return zeroValue(node, around)
}

function zeroValue(node: NodeProto, { shapes }: Recognition): Frames | null {
  const count = frameCount(node.output[0] ?? '', shapes)
  return count === null ? null : zeroFrames(count)
}

/** `out[:, :, t] = frame` as exporters write it: all of N and C, one position along T. */
const scatter: Rule = (node, around) => {
  const [data = '', indices = '', updates = ''] = node.input
  const [into, from] = [around.frames(data), around.frames(updates)]
  if (into === null || from === null || isPadded(into) || isPadded(from)) return null
  if (stringAttribute(node, 'reduction', 'none') !== 'none') return null
  if (into.axes.join() !== 'N,C,T,D,H,W' || from.axes.join() !== 'N,C,T,D,H,W' || from.frames.length !== 1)
    return null
  const t =
    node.opType === 'ScatterND' ? scatteredFrame(indices, data, around) : expandedIndex(node, indices, around)
  const frame = from.frames[0]
  if (t === null || frame === undefined || t < 0 || t >= into.frames.length) return null
  return { ...into, frames: into.frames.map((old, i): readonly Frame[] => (i === t ? frame : old)) }
}

/** ScatterElements along T with an index that is the same everywhere. */
function expandedIndex(node: NodeProto, indices: string, { graph, shapes }: Recognition): number | null {
  const expand = graph.producer(indices)
  const index = shapes.elements(expand?.input[0] ?? '')
  const along = normal(intAttribute(node, 'axis', 0), 6) === 2
  return along && expand?.opType === 'Expand' && index?.length === 1 && typeof index[0] === 'number'
    ? index[0]
    : null
}

/** ScatterND with indices (every n, every c, one t): a grid of two whole ranges and a number. */
function scatteredFrame(indices: string, data: string, around: Recognition): number | null {
  const grid = around.graph.producer(indices)
  if (grid?.opType !== 'Concat' || grid.input.length !== 3) return null
  const [n = '', c = '', t = ''] = grid.input.map((name) => around.origin(name))
  if (!around.isWholeRange(n, data, 0) || !around.isWholeRange(c, data, 1)) return null
  const position = around.shapes.elements(t)
  return position?.length === 1 && typeof position[0] === 'number' ? position[0] : null
}

const RULES = new Map<string, Rule>([
  ['Identity', same],
  ['Slice', slice],
  ['Gather', gather],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Transpose', transpose],
  ['Reshape', reshape],
  ['Pad', pad],
  ['Concat', concat],
  ['Conv', conv],
  ['Add', add],
  ['Expand', expand],
  ['ConstantOfShape', filled],
  ['ScatterND', scatter],
  ['ScatterElements', scatter],
])
