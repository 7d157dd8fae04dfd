import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { ModelInferResponse } from '../generated/grpc_service.js'

/** A request as it came off the wire: decoded, or not a message of its type at all. */
export type Decoded<T> =
  | { readonly ok: true; readonly message: T; readonly bytes: number }
  | { readonly ok: false; readonly bytes: number }

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

/**
 * A service of ts-proto with our decoding: `bytes` fields stay views into the received message, and a
 * message that does not parse reaches the handler as such, so that it is answered with a coded error.
 */
export function withDecoding(
  service: Methods,
  serializers: Readonly<Record<string, (value: never) => Buffer>> = {},
): Methods {
  const method = (
    name: string,
    definition: MethodDefinition<unknown, unknown>,
  ): MethodDefinition<unknown, unknown> => ({
    ...definition,
    requestDeserialize: (bytes: Buffer): Decoded<unknown> => {
      try {
        return { ok: true, message: definition.requestDeserialize(bytes), bytes: bytes.byteLength }
      } catch {
        return { ok: false, bytes: bytes.byteLength }
      }
    },
    responseSerialize:
      (serializers[name] as ((value: unknown) => Buffer) | undefined) ?? definition.responseSerialize,
  })
  return Object.fromEntries(
    Object.entries(service).map(([name, definition]) => [name, method(name, definition)]),
  )
}
