import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { isSentinodeError, SentinodeError } from '../errors.js'
import { ModelInferResponse } from '../generated/grpc_service.js'
import { checkBounds } from './decode/bounds.js'
import { decodeInferRequest } from './decode/infer-request.js'
import { SHAPES } from './decode/shapes.js'

/** A request as it came off the wire: decoded, or why it is refused. */
export type Decoded<T> =
  | { readonly ok: true; readonly message: T; readonly bytes: number }
  | { readonly ok: false; readonly error: SentinodeError; readonly bytes: number }

/**
 * A message in parts, written once into the buffer that grpc-js frames it in. grpc-js asks a serialized
 * message for nothing but `byteLength` and `copy`, so tensors are copied one time in place of two, and
 * into one new buffer in place of two (fresh pages are the larger cost).
 */
class GatheredMessage {
  readonly byteLength: number

  constructor(private readonly parts: readonly Uint8Array[]) {
    this.byteLength = parts.reduce((sum, part) => sum + part.byteLength, 0)
  }

  copy(target: Uint8Array, start: number): number {
    let at = start
    for (const part of this.parts) {
      target.set(part, at)
      at += part.byteLength
    }
    return at - start
  }
}

const RAW_OUTPUT_CONTENTS_TAG = (6 << 3) | 2

function bytesFieldPrefix(tag: number, length: number): Uint8Array {
  const prefix = [tag]
  let rest = length
  while (rest > 127) {
    prefix.push((rest & 127) | 128)
    rest = Math.floor(rest / 128)
  }
  prefix.push(rest)
  return Uint8Array.from(prefix)
}

/** Encodes an answer around its tensors: field 6 comes last, so its bytes follow the rest as they are. */
export function serializeInferResponse(response: ModelInferResponse): Buffer {
  const parts: Uint8Array[] = [ModelInferResponse.encode({ ...response, rawOutputContents: [] }).finish()]
  for (const tensor of response.rawOutputContents) {
    parts.push(bytesFieldPrefix(RAW_OUTPUT_CONTENTS_TAG, tensor.byteLength), tensor)
  }
  return new GatheredMessage(parts) as unknown as Buffer
}

type Methods = ServiceDefinition

/** Methods whose requests are not decoded by the generated code. */
const DECODERS: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
  '/inference.GRPCInferenceService/ModelInfer': decodeInferRequest,
  '/inference.GRPCInferenceService/ModelStreamInfer': decodeInferRequest,
}

function refusal(error: unknown): SentinodeError {
  return isSentinodeError(error)
    ? error
    : new SentinodeError('INVALID_REQUEST', 'the bytes of the request are not a message of this call')
}

/**
 * A service of ts-proto with our decoding: a message is held against the limits before it is decoded, its
 * `bytes` fields stay views into it, and one that is refused reaches the handler as such, so that it is
 * answered with a coded error.
 */
export function withDecoding(
  service: Methods,
  serializers: Readonly<Record<string, (value: never) => Buffer>> = {},
): Methods {
  const method = (
    name: string,
    definition: MethodDefinition<unknown, unknown>,
  ): MethodDefinition<unknown, unknown> => {
    const shape = SHAPES.ofRequest(definition.path)
    const decode = DECODERS[definition.path] ?? definition.requestDeserialize
    return {
      ...definition,
      requestDeserialize: (bytes: Buffer): Decoded<unknown> => {
        try {
          checkBounds(bytes, shape)
          return { ok: true, message: decode(bytes), bytes: bytes.byteLength }
        } catch (error) {
          return { ok: false, error: refusal(error), bytes: bytes.byteLength }
        }
      },
      responseSerialize:
        (serializers[name] as ((value: unknown) => Buffer) | undefined) ?? definition.responseSerialize,
    }
  }
  return Object.fromEntries(
    Object.entries(service).map(([name, definition]) => [name, method(name, definition)]),
  )
}
