import type { Graph } from '../../graph.js'
import { type NodeProto, floatAttribute, intAttribute, intsAttribute, isStandard } from '../../onnx.js'
import { axesOf } from '../../shape-rules.js'
import type { Shapes } from '../../shapes.js'
import { tensorDims } from '../../tensors.js'
import type { Run } from './joined.js'
import { type RegionContext, constant, floatsOf, perChannel, step } from './steps.js'

/** A normalisation without what scales and shifts its result. */
interface Core {
  readonly nodes: NodeProto[]
  readonly input: string
  /** The value that is normalised to mean 0 and variance 1, or mean square 1. */
  readonly output: string
  readonly word: 'group_norm' | 'channel_norm'
  readonly keys: Readonly<Record<string, number>>
  /** Number a channel, as the operator itself scales and shifts. */
  readonly scale: Float32Array
  readonly shift: Float32Array
  /** Where channels are: axis 1, or the last one between two transpositions. */
  readonly axis: 1 | 5
}

/**
 * Normalisations as exporters write them: by groups as Reshape, InstanceNormalization, Reshape; over channels
 * as LayerNormalization or RMSNormalization between two transpositions, or of means, squares and roots, on
 * either axis; with the products and sums per channel that follow.
 */
export function normRuns(graph: Graph, shapes: Shapes): Run[] {
  const context: RegionContext = { graph, shapes }
  const runs: Run[] = []
  const taken = new Set<NodeProto>()
  for (const node of graph.nodes) {
    if (!isStandard(node) || taken.has(node)) continue
    const core = groupsByReshape(node, context) ?? layerNorm(node, context) ?? ofMeans(node, context)
    const run = core === null ? null : finish(core, context)
    if (run === null || [...run.nodes].some((n) => taken.has(n))) continue
    for (const member of run.nodes) taken.add(member)
    runs.push(run)
  }
  return runs
}

/** The node that alone reads a value that does not leave the graph. */
function soleReader(value: string, { graph }: RegionContext): NodeProto | null {
  const readers = graph.consumers(value)
  return readers.length === 1 && !graph.isOutput(value) ? (readers[0] ?? null) : null
}

/** Takes what scales, shifts and transposes back; null where what is left is not of the input's shape. */
function finish(core: Core, context: RegionContext): Run | null {
  const { graph, shapes } = context
  const nodes = new Set(core.nodes)
  let { output, axis } = core
  let last = core.nodes.at(-1)
  const scale = Float64Array.from(core.scale)
  const shift = Float64Array.from(core.shift)
  for (let next = soleReader(output, context); next !== null; next = soleReader(output, context)) {
    if (axis === 5 && next.opType === 'Transpose') {
      const perm = intsAttribute(next, 'perm') ?? []
      if (perm.join() !== '0,5,1,2,3,4') break
      axis = 1
    } else if (!absorb(next, output, axis, { scale, shift }, context)) {
      break
    }
    nodes.add(next)
    last = next
    output = next.output[0] ?? ''
  }
  let input = core.input
  if (core.axis === 5) {
    const before = graph.producer(input)
    if (
      axis !== 1 ||
      before?.opType !== 'Transpose' ||
      intsAttribute(before, 'perm')?.join() !== '0,2,3,4,5,1'
    )
      return null
    nodes.add(before)
    input = before.input[0] ?? ''
  }
  if (last === undefined || shapes.rank(input) !== 6 || shapes.rank(output) !== 6) return null
  serve(nodes, input, graph)
  if (!closed(nodes, last, graph)) {
    // Somebody else reads the transposed input: it stays, and the run begins in the same place.
    const before = core.axis === 5 ? graph.producer(core.input) : undefined
    if (before === undefined || !nodes.delete(before) || !closed(nodes, last, graph)) return null
  }
  const tensors = { scale: Float32Array.from(scale), shift: Float32Array.from(shift) }
  return { nodes, last, input, as: step(core.word, [input], core.keys, tensors, true) }
}

/** A product or a sum with one constant number a channel. */
function absorb(
  node: NodeProto,
  value: string,
  axis: 1 | 5,
  { scale, shift }: { scale: Float64Array; shift: Float64Array },
  context: RegionContext,
): boolean {
  const [a = '', b = ''] = node.input
  const product = node.opType === 'Mul'
  if ((!product && node.opType !== 'Add') || node.input.length !== 2 || a === b) return false
  const values = channelNumbers(a === value ? b : a, axis, scale.length, context)
  if (values === null) return false
  values.forEach((v, c) => {
    if (product) scale[c] = (scale[c] ?? 0) * v
    shift[c] = product ? (shift[c] ?? 0) * v : (shift[c] ?? 0) + v
  })
  return true
}

function channelNumbers(
  name: string,
  axis: 1 | 5,
  channels: number,
  context: RegionContext,
): Float32Array | null {
  if (axis === 1) return perChannel(name, channels, context)
  const values = constant(name, context)
  const tensor = context.graph.constant(name)
  const dims = tensor === null ? [] : tensorDims(tensor)
  if (values?.length === 1) return new Float32Array(channels).fill(values[0] ?? 0)
  return values?.length === channels && dims.at(-1) === channels ? values : null
}

/** Adds nodes that only serve the run: those that compute its shapes. */
function serve(nodes: Set<NodeProto>, input: string, graph: Graph): void {
  const root = graph.producer(input)
  for (const node of nodes) {
    for (const name of node.input) {
      const producer = graph.producer(name)
      if (producer === undefined || producer === root || nodes.has(producer)) continue
      if (producer.output.every((o) => !graph.isOutput(o) && graph.consumers(o).every((r) => nodes.has(r))))
        nodes.add(producer)
    }
  }
}

function closed(nodes: ReadonlySet<NodeProto>, last: NodeProto, graph: Graph): boolean {
  const inside = (name: string): boolean =>
    !graph.isOutput(name) && graph.consumers(name).every((reader) => nodes.has(reader))
  return [...nodes].every((node) => node === last || node.output.every(inside))
}

/** Reshape to [N, groups, -1], InstanceNormalization, Reshape to what it was. */
function groupsByReshape(node: NodeProto, context: RegionContext): Core | null {
  const { graph, shapes } = context
  if (node.opType !== 'InstanceNormalization') return null
  const [flat = '', s = '', b = ''] = node.input
  const before = graph.producer(flat)
  const after = soleReader(node.output[0] ?? '', context)
  const [scale, shift] = [constant(s, context), constant(b, context)]
  if (before?.opType !== 'Reshape' || after?.opType !== 'Reshape' || scale === null || shift === null)
    return null
  const [x = ''] = before.input
  const [y = ''] = after.output
  const [n, groups, ...rest] = shapes.elements(before.input[1] ?? '') ?? []
  const channels = shapes.dim(x, 1)
  const rows = n === 0 || (n !== null && n === shapes.dim(x, 0))
  if (!rows || typeof groups !== 'number' || groups < 1 || rest.length !== 1) return null
  if (typeof channels !== 'number' || channels % groups !== 0 || scale.length !== groups) return null
  // As many elements as before, in six axes with the same channels: the sizes between are the input's own.
  const [from, to] = [shapes.of(x), shapes.of(y)]
  if (from?.length !== 6 || to?.length !== 6 || !sameShape(x, after, context)) return null
  const spread = (v: Float32Array): Float32Array =>
    Float32Array.from({ length: channels }, (_, c) => v[Math.floor((c * groups) / channels)] ?? 0)
  const keys = { groups, epsilon: floatAttribute(node, 'epsilon', 1e-5) }
  const nodes = [before, node, after]
  return {
    nodes,
    input: x,
    output: y,
    word: 'group_norm',
    keys,
    scale: spread(scale),
    shift: spread(shift),
    axis: 1,
  }
}

/** Whether a Reshape gives back the shape of `value`: by sizes that are known, or by its very Shape. */
function sameShape(value: string, reshape: NodeProto, { graph, shapes }: RegionContext): boolean {
  const shape = graph.producer(reshape.input[1] ?? '')
  if (shape?.opType === 'Shape' && shape.input[0] === value && shape.attribute.length === 0) return true
  const [from, to] = [shapes.of(value), shapes.of(reshape.output[0] ?? '')]
  const open = (from ?? []).filter((d, i) => d === null || d !== (to?.[i] ?? null))
  return from?.length === to?.length && open.length === 0
}

/** LayerNormalization and RMSNormalization over the last axis. */
function layerNorm(node: NodeProto, context: RegionContext): Core | null {
  const { shapes } = context
  const centred = node.opType === 'LayerNormalization'
  if (!centred && node.opType !== 'RMSNormalization') return null
  const [x = '', s = '', b = ''] = node.input
  const axis = intAttribute(node, 'axis', -1)
  const channels = shapes.dim(x, 5)
  const scale = constant(s, context)
  const shift = b === '' ? null : constant(b, context)
  if (shapes.rank(x) !== 6 || (axis !== -1 && axis !== 5) || typeof channels !== 'number') return null
  if (scale?.length !== channels || (b !== '' && shift?.length !== channels)) return null
  if (node.output.slice(1).some((o) => o !== '')) return null
  const keys = { epsilon: floatAttribute(node, 'epsilon', 1e-5), centred: centred ? 1 : 0 }
  const [y = ''] = node.output
  const zeros = new Float32Array(channels)
  return {
    nodes: [node],
    input: x,
    output: y,
    word: 'channel_norm',
    keys,
    scale,
    shift: shift ?? zeros,
    axis: 5,
  }
}

/** (x - mean) / sqrt(mean of squares + epsilon), or x / sqrt(mean of x * x + epsilon). */
function ofMeans(node: NodeProto, context: RegionContext): Core | null {
  const { graph, shapes } = context
  if (node.opType !== 'Div' && node.opType !== 'Mul') return null
  const [first = '', second = ''] = node.input
  for (const [value, factor] of node.opType === 'Div'
    ? [[first, second]]
    : [
        [first, second],
        [second, first],
      ]) {
    const nodes: NodeProto[] = [node]
    const take = (name: string | undefined, ...types: string[]): NodeProto | null => {
      const producer = graph.producer(name ?? '')
      if (producer === undefined || !isStandard(producer) || !types.includes(producer.opType)) return null
      nodes.push(producer)
      return producer
    }
    let root = node.opType === 'Div' ? take(factor, 'Sqrt') : null
    if (node.opType === 'Mul') {
      const inverse = take(factor, 'Reciprocal', 'Div')
      const over = inverse?.opType === 'Div' ? inverse.input[1] : inverse?.input[0]
      if (inverse?.opType === 'Div' && floatsOf(inverse.input[0] ?? '', context)?.join() !== '1') continue
      root = take(over, 'Sqrt')
    }
    const sum = take(root?.input[0], 'Add')
    const epsilons = sum?.input.map((name) => floatsOf(name, context)) ?? []
    const at = epsilons.findIndex((e) => e?.length === 1)
    const epsilon = epsilons[at]?.[0]
    const mean = take(sum?.input[1 - at], 'ReduceMean')
    const square = take(mean?.input[0], 'Pow', 'Mul')
    if (epsilon === undefined || epsilon < 0 || mean === null || square === null) continue
    const axis = meanAxis(mean, context)
    if (axis === null || !isSquareOf(square, value ?? '', context)) continue
    let input = value ?? ''
    const centre = graph.producer(input)
    const lessMean = centre?.opType === 'Sub' ? graph.producer(centre.input[1] ?? '') : undefined
    const centred =
      centre !== undefined &&
      lessMean?.opType === 'ReduceMean' &&
      lessMean.input[0] === centre.input[0] &&
      meanAxis(lessMean, context) === axis
    if (centred) {
      nodes.push(centre, lessMean)
      input = centre.input[0] ?? ''
    }
    const channels = shapes.dim(input, axis)
    if (typeof channels !== 'number') continue
    const keys = { epsilon, centred: centred ? 1 : 0 }
    const [scale, shift] = [new Float32Array(channels).fill(1), new Float32Array(channels)]
    const [output = ''] = node.output
    return { nodes: [...nodes.slice(1), node], input, output, word: 'channel_norm', keys, scale, shift, axis }
  }
  return null
}

/** The one axis over which a mean is taken that keeps it. */
function meanAxis(node: NodeProto, { shapes }: RegionContext): 1 | 5 | null {
  const axes = axesOf(node, shapes, 1)
  if (axes === null || axes === 'all' || axes.length !== 1 || intAttribute(node, 'keepdims', 1) !== 1)
    return null
  if (shapes.rank(node.input[0] ?? '') !== 6) return null
  const axis = (axes[0] ?? 0) < 0 ? (axes[0] ?? 0) + 6 : axes[0]
  return axis === 1 || axis === 5 ? axis : null
}

function isSquareOf(node: NodeProto, value: string, context: RegionContext): boolean {
  const [a = '', b = ''] = node.input
  if (a !== value) return false
  return node.opType === 'Mul' ? b === value : floatsOf(b, context)?.join() === '2'
}
