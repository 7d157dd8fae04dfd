/** What a network's file says and no session tells: values of unknown rank, and inputs with a value of their own. */
import {
  type GraphProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
  decodeModel,
  encodeModel,
  subgraphs,
  typeShape,
} from '../compiler/onnx.js'
import { tensorBytes, tensorDims } from '../compiler/tensors.js'
import { isSentinodeError } from '../errors.js'
import { encodeBytesTensor } from './request/bytes-tensor.js'

/** The value of an input that a request leaves out. */
export interface DefaultValue {
  readonly shape: readonly number[]
  /** Row-major little-endian bytes. */
  readonly data: Uint8Array
}

export interface NetworkFile {
  /** The bytes that were given, or the network with its defaults taken out: they are inputs like others then. */
  readonly model: Uint8Array
  /** Names of inputs and outputs that are declared without a shape. */
  readonly unranked: ReadonlySet<string>
  /** By input name. */
  readonly defaults: ReadonlyMap<string, DefaultValue>
}

/** Operators whose inputs from the second on are weights, wherever they stand. */
const LAYERS = new Set(
  (
    'Conv ConvTranspose ConvInteger QLinearConv Gemm MatMul MatMulInteger QLinearMatMul BatchNormalization ' +
    'InstanceNormalization GroupNormalization LayerNormalization LSTM GRU RNN PRelu'
  ).split(' '),
)
/** Before this version every initializer had to be listed as an input, so that being listed says nothing. */
const FIRST_OPTIONAL_IR = 4n

/**
 * An initializer that is listed as an input may be replaced by a request, unless a layer has it as its
 * weights: those are constants, for what is fast depends on knowing them. A configuration that lists one
 * (`listed`) makes it an input whatever it is. What is no model is passed on to whoever opens it.
 */
export function readNetworkFile(bytes: Uint8Array, listed: ReadonlySet<string>): NetworkFile {
  try {
    const model = decodeModel(bytes)
    const { graph } = model
    const unranked = new Set(
      [...graph.input, ...graph.output]
        .filter(({ type }) => type?.value?.$case === 'tensorType' && typeShape(type) === null)
        .map(({ name }) => name),
    )
    const inputs = new Set(graph.input.map(({ name }) => name))
    const weights = new Set(graph.node.flatMap(weightsOf))
    const optional = graph.initializer.filter(
      (tensor) =>
        inputs.has(tensor.name) &&
        tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL &&
        (listed.has(tensor.name) || (model.irVersion >= FIRST_OPTIONAL_IR && !weights.has(tensor.name))),
    )
    if (optional.length === 0) return { model: bytes, unranked, defaults: new Map() }
    const defaults = new Map(optional.map((tensor) => [tensor.name, defaultOf(tensor)]))
    declareTypes(graph, optional)
    graph.initializer = graph.initializer.filter(({ name }) => !defaults.has(name))
    return { model: encodeModel(model), unranked, defaults }
  } catch (error) {
    if (!isSentinodeError(error)) throw error
    return { model: bytes, unranked: new Set(), defaults: new Map() }
  }
}

function weightsOf(node: NodeProto): string[] {
  const own = LAYERS.has(node.opType) ? node.input.slice(1) : []
  return [...own, ...subgraphs(node).flatMap((body) => body.node.flatMap(weightsOf))]
}

/** An input that was declared without a type has that of its value. */
function declareTypes(graph: GraphProto, tensors: readonly TensorProto[]): void {
  for (const tensor of tensors) {
    const input = graph.input.find(({ name }) => name === tensor.name)
    if (input === undefined || input.type?.value !== undefined) continue
    const dim = tensor.dims.map((value) => ({
      value: { $case: 'dimValue' as const, value },
      denotation: '',
    }))
    input.type = {
      denotation: '',
      value: { $case: 'tensorType', value: { elemType: tensor.dataType, shape: { dim } } },
    }
  }
}

const STRING = 8

function defaultOf(tensor: TensorProto): DefaultValue {
  const data =
    tensor.dataType === STRING ? encodeBytesTensor(tensor.stringData) : new Uint8Array(tensorBytes(tensor))
  return { shape: tensorDims(tensor), data }
}
