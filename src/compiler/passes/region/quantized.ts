import type { Graph } from '../../graph.js'
import { DataType, type NodeProto, isStandard } from '../../onnx.js'
import type { Shapes } from '../../shapes.js'
import { product, tensorBytes, tensorDims } from '../../tensors.js'
import { activation } from './activations.js'
import type { Run } from './joined.js'
import { floatsOf } from './steps.js'

/** The numbers of 8 bits, as type, lowest and highest. */
const EIGHT_BITS: readonly (readonly [number, number, number])[] = [
  [DataType.UINT8, 0, 255],
  [DataType.INT8, -128, 127],
]

/**
 * QuantizeLinear and the DequantizeLinear of the same scale that alone reads it: rounding to the numbers of 8 bits,
 * which float32 holds exactly. A scale for all channels; where each has its own, the two stay outside.
 */
export function quantizedRuns(graph: Graph, shapes: Shapes): Run[] {
  return graph.nodes.flatMap((last): Run[] => {
    if (!isStandard(last) || last.opType !== 'DequantizeLinear' || shapes.rank(last.output[0] ?? '') !== 6)
      return []
    const [quantized = '', scale = '', zero = ''] = last.input
    const node = graph.producer(quantized)
    if (node?.opType !== 'QuantizeLinear' || !isStandard(node)) return []
    if (graph.consumers(quantized).length !== 1 || graph.isOutput(quantized)) return []
    const range = rangeOf(node, zero, graph)
    const [own, other] = [node.input[1] ?? '', scale].map((name) => floatsOf(name, { graph, shapes }))
    const [alpha = 0] = own ?? []
    const same = own?.length === 1 && other?.length === 1 && other[0] === alpha
    if (range === null || !same || !(alpha > 0)) return []
    const [input = ''] = node.input
    const [beta, min, max] = range
    const as = {
      kind: 'activation',
      input,
      activation: activation('quantize', { alpha, beta, min, max }),
    } as const
    return [{ nodes: new Set([node, last]), last, input, as }]
  })
}

/** Zero point, lowest and highest number of a QuantizeLinear whose counterpart has the zero point `other`. */
function rangeOf(node: NodeProto, other: string, graph: Graph): readonly [number, number, number] | null {
  const zero = node.input[2] ?? ''
  if (zero === '' || other === '') return zero === other && node.attribute.length === 0 ? [0, 0, 255] : null
  const [mine, theirs] = [graph.constant(zero), graph.constant(other)]
  const limits = EIGHT_BITS.find(([type]) => type === mine?.dataType)
  if (mine === null || theirs?.dataType !== mine.dataType || limits === undefined) return null
  if (product(tensorDims(mine)) !== 1 || product(tensorDims(theirs)) !== 1) return null
  const [, low, high] = limits
  const [own, counterpart] = [mine, theirs].map((t) => byteOf(tensorBytes(t)[0] ?? 0, low))
  return own !== undefined && own === counterpart ? [own, low, high] : null
}

function byteOf(byte: number, low: number): number {
  return low < 0 && byte > 127 ? byte - 256 : byte
}
