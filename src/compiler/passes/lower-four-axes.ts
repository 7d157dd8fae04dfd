import { Emitter } from '../emitter.js'
import { type Graph, readNames } from '../graph.js'
import { Layouts } from '../layout.js'
import { elementType } from '../element-types.js'
import { DataType, type NodeProto, intsAttribute, isStandard, subgraphs } from '../onnx.js'
import type { PassReport } from '../report.js'
import { Shapes } from '../shapes.js'
import { followLayout } from './follow-layout.js'
import { lowerConv } from './lower-conv.js'
import { lowerConvTranspose } from './lower-conv-transpose.js'
import { lowerNorm } from './lower-norm.js'
import { lowerPool } from './lower-pool.js'
import { followReduction, isFrameReduction, lowerGlobalPool } from './lower-reduction.js'
import { lowerResize, resizesPlain } from './lower-resize.js'
import { type Lowering, unsupported } from './lowering.js'

const LOWERINGS: ReadonlyMap<string, (node: NodeProto, lowering: Lowering) => void> = new Map([
  ['Conv', lowerConv],
  ['ConvTranspose', lowerConvTranspose],
  ['Resize', lowerResize],
  ['Upsample', lowerResize],
  ['MaxPool', lowerPool],
  ['AveragePool', lowerPool],
  ['GlobalAveragePool', lowerGlobalPool],
  ['GlobalMaxPool', lowerGlobalPool],
  ['BatchNormalization', lowerNorm],
  ['InstanceNormalization', lowerNorm],
  ['GroupNormalization', lowerNorm],
])

/** Operators that no execution provider has for float64, in the form that they are lowered to. */
const FLOAT32_ONLY = new Set(
  'ConvTranspose Resize Upsample AveragePool InstanceNormalization GroupNormalization'.split(' '),
)

const RESIZES = new Set(['Resize', 'Upsample'])

/** Operators that run over spatial axes and have no lowering over four. */
const REFUSED = new Set(
  'ConvInteger QLinearConv DeformConv LpPool GlobalLpPool MaxUnpool LRN Col2Im'.split(' '),
)

const WHY = 'no execution provider runs this operator over four spatial axes at speed, most not at all'

/** Spatial axes of a node that convolves, pools or normalises; null where nothing tells. */
export function spatialAxes(node: NodeProto, shapes: Shapes): number | null {
  const kernel = intsAttribute(node, 'kernel_shape')
  if (kernel !== null && kernel.length > 0) return kernel.length
  const rank =
    shapes.rank(node.input[0] ?? '') ??
    (node.opType.includes('Conv') ? shapes.rank(node.input[1] ?? '') : null)
  return rank === null ? null : rank - 2
}

/** Whether the graph or a body in it has an operator that needs lowering. */
export function hasFourAxes(graph: Graph, shapes: Shapes): boolean {
  return graph.nodes.some((node) => {
    if (isSpatial(node) && !RESIZES.has(node.opType) && (spatialAxes(node, shapes) ?? 0) > 3) return true
    if (isStandard(node) && RESIZES.has(node.opType) && shapes.rank(node.input[0] ?? '') === 6) return true
    return subgraphs(node).some((body) => {
      const inner = graph.subgraph(body)
      return hasFourAxes(inner, shapes.within(inner))
    })
  })
}

function isSpatial(node: NodeProto): boolean {
  return isStandard(node) && (LOWERINGS.has(node.opType) || REFUSED.has(node.opType))
}

/**
 * Replaces every operator over four spatial axes by operators over three and fewer. Between them tensors
 * stay folded to [N*T, C, D, H, W]; what stands between and does not mind follows.
 * Throws MODEL_UNSUPPORTED_OPERATOR with the node and the reason.
 */
export function lowerFourAxes(graph: Graph, shapes: Shapes, fastTaps: boolean, report: PassReport): void {
  const emit = new Emitter(graph, 'frames')
  const layouts = new Layouts(emit, shapes)
  const note = (node: NodeProto, what: string): void => report.add(node, what, WHY)
  const lowering: Lowering = { graph, shapes, emit, layouts, fastTaps, note }
  const replaced = new Set<NodeProto>()
  const readBefore = new Set(graph.nodes.flatMap((node) => [...readNames(node)]))

  for (const node of graph.nodes) {
    emit.origin = node.name || (node.output[0] ?? '')
    for (const body of subgraphs(node)) {
      const inner = graph.subgraph(body)
      lowerFourAxes(inner, shapes.within(inner), fastTaps, report)
    }
    if (isSpatial(node) && needsLowering(node, graph, shapes)) {
      const lower = LOWERINGS.get(node.opType)
      if (FLOAT32_ONLY.has(node.opType) && elementType(node.input[0] ?? '', graph) === DataType.DOUBLE)
        throw unsupported(
          node,
          'its values are float64, for which ONNX Runtime has no kernel of it; convert the model to float32 (in PyTorch, model.float()), which is what precision fp32 computes in',
        )
      if (lower === undefined) throw unsupported(node, `${node.opType} over four spatial axes is not offered`)
      lower(node, lowering)
    } else if (isStandard(node) && isFrameReduction(node, lowering)) {
      followReduction(node, lowering)
    } else if (!isStandard(node) || !followLayout(node, lowering)) {
      for (const name of readNames(node)) layouts.unfold(name)
      emit.keep(node)
      continue
    }
    replaced.add(node)
  }
  if (replaced.size === 0) return
  for (const { name } of graph.proto.output) layouts.unfold(name)
  graph.nodes = emit.nodes
  graph.prune(emit.made, readBefore)
}

function needsLowering(node: NodeProto, graph: Graph, shapes: Shapes): boolean {
  if (RESIZES.has(node.opType)) return !resizesPlain(node, { graph, shapes })
  const axes = spatialAxes(node, shapes)
  if (axes !== null && axes > 4)
    throw unsupported(node, `it has ${axes} spatial axes, at most 4 are supported`)
  if (axes === null && node.opType !== 'BatchNormalization') {
    throw unsupported(node, 'the rank of its input is not known before it runs')
  }
  return axes === 4
}
