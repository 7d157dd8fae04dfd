import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import {
  ModelInferRequest_InferInputTensor_ParametersEntry as InputParameter,
  ModelInferRequest_InferRequestedOutputTensor as RequestedOutput,
  ModelInferRequest_ParametersEntry as RequestParameter,
  type InferParameter,
  type ModelInferRequest,
  type ModelInferRequest_InferInputTensor,
} from '../../generated/grpc_service.js'

/** An input whose typed values stay as they came: the bytes of an InferTensorContents each, views into the message. */
export type InferInput = Omit<ModelInferRequest_InferInputTensor, 'contents'> & { contents: Uint8Array[] }

export type InferRequest = Omit<ModelInferRequest, 'inputs'> & { inputs: InferInput[] }

const TAG = {
  request: { modelName: 10, modelVersion: 18, id: 26, parameters: 34, inputs: 42, outputs: 50, raw: 58 },
  input: { name: 10, datatype: 18, dimension: 24, shape: 26, parameters: 34, contents: 42 },
} as const

/**
 * Decodes a message that `checkBounds` has passed, which makes every length here true. Reads as the
 * generated decoder does, except that typed contents are not decoded: what becomes of them depends on what the
 * model takes. Tensors are views into the message.
 */
export function decodeInferRequest(bytes: Uint8Array): InferRequest {
  const reader = new BinaryReader(bytes)
  const request: InferRequest = {
    modelName: '',
    modelVersion: '',
    id: '',
    parameters: {},
    inputs: [],
    outputs: [],
    rawInputContents: [],
  }
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    switch (tag) {
      case TAG.request.modelName:
        request.modelName = reader.string()
        break
      case TAG.request.modelVersion:
        request.modelVersion = reader.string()
        break
      case TAG.request.id:
        request.id = reader.string()
        break
      case TAG.request.parameters:
        putParameter(request.parameters, RequestParameter.decode(reader, reader.uint32()))
        break
      case TAG.request.inputs:
        request.inputs.push(readInput(reader, reader.uint32()))
        break
      case TAG.request.outputs:
        request.outputs.push(RequestedOutput.decode(reader, reader.uint32()))
        break
      case TAG.request.raw:
        request.rawInputContents.push(reader.bytes())
        break
      default:
        skip(reader, tag)
    }
  }
  return request
}

function readInput(reader: BinaryReader, length: number): InferInput {
  const end = reader.pos + length
  const input: InferInput = { name: '', datatype: '', shape: [], parameters: {}, contents: [] }
  while (reader.pos < end) {
    const tag = reader.uint32()
    switch (tag) {
      case TAG.input.name:
        input.name = reader.string()
        break
      case TAG.input.datatype:
        input.datatype = reader.string()
        break
      case TAG.input.dimension:
        input.shape.push(reader.int64() as bigint)
        break
      case TAG.input.shape:
        for (const last = reader.uint32() + reader.pos; reader.pos < last;)
          input.shape.push(reader.int64() as bigint)
        break
      case TAG.input.parameters:
        putParameter(input.parameters, InputParameter.decode(reader, reader.uint32()))
        break
      case TAG.input.contents:
        input.contents.push(reader.bytes())
        break
      default:
        skip(reader, tag)
    }
  }
  return input
}

function putParameter(
  parameters: Record<string, InferParameter>,
  { key, value }: { readonly key: string; readonly value: InferParameter | undefined },
): void {
  if (value !== undefined) parameters[key] = value
}

const WIRE_TYPES = [
  WireType.Varint,
  WireType.Bit64,
  WireType.LengthDelimited,
  WireType.StartGroup,
  WireType.EndGroup,
  WireType.Bit32,
] as const

function skip(reader: BinaryReader, tag: number): void {
  reader.skip(WIRE_TYPES[tag & 7] ?? WireType.EndGroup, tag >>> 3)
}
