/**
 * How grpc-js puts received messages together, replaced: it joins all chunks of a message, or all that it
 * unpacked to, in one step, which holds the thread for half a millisecond a megabyte. Relied on, of grpc-js 1.14:
 * the class StreamDecoder with its field `maxReadMessageLength` and its method `write`; BaseServerInterceptingCall
 * with its method `decompressMessage`, which resolves to a message without its prefix or rejects with a status.
 */
import { createGunzip, createInflate } from 'node:zlib'
import { status as Status } from '@grpc/grpc-js'
import { BaseServerInterceptingCall } from '@grpc/grpc-js/build/src/server-interceptors.js'
import { StreamDecoder } from '@grpc/grpc-js/build/src/stream-decoder.js'
import { inSlices, type Sliced } from '../slices.js'
import { Gatherer } from './gatherer.js'

/** Bytes that are copied at once. */
const MOVED = 2 ** 19

interface Decoder {
  readonly maxReadMessageLength: number
}

interface Call {
  readonly maxReceiveMessageSize: number
}

type Write = (this: Decoder, chunk: Buffer) => Buffer[]
type Decompress = (this: Call, message: Buffer, encoding: string) => Buffer | Promise<Buffer>

/** For all servers of the process. Idempotent. */
export function receiveInPieces(): void {
  const decoder = StreamDecoder.prototype as unknown as { write: Write }
  decoder.write = write
  const call = BaseServerInterceptingCall.prototype as unknown as { decompressMessage: Decompress }
  if (call.decompressMessage === decompressMessage) return
  own = call.decompressMessage
  call.decompressMessage = decompressMessage
}

const gatherers = new WeakMap<Decoder, Gatherer>()

function write(this: Decoder, chunk: Buffer): Buffer[] {
  let gatherer = gatherers.get(this)
  if (gatherer === undefined) {
    gatherer = new Gatherer(this.maxReadMessageLength)
    gatherers.set(this, gatherer)
  }
  return gatherer.write(chunk)
}

/** grpc-js's own, for what is not compressed and for encodings that it does not know. */
let own: Decompress

function decompressMessage(this: Call, message: Buffer, encoding: string): Buffer | Promise<Buffer> {
  if (encoding !== 'gzip' && encoding !== 'deflate') return own.call(this, message, encoding)
  return unpack(message.subarray(5), encoding, this.maxReceiveMessageSize)
}

async function unpack(packed: Buffer, encoding: 'gzip' | 'deflate', most: number): Promise<Buffer> {
  const stream = encoding === 'gzip' ? createGunzip() : createInflate()
  const parts: Buffer[] = []
  let bytes = 0
  stream.end(packed)
  try {
    for await (const part of stream as AsyncIterable<Buffer>) {
      parts.push(part)
      bytes += part.length
      if (most !== -1 && bytes > most) break
    }
  } catch {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- a status is what grpc-js answers with
    throw { code: Status.INTERNAL, details: 'Failed to decompress message' }
  }
  if (most !== -1 && bytes > most) {
    const details = `Received message that decompresses to a size larger than ${most}`
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- a status is what grpc-js answers with
    throw { code: Status.RESOURCE_EXHAUSTED, details }
  }
  return inSlices(join(parts, bytes))
}

function* join(parts: Buffer[], bytes: number): Sliced<Buffer> {
  const whole = Buffer.allocUnsafe(bytes)
  let at = 0
  let piece = 0
  for (const [i, part] of parts.entries()) {
    at += part.copy(whole, at)
    piece += part.length
    parts[i] = whole.subarray(0, 0)
    if (piece < MOVED) continue
    piece = 0
    yield
  }
  return whole
}
