import type { Graph } from '../../graph.js'
import { type NodeProto, floatAttribute, intAttribute, isStandard, makeNode } from '../../onnx.js'
import type { PassReport } from '../../report.js'
import { axesOf } from '../../shape-rules.js'
import type { Shapes } from '../../shapes.js'
import { floatTensor, tensorDims } from '../../tensors.js'
import { ACTIVATION_OPERATORS } from './activations.js'
import { type RegionContext, constant } from './steps.js'

const WHY = 'what leaves a region and comes back to it splits it in two'

/** A value of one number a channel, with the nodes that compute it as [N, C, 1, 1, 1, 1]. */
interface Lifted {
  readonly name: string
  readonly nodes: readonly NodeProto[]
}

/**
 * What squeezes a value over four axes to [N, C], takes it through linear layers and brings it back as
 * [N, C, 1, 1, 1, 1], written without leaving six axes: a linear layer is a convolution of one voxel. Float32 alone.
 */
export function liftSqueezed(graph: Graph, shapes: Shapes, report: PassReport): void {
  const lifted = new Map<string, Lifted>()
  const replaced = new Map<NodeProto, readonly NodeProto[]>()
  const readBefore = new Set(graph.nodes.flatMap((node) => node.input))
  for (const node of graph.nodes) {
    const [x = ''] = node.input
    const [y = ''] = node.output
    if (!isStandard(node) || node.output.length !== 1) continue
    const from = lifted.get(x)
    if (from !== undefined && isBack(node, shapes)) {
      if (shapes.rank(y) !== 6) lifted.set(y, from)
      else
        replaced.set(node, [...from.nodes, makeNode('Identity', [from.name], [y], {}, { name: node.name })])
      continue
    }
    const next = from === undefined ? squeezed(node, graph, shapes) : onward(node, from, { graph, shapes })
    if (next !== null) lifted.set(y, next)
  }
  if (replaced.size === 0) return
  const placed = new Set<NodeProto>()
  for (const node of replaced.keys()) report.add(node, 'linear layers as convolutions of one voxel', WHY)
  graph.nodes = graph.nodes.flatMap((node) => {
    const nodes = (replaced.get(node) ?? [node]).filter((n) => !placed.has(n))
    for (const n of nodes) placed.add(n)
    return nodes
  })
  graph.prune(new Set(graph.nodes.filter((n) => n.output.some((name) => lifted.has(name)))), readBefore)
}

/** Whether all axes behind the first two have one position. */
function isFlat(value: string, shapes: Shapes): boolean {
  const shape = shapes.of(value)
  return shape !== null && shape.length >= 2 && shape.slice(2).every((d) => d === 1)
}

const MOVES = new Set(['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze'])

/** A node that only gives a lifted value another number of axes. */
function isBack(node: NodeProto, shapes: Shapes): boolean {
  const [x = ''] = node.input
  const [y = ''] = node.output
  if (!MOVES.has(node.opType) || !isFlat(x, shapes) || !isFlat(y, shapes)) return false
  return shapes.dim(x, 1) !== null && shapes.dim(x, 1) === shapes.dim(y, 1)
}

/** Where [N, C] comes from six axes: a reduction that drops them, or a pooled value that is flattened. */
function squeezed(node: NodeProto, graph: Graph, shapes: Shapes): Lifted | null {
  const [x = ''] = node.input
  const [y = ''] = node.output
  if (shapes.rank(x) !== 6 || shapes.rank(y) !== 2) return null
  if (isBack(node, shapes)) return { name: x, nodes: [] }
  if (node.opType !== 'ReduceMean' && node.opType !== 'ReduceMax') return null
  const axes = axesOf(node, shapes, 1)
  if (axes === null || axes === 'all') return null
  const reduced = axes.map((a) => (a < 0 ? a + 6 : a)).sort()
  if (reduced.join() !== '2,3,4,5') return null
  const name = graph.fresh(`${y}_lifted`)
  const type = node.opType === 'ReduceMean' ? 'GlobalAveragePool' : 'GlobalMaxPool'
  return { name, nodes: [makeNode(type, [x], [name], {}, { name: graph.fresh(`${name}_node`) })] }
}

/** One layer further; null for what does not keep to one number a channel. */
function onward(node: NodeProto, from: Lifted, context: RegionContext): Lifted | null {
  const { graph } = context
  const [y = ''] = node.output
  const add = (opType: string, inputs: readonly string[]): Lifted => {
    const name = graph.fresh(`${y}_lifted`)
    const made = makeNode(opType, [from.name, ...inputs], [name], {}, { name: graph.fresh(`${name}_node`) })
    return {
      name,
      nodes: [...from.nodes, opType === node.opType ? { ...made, attribute: node.attribute } : made],
    }
  }
  if (ACTIVATION_OPERATORS.includes(node.opType)) return add(node.opType, [])
  if (context.shapes.rank(node.input[0] ?? '') !== 2) return null
  if (node.opType === 'Gemm' || node.opType === 'MatMul') {
    const layer = linear(node, context)
    return layer === null ? null : add('Conv', layer)
  }
  if ((node.opType === 'Add' || node.opType === 'Mul') && node.input.length === 2) {
    const values = constant(node.input[1] ?? '', context)
    const dims = tensorDims(graph.constant(node.input[1] ?? '') ?? floatTensor('', [0], new Float32Array()))
    if (values === null || dims.slice(0, -1).some((d) => d !== 1) || dims.length > 2) return null
    return add(node.opType, [keep(graph, [values.length, 1, 1, 1, 1], values)])
  }
  return null
}

/** Weights [M, C, 1, 1, 1, 1], and a bias [M] where there is one. */
function linear(node: NodeProto, context: RegionContext): string[] | null {
  const { graph } = context
  const [, w = '', b = ''] = node.input
  const [weights, bias] = [constant(w, context), b === '' ? null : constant(b, context)]
  const tensor = graph.constant(w)
  if (weights === null || tensor === null || (b !== '' && bias === null)) return null
  const dims = tensorDims(tensor)
  if (dims.length !== 2 || intAttribute(node, 'transA', 0) === 1) return null
  const across = intAttribute(node, 'transB', 0) === 1
  const [m = 0, c = 0] = across ? dims : [...dims].reverse()
  const [alpha, beta] = [floatAttribute(node, 'alpha', 1), floatAttribute(node, 'beta', 1)]
  const ordered = Float32Array.from({ length: m * c }, (_, i) => {
    const [row, column] = [Math.floor(i / c), i % c]
    return alpha * (weights[across ? i : column * m + row] ?? 0)
  })
  const names = [keep(graph, [m, c, 1, 1, 1, 1], ordered)]
  if (bias === null) return names
  if (bias.length !== m && bias.length !== 1) return null
  const spread = Float32Array.from({ length: m }, (_, i) => beta * (bias[bias.length === 1 ? 0 : i] ?? 0))
  return [...names, keep(graph, [m], spread)]
}

function keep(graph: Graph, dims: readonly number[], values: Float32Array): string {
  const name = graph.fresh('lifted_constant')
  graph.addInitializer(floatTensor(name, dims, values))
  return name
}
