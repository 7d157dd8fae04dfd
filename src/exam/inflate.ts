/** Deflated and gzipped bytes, read as a stream: memory follows what is asked for, not what the file unpacks to. */

import { Readable } from 'node:stream'
import { constants, createGunzip, createInflateRaw } from 'node:zlib'
import type { ByteReader } from './source.js'

const CHUNK = 64 * 1024

/** The bytes are not what their format asks for. */
export class InflateError extends Error {}

async function* chunks(reader: ByteReader, from: number): AsyncGenerator<Uint8Array> {
  for (let at = from; ; at += CHUNK) {
    const bytes = await reader.read(at, CHUNK)
    if (bytes.byteLength > 0) yield bytes
    if (bytes.byteLength < CHUNK) return
  }
}

/**
 * The unpacked bytes of `reader` from offset `from`, piece by piece. Stop reading when there is enough.
 * A stream that ends early gives what it had.
 * @throws InflateError when the bytes are not of that format
 */
export async function* inflated(
  reader: ByteReader,
  from: number,
  format: 'raw' | 'gzip',
): AsyncGenerator<Buffer> {
  const options = { finishFlush: constants.Z_SYNC_FLUSH }
  const inflater = format === 'raw' ? createInflateRaw(options) : createGunzip(options)
  const input = Readable.from(chunks(reader, from))
  input.on('error', (error) => inflater.destroy(error))
  input.pipe(inflater)
  try {
    for await (const piece of inflater) yield piece as Buffer
  } catch (error) {
    if (isZlibError(error)) throw new InflateError('packed data are broken', { cause: error })
    throw error
  } finally {
    input.destroy()
    inflater.destroy()
  }
}

function isZlibError(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_')
  )
}

/**
 * A deflated data set as if it were plain. Reading further than before unpacks from the start again, so
 * it is read twice at most: once for the header, once for the pixels.
 */
export function inflatingReader(reader: ByteReader, from: number): ByteReader {
  let have: Buffer = Buffer.alloc(0)
  let complete = false
  return {
    size: Number.MAX_SAFE_INTEGER,
    async read(offset, length) {
      if (!complete && have.byteLength < offset + length) {
        const pieces: Buffer[] = []
        let total = 0
        complete = true
        for await (const piece of inflated(reader, from, 'raw')) {
          pieces.push(piece)
          total += piece.byteLength
          if (total >= offset + length) {
            complete = false
            break
          }
        }
        have = Buffer.concat(pieces)
      }
      return have.subarray(offset, offset + length)
    },
    close: () => reader.close(),
  }
}
