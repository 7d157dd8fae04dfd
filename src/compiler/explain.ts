/** Which nodes of a graph run in regions, which do not and why, in words for whoever wrote the network. */
import type { Graph } from './graph.js'
import { readNames } from './graph.js'
import type { NodeProto } from './onnx.js'
import type { NodeReport } from './report.js'
import type { Shapes } from './shapes.js'

/**
 * A line for each node that computes with tensors over four axes, or convolves over three.
 *
 * @param graph before regions are made of it
 * @param regionOf the region that a node became a part of, by the node's name
 */
export function explainNodes(
  graph: Graph,
  shapes: Shapes,
): (regionOf: ReadonlyMap<string, string>) => NodeReport[] {
  const named = graph.nodes.map((node) => ({
    node: nameOf(node),
    op: node.opType,
    reads: [...readNames(node)].flatMap((name) => {
      const from = graph.producer(name)
      return from === undefined ? [] : [nameOf(from)]
    }),
    shape: (shapes.of(node.output[0] ?? '') ?? []).map((d) => String(d ?? '?')),
    ...reasonOf(node, graph, shapes),
    volume: isVolume(node, shapes),
  }))
  return (regionOf) =>
    named.flatMap(({ volume, why, change, ...rest }): NodeReport[] => {
      const region = regionOf.get(rest.node) ?? null
      if (!volume && region === null) return []
      return [{ ...rest, region, why: region === null ? why : null, change: region === null ? change : null }]
    })
}

/** As PassReport names it. */
const nameOf = (node: NodeProto): string => node.name || (node.output[0] ?? '')

function isVolume(node: NodeProto, shapes: Shapes): boolean {
  if (node.opType === 'Constant' || node.opType === 'Shape') return false
  return isLoose(node, shapes) || [...node.output, ...node.input].some((name) => shapes.rank(name) === 6)
}

/** A 3D convolution beside tensors over four axes. */
const isLoose = (node: NodeProto, shapes: Shapes): boolean =>
  node.opType === 'Conv' && shapes.rank(node.input[1] ?? '') === 5

interface Reason {
  readonly why: string
  readonly change: string
}

const MOVES: Reason = {
  why: 'it moves elements to another layout, and a region keeps its own',
  change: 'keep [N, C, T, D, H, W] from layer to layer, and pad inside of the layers (padding=)',
}

const REASONS: ReadonlyMap<string, Reason> = new Map([
  ...'Transpose Reshape Slice Gather Concat Split Pad Expand Squeeze Unsqueeze Flatten ScatterND Tile'
    .split(' ')
    .map((op): [string, Reason] => [op, MOVES]),
  ...'MatMul Gemm Softmax Einsum LSTM GRU Attention'.split(' ').map((op): [string, Reason] => [
    op,
    {
      why: 'regions have no such operator',
      change:
        'nothing where it is behind a pool and small; otherwise put it behind one, or write it with 1x1x1x1 convolutions',
    },
  ]),
  ...'ReduceMean ReduceMax ReduceSum'.split(' ').map((op): [string, Reason] => [
    op,
    {
      why: 'it reduces over axes that regions do not reduce over',
      change: 'reduce over (2, 3, 4, 5) with keepdim=True where that is meant',
    },
  ]),
  [
    'Cast',
    {
      why: 'regions compute in float32',
      change: 'cast once, before the first layer (model.float() before export)',
    },
  ],
  [
    'ConvTranspose',
    {
      why: 'its kernel or stride is not one that a region takes',
      change: 'upsample (nearest) and convolve, which also avoids checkerboards',
    },
  ],
  [
    'Resize',
    {
      why: 'regions do not resize in this mode',
      change: 'use mode="nearest" with whole factors',
    },
  ],
])

function reasonOf(node: NodeProto, graph: Graph, shapes: Shapes): Reason {
  if (isLoose(node, shapes)) {
    return {
      why: 'it is a 3D convolution that is not recognised as a part of one over four axes',
      change: 'write the layer as Conv4D of examples/pytorch, or as a form that docs/networks.md lists',
    }
  }
  if (node.opType === 'Conv' || node.opType === 'ConvTranspose') {
    const weights = graph.constant(node.input[1] ?? '')
    if (weights === null)
      return { why: 'its weights are computed when it runs', change: 'make them parameters of the module' }
    if (weights.dataType !== 1)
      return { why: 'its weights are not float32', change: 'export in float32 (model.float())' }
  }
  return (
    REASONS.get(node.opType) ?? {
      why: `regions have no ${node.opType}, or not with these operands`,
      change:
        'use one of ReLU, LeakyReLU, PReLU, ELU, SiLU, GELU, Mish, Sigmoid, Tanh, Hardswish, or a norm over channels or space',
    }
  )
}
