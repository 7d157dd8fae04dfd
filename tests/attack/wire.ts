/** Raw gRPC: messages that no library would make, calls that no library would leave half-done. */
import { constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'

export const INFER = '/inference.GRPCInferenceService/ModelInfer'

/** A protobuf field of bytes, or of a message. */
export function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.byteLength), bytes])
}

export function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128)
  return Buffer.of(...bytes, value)
}

/** `unit` over and over, `bytes` in all or a little less. */
export function repeat(unit: Uint8Array, bytes: number): Buffer {
  return Buffer.alloc(Math.floor(bytes / unit.byteLength) * unit.byteLength, unit)
}

export function frame(message: Uint8Array, announced = message.byteLength): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(announced, 1)
  return Buffer.concat([prefix, message])
}

/** Opens a call and leaves sending to the caller. */
export function open(session: ClientHttp2Session, path = INFER): ClientHttp2Stream {
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: path,
    [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
    [constants.HTTP2_HEADER_TE]: 'trailers',
  })
  stream.on('error', () => undefined)
  return stream
}

/** Sends a whole message and waits until the call has ended, however that is. */
export function call(session: ClientHttp2Session, message: Uint8Array, path = INFER): Promise<void> {
  return new Promise((resolve) => {
    if (session.destroyed || session.closed) {
      resolve()
      return
    }
    const stream = open(session, path)
    stream.once('close', resolve)
    stream.resume()
    stream.end(frame(message))
  })
}
