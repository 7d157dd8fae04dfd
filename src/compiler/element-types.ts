import type { Graph } from './graph.js'
import { DataType, type NodeProto, type TypeProto, intAttribute } from './onnx.js'

/** Operators whose output has a type of its own, whatever their inputs have. */
const OWN: Readonly<Record<string, (node: NodeProto) => number | null>> = {
  Cast: (node) => intAttribute(node, 'to', 0),
  Shape: () => DataType.INT64,
  Size: () => DataType.INT64,
  ArgMax: () => DataType.INT64,
  ArgMin: () => DataType.INT64,
  NonZero: () => DataType.INT64,
  QuantizeLinear: () => DataType.UINT8,
}

/** The operand that an output has its type from, where it is not the first. */
const TYPED_BY: Readonly<Record<string, number>> = { Where: 1, CastLike: 1, DequantizeLinear: 1, OneHot: 2 }

/** The element type of a value as far as the graph says, null where it does not. */
export function elementType(value: string, graph: Graph): number | null {
  const declared = new Map(
    [...graph.proto.input, ...graph.proto.output, ...graph.proto.valueInfo].map((v) => [
      v.name,
      tensorType(v.type),
    ]),
  )
  let name = value
  for (let steps = 0; steps < 10_000; steps++) {
    const found = declared.get(name) ?? graph.constant(name)?.dataType ?? null
    if (found !== null) return found
    const producer = graph.producer(name)
    if (producer === undefined) return graph.parent === null ? null : elementType(name, graph.parent)
    const own = OWN[producer.opType]
    if (own !== undefined) return own(producer)
    name = producer.input[TYPED_BY[producer.opType] ?? 0] ?? ''
  }
  return null
}

function tensorType(type: TypeProto | undefined): number | null {
  return type?.value?.$case === 'tensorType' && type.value.value.elemType !== 0
    ? type.value.value.elemType
    : null
}
