/** Frames of HTTP/2 (RFC 9113) written by hand, for peers that no client library would be. */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** HPACK without indexing and without Huffman coding (RFC 7541, 6.2.2); names and values below 127 bytes. */
function block(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.of(value.length), Buffer.from(value)])
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]),
  )
}

/** The client's first words: preface and empty settings. */
export const hello = Buffer.concat([PREFACE, frame(4, 0, 0, Buffer.alloc(0))])

/** Opens a call of `path` on a stream, with nothing of its message. */
export function openCall(stream: number, path: string): Buffer {
  const headers = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
  }
  return frame(1, 4, stream, block(headers))
}

export function resetStream(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  return frame(3, 0, stream, payload)
}

/** The code of a GOAWAY frame among whole frames, null without one. */
export function goawayCode(received: Buffer): number | null {
  for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) {
    if (received.readUInt8(at + 3) === 7 && at + 17 <= received.length) return received.readUInt32BE(at + 13)
  }
  return null
}
