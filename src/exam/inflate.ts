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

/** No data set is larger; what claims to be is read no further. */
const MOST_INFLATED = 2 ** 30

/**
 * A deflated data set as if it were plain. Reading forward goes on where it was, reading back starts again;
 * memory holds what is asked for, however much the file would unpack to. Closing it leaves `reader` open.
 */
export function inflatingReader(reader: ByteReader, from: number): ByteReader {
  let stream: AsyncGenerator<Buffer> | null = null
  // What was unpacked and not passed yet, and where it starts.
  let held: Buffer = Buffer.alloc(0)
  let start = 0
  return {
    size: Number.MAX_SAFE_INTEGER,
    async read(offset, length) {
      if (stream === null || offset < start) {
        await stream?.return(undefined)
        stream = inflated(reader, from, 'raw')
        held = Buffer.alloc(0)
        start = 0
      }
      const pieces = [held]
      let end = start + held.byteLength
      while (end < offset + length && end < MOST_INFLATED) {
        const next = await stream.next()
        if (next.done === true) break
        if (end + next.value.byteLength > offset) pieces.push(next.value)
        else pieces.length = 0
        end += next.value.byteLength
      }
      const all = Buffer.concat(pieces)
      held = all.subarray(Math.max(0, all.byteLength - Math.max(0, end - offset)))
      start = end - held.byteLength
      return Uint8Array.from(held.subarray(0, length))
    },
    async close() {
      await stream?.return(undefined)
    },
  }
}
