import { Graph } from '../../compiler/graph.js'
import { decodeModel, intAttribute, isStandard, type NodeProto } from '../../compiler/onnx.js'
import { Shapes, type Dim } from '../../compiler/shapes.js'

export type Dims = ReadonlyMap<string, readonly number[]>

function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1)
}

/**
 * Multiply-adds of one run by the direct algorithm, times two: what Conv, ConvTranspose, Gemm and MatMul of
 * the model as it was given would need, whatever it is compiled to. Null where a size that counts is not
 * known before the model runs.
 *
 * @param inputs the concrete shape of every graph input
 */
export function countOperations(model: Uint8Array, inputs: Dims): number | null {
  const decoded = decodeModel(model)
  for (const { name, type } of decoded.graph.input) {
    const dims = inputs.get(name)
    if (dims && type?.value?.$case === 'tensorType' && type.value.value.shape) {
      type.value.value.shape.dim = dims.map((d) => ({
        value: { $case: 'dimValue', value: BigInt(d) },
        denotation: '',
      }))
    }
  }
  // What the file says of inner and outer shapes was said with the sizes left open.
  decoded.graph.valueInfo = []
  const graph = Graph.of(decoded)
  const shapes = new Shapes(graph)
  const concrete = (value: string): number[] | null => {
    const shape: readonly Dim[] | null = shapes.of(value)
    return shape?.every((d) => typeof d === 'number') ? (shape as number[]) : null
  }
  let operations = 0
  for (const node of graph.nodes) {
    if (!isStandard(node)) continue
    const macs = macsOf(node, concrete)
    if (macs === null) return null
    operations += 2 * macs
  }
  return operations
}

function macsOf(node: NodeProto, shape: (value: string) => number[] | null): number | null {
  const a = (): number[] | null => shape(node.input[0] ?? '')
  const b = (): number[] | null => shape(node.input[1] ?? '')
  const out = (): number[] | null => shape(node.output[0] ?? '')
  switch (node.opType) {
    case 'Conv': {
      const [weights, output] = [b(), out()]
      return weights && output && product(output) * product(weights.slice(1))
    }
    case 'ConvTranspose': {
      const [input, weights] = [a(), b()]
      return input && weights && product(input) * product(weights.slice(1))
    }
    case 'Gemm': {
      const [left, output] = [a(), out()]
      const inner = left?.[intAttribute(node, 'transA', 0) === 0 ? 1 : 0]
      return inner === undefined || !output ? null : product(output) * inner
    }
    case 'MatMul': {
      const [left, output] = [a(), out()]
      const inner = left?.at(-1)
      return inner === undefined || !output ? null : product(output) * inner
    }
    default:
      return 0
  }
}
