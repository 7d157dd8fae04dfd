import { isSentinodeError } from '../../errors.js'
import { MOVES } from '../constants/moves.js'
import { NUMBERS } from '../constants/numbers.js'
import { type Graph, readNames } from '../graph.js'
import { DataType, type NodeProto, type TensorProto, intsAttribute, isStandard, subgraphs } from '../onnx.js'
import type { PassReport } from '../report.js'
import type { Shapes } from '../shapes.js'
import { elementCount, int64Tensor } from '../tensors.js'

/** A tensor larger than this is not made: the graph makes it when it runs, as it would have. */
const MOST_ELEMENTS = 2 ** 27
/** Elements that all folding of a graph may make together, beyond those that it reads. */
const MOST_MADE = 2 ** 28

/**
 * Replaces what a graph computes from constants alone by the result, so that passes see weights where an
 * exporter wrote casts, transpositions, quantisation or the sums of a weight norm. Only graphs that may hold
 * convolutions over three or four axes are touched. What can be told of shapes before a run is a constant too.
 */
export function foldConstants(graph: Graph, shapes: Shapes, report: PassReport): void {
  if (!graph.nodes.some((node) => isConcerned(node, shapes))) return
  const readBefore = new Set(graph.nodes.flatMap((node) => [...readNames(node)]))
  const gone = new Set<NodeProto>()
  let made = 0
  for (const node of graph.nodes) {
    if (!isStandard(node) || subgraphs(node).length > 0 || node.output.some((name) => graph.isOutput(name)))
      continue
    if (node.opType === 'Constant') continue
    const results = evaluateOrLeave(node, graph, shapes)
    if (results === null) continue
    const count = results.reduce((sum, t) => sum + elementCount(t), 0)
    if (made + count > MOST_MADE) break
    made += count
    node.output.forEach((name, i) => {
      const tensor = results[i]
      if (tensor === undefined || name === '') return
      tensor.name = name
      graph.addInitializer(tensor)
    })
    gone.add(node)
    if (count > 64) report.add(node, 'computed when it was compiled', 'it depends on constants alone')
  }
  if (gone.size === 0) return
  graph.nodes = graph.nodes.filter((node) => !gone.has(node))
  graph.prune(new Set(), readBefore)
}

/** Whether the node convolves over three axes or more, or has more axes than three and batch and channels. */
function isConcerned(node: NodeProto, shapes: Shapes): boolean {
  if (!isStandard(node)) return false
  const spatial = intsAttribute(node, 'kernel_shape')?.length ?? 0
  if (spatial >= 3 || node.output.some((name) => (shapes.rank(name) ?? 0) >= 6)) return true
  return node.opType.startsWith('Conv') && (shapes.rank(node.input[1] ?? '') ?? 0) >= 5
}

/** Whether a constant's elements are numbers: text is left alone. */
function isPlain(tensor: TensorProto | null): boolean {
  return (
    tensor === null || (tensor.dataType >= 1 && tensor.dataType <= 16 && tensor.dataType !== DataType.STRING)
  )
}

/** What is not valid is left as it is: ONNX Runtime refuses it with a reason. */
function evaluateOrLeave(node: NodeProto, graph: Graph, shapes: Shapes): TensorProto[] | null {
  try {
    return evaluate(node, graph, shapes)
  } catch (error) {
    if (isSentinodeError(error) || error instanceof RangeError || error instanceof TypeError) return null
    throw error
  }
}

function evaluate(node: NodeProto, graph: Graph, shapes: Shapes): TensorProto[] | null {
  if (!node.input.every((name) => isPlain(graph.constant(name)))) return null
  const rule = MOVES.get(node.opType) ?? NUMBERS.get(node.opType)
  const inputs = node.input.map((name) => (name === '' ? undefined : graph.constant(name)))
  if (rule === undefined || inputs.length === 0 || inputs.includes(null))
    return knownSizes(node, graph, shapes)
  const size = shapes
    .of(node.output[0] ?? '')
    ?.reduce<number>((a, d) => (typeof d === 'number' ? a * d : a), 1)
  if ((size ?? 0) > MOST_ELEMENTS) return null
  return rule(
    node,
    inputs.map((t) => t ?? undefined),
    graph.opset,
  )
}

/** Sizes that are known before any run, as a constant: what Shape, Gather and Concat would make of them. */
function knownSizes(node: NodeProto, graph: Graph, shapes: Shapes): TensorProto[] | null {
  const [name = ''] = node.output
  if (node.opType !== 'Shape' && graph.producer(node.input[0] ?? '')?.opType !== 'Shape') return null
  if (node.opType !== 'Shape' && node.opType !== 'Gather' && node.opType !== 'Slice') return null
  const [elements, shape] = [shapes.elements(name), shapes.of(name)]
  if (elements?.every((d) => typeof d === 'number') !== true || shape === null) return null
  if (shape.length > 1 || (shape.length === 1 && shape[0] !== elements.length)) return null
  return [int64Tensor('', shape.length === 0 ? [] : [elements.length], elements)]
}
