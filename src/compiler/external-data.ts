import { SentinodeError } from '../errors.js'
import { sha256 } from './hash.js'
import { type GraphProto, type TensorProto, TensorProto_DataLocation, subgraphs } from './onnx.js'
import type { FileResolver } from './resolver.js'

/** A file that must stand beside the compiled model. */
export interface CompiledFile {
  readonly name: string
  /** Its bytes, in order. */
  readonly chunks: readonly Uint8Array[]
}

/** A tensor whose elements stand in a file beside the model. */
export interface ExternalTensor {
  readonly tensor: TensorProto
  readonly location: string
  readonly offset: number
  /** null: to the end of the file. */
  readonly length: number | null
}

/** All tensors of a graph and its bodies that name a file. Throws MODEL_INVALID for malformed references. */
export function externalTensors(graph: GraphProto): ExternalTensor[] {
  const own = [
    ...graph.initializer,
    ...graph.sparseInitializer.flatMap((s) => [s.values, s.indices]),
    ...graph.node.flatMap((n) => n.attribute.flatMap((a) => [a.t, ...a.tensors])),
  ]
  const external = own.filter((t) => t?.dataLocation === TensorProto_DataLocation.EXTERNAL)
  return [
    ...external.filter((t) => t !== undefined).map(reference),
    ...graph.node.flatMap(subgraphs).flatMap(externalTensors),
  ]
}

/** Reads all external tensors into the model. */
export async function embedExternalData(graph: GraphProto, resolve: FileResolver): Promise<void> {
  for (const { tensor, location, offset, length } of externalTensors(graph)) {
    tensor.rawData = await resolve.read(location, { offset, length })
    tensor.externalData = []
    tensor.dataLocation = TensorProto_DataLocation.DEFAULT
  }
}

/** Protobuf messages end at 2 GiB; below this much raw data a model stays one file. */
const EMBEDDED_LIMIT = 1.5e9

/**
 * Moves large initializers to a side file where the model would otherwise grow past what one message may
 * hold. The file is named after its contents.
 */
export function detachLargeData(graph: GraphProto, limit = EMBEDDED_LIMIT): CompiledFile[] {
  const large = graph.initializer.filter((t) => (t.rawData?.length ?? 0) >= 1024)
  if (large.reduce((sum, t) => sum + (t.rawData?.length ?? 0), 0) <= limit) return []
  const chunks = large.map((t) => t.rawData ?? new Uint8Array())
  const name = `${sha256(...chunks)}.data`
  let offset = 0
  for (const tensor of large) {
    const length = tensor.rawData?.length ?? 0
    const entries = { location: name, offset: String(offset), length: String(length) }
    tensor.externalData = Object.entries(entries).map(([key, value]) => ({ key, value }))
    tensor.dataLocation = TensorProto_DataLocation.EXTERNAL
    tensor.rawData = undefined
    offset += length
  }
  return [{ name, chunks }]
}

function reference(tensor: TensorProto): ExternalTensor {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]))
  const location = entries.get('location')
  if (location === undefined) throw invalid(tensor, 'it has external data and names no file')
  const number = (key: string): number | null => {
    const text = entries.get(key)
    if (text === undefined) return null
    if (!/^\d{1,15}$/.test(text))
      throw invalid(tensor, `${key} of its external data is not a number of bytes`)
    return Number(text)
  }
  return { tensor, location, offset: number('offset') ?? 0, length: number('length') }
}

function invalid(tensor: TensorProto, why: string): SentinodeError {
  return new SentinodeError('MODEL_INVALID', `Tensor "${tensor.name}": ${why}`)
}
