import {
  AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  ModelProto,
  NodeProto,
  type TensorProto,
  TensorProto_DataType,
  type TypeProto,
} from '../generated/onnx.js'
import { SentinodeError } from '../errors.js'

export * from '../generated/onnx.js'
export { AttributeProto_AttributeType as AttributeType } from '../generated/onnx.js'

/** Element types as plain numbers: a tensor may have one that the schema does not list. */
export const DataType: Readonly<Record<keyof typeof TensorProto_DataType, number>> = TensorProto_DataType

/** Reads a model; tensors' raw bytes stay views into `bytes`. Throws MODEL_INVALID. */
export function decodeModel(bytes: Uint8Array): ModelProto & { graph: GraphProto } {
  let model: ModelProto
  try {
    model = ModelProto.decode(bytes)
  } catch (cause) {
    throw new SentinodeError('MODEL_INVALID', 'The file is not an ONNX model: its bytes are no ModelProto', {
      cause,
    })
  }
  const { graph } = model
  if (graph === undefined || model.irVersion === 0n) {
    throw new SentinodeError(
      'MODEL_INVALID',
      'The file is not an ONNX model: it has no graph or no IR version',
    )
  }
  return { ...model, graph }
}

export function encodeModel(model: ModelProto): Uint8Array {
  return ModelProto.encode(model).finish()
}

/** Value of an attribute to write: integers are INT and INTS, `{ float }` is FLOAT, strings are STRING. */
export type AttributeValue =
  | number
  | readonly number[]
  | string
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: TensorProto }

export type Attributes = Readonly<Record<string, AttributeValue | undefined>>

/** A node; attributes that are `undefined` are left out. */
export function makeNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Attributes = {},
  extra: { name?: string; domain?: string } = {},
): NodeProto {
  const attribute: AttributeProto[] = []
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) attribute.push(makeAttribute(name, value))
  }
  return NodeProto.fromPartial({ opType, input: [...input], output: [...output], attribute, ...extra })
}

export function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') {
    return AttributeProto.fromPartial({ name, type: AttributeType.INT, i: BigInt(value) })
  }
  if (typeof value === 'string') {
    return AttributeProto.fromPartial({
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    })
  }
  if ('float' in value) return AttributeProto.fromPartial({ name, type: AttributeType.FLOAT, f: value.float })
  if ('floats' in value)
    return AttributeProto.fromPartial({ name, type: AttributeType.FLOATS, floats: [...value.floats] })
  if ('tensor' in value)
    return AttributeProto.fromPartial({ name, type: AttributeType.TENSOR, t: value.tensor })
  return AttributeProto.fromPartial({ name, type: AttributeType.INTS, ints: value.map(BigInt) })
}

export function attribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((a) => a.name === name)
}

export function intAttribute(node: NodeProto, name: string, absent: number): number {
  const found = attribute(node, name)
  return found === undefined ? absent : Number(found.i)
}

export function intsAttribute(node: NodeProto, name: string): number[] | null {
  return attribute(node, name)?.ints.map(Number) ?? null
}

export function floatAttribute(node: NodeProto, name: string, absent: number): number {
  return attribute(node, name)?.f ?? absent
}

export function stringAttribute(node: NodeProto, name: string, absent: string): string {
  const found = attribute(node, name)
  return found === undefined ? absent : new TextDecoder().decode(found.s)
}

/** Whether the node is an operator of ONNX's own domain. */
export function isStandard(node: NodeProto): boolean {
  return node.domain === '' || node.domain === 'ai.onnx'
}

/** The bodies of If, Loop, Scan and their like. */
export function subgraphs(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap((a) => (a.g === undefined ? a.graphs : [a.g, ...a.graphs]))
}

/** How a message names a node: its name, or its first output where it has none. */
export function describe(node: NodeProto): string {
  return node.name === ''
    ? `${node.opType} that computes "${node.output[0] ?? ''}"`
    : `${node.opType} "${node.name}"`
}

/** The shape in a tensor's type, null where there is none. */
export function typeShape(type: TypeProto | undefined): (number | string | null)[] | null {
  if (type?.value?.$case !== 'tensorType' || type.value.value.shape === undefined) return null
  return type.value.value.shape.dim.map(({ value }) => {
    if (value?.$case === 'dimValue') return value.value < 0n ? null : Number(value.value)
    return value?.$case === 'dimParam' && value.value !== '' ? value.value : null
  })
}
