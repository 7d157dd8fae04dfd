import type { Graph } from '../graph.js'
import { type NodeProto, floatAttribute, intAttribute, isStandard } from '../onnx.js'
import type { PassReport } from '../report.js'
import type { Shapes } from '../shapes.js'
import { floatTensor, isFloat, tensorDims, tensorFloats } from '../tensors.js'

/**
 * Folds a batch normalisation into the convolution over four axes before it, where nobody else reads the
 * convolution's output and all parameters are constant: w' = w * s, b' = (b - mean) * s + beta, with
 * s = scale / sqrt(var + epsilon), computed in float64.
 */
export function foldBatchNorm(graph: Graph, shapes: Shapes, report: PassReport): void {
  const dropped = new Set<NodeProto>()
  for (const norm of graph.nodes) {
    if (norm.opType !== 'BatchNormalization' || !isStandard(norm)) continue
    const conv = graph.producer(norm.input[0] ?? '')
    if (conv === undefined || !foldable(graph, shapes, conv, norm)) continue
    if (fold(graph, conv, norm)) {
      dropped.add(norm)
      report.add(norm, `folded into ${conv.name || 'the Conv'} before it`, 'one pass over memory less')
    }
  }
  if (dropped.size > 0) graph.nodes = graph.nodes.filter((n) => !dropped.has(n))
}

function foldable(graph: Graph, shapes: Shapes, conv: NodeProto, norm: NodeProto): boolean {
  const between = norm.input[0] ?? ''
  return (
    conv.opType === 'Conv' &&
    isStandard(conv) &&
    shapes.rank(conv.input[1] ?? '') === 6 &&
    graph.consumers(between).length === 1 &&
    !graph.isOutput(between) &&
    norm.output.slice(1).every((o) => o === '') &&
    intAttribute(norm, 'training_mode', 0) === 0 &&
    intAttribute(norm, 'spatial', 1) === 1
  )
}

function fold(graph: Graph, conv: NodeProto, norm: NodeProto): boolean {
  const [weight, ...parameters] = [conv.input[1], ...norm.input.slice(1, 5)].map((n) =>
    graph.constant(n ?? ''),
  )
  const bias = (conv.input[2] ?? '') === '' ? undefined : graph.constant(conv.input[2] ?? '')
  if (weight === undefined || weight === null || bias === null || parameters.length < 4) return false
  const tensors = parameters.filter((p) => p !== null)
  if (tensors.length < 4 || ![weight, ...tensors].every((t) => isFloat(t.dataType))) return false
  const [scale, beta, mean, variance] = tensors.map(tensorFloats)
  const dims = tensorDims(weight)
  const channels = dims[0] ?? 0
  if (scale?.length !== channels || beta === undefined || mean === undefined || variance === undefined)
    return false

  const epsilon = floatAttribute(norm, 'epsilon', 1e-5)
  const factor = Float64Array.from(scale, (s, m) => s / Math.sqrt((variance[m] ?? 0) + epsilon))
  const weights = Float64Array.from(tensorFloats(weight))
  const perChannel = weights.length / channels
  for (let i = 0; i < weights.length; i++)
    weights[i] = (weights[i] ?? 0) * (factor[Math.floor(i / perChannel)] ?? 0)
  const before = bias === undefined ? new Float64Array(channels) : tensorFloats(bias)
  const shifted = factor.map((f, m) => ((before[m] ?? 0) - (mean[m] ?? 0)) * f + (beta[m] ?? 0))

  const w = floatTensor(graph.fresh(`${weight.name}_folded`), dims, weights, weight.dataType)
  const b = floatTensor(graph.fresh(`${weight.name}_folded_bias`), [channels], shifted, weight.dataType)
  graph.addInitializer(w)
  graph.addInitializer(b)
  conv.input = [conv.input[0] ?? '', w.name, b.name]
  conv.output = [norm.output[0] ?? '']
  return true
}
