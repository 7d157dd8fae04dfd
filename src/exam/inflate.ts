/** Deflated and gzipped bytes, read as a stream: memory follows what is asked for, not what the file unpacks to. */

import { Readable } from 'node:stream'
import { constants, createGunzip, createInflateRaw } from 'node:zlib'
import { ExamRejection } from './rejection.js'
import type { ByteReader } from './source.js'

const CHUNK = 64 * 1024

/** The bytes are not what their format asks for. */
export class InflateError extends Error {}

/** Of headers: whole exams of deflated files rarely have a tenth of it. */
const ALLOWED = 256 * 2 ** 20

/**
 * The bytes that the packed files of one exam may unpack to, together. Deflate packs a thousand to one: what a
 * small file unpacks to costs time that others wait for, however little of it is kept, and an exam has many files.
 */
export class Unpacking {
  #allowed = ALLOWED
  #spent = 0

  /** More, for what is known to be needed. */
  allow(bytes: number): void {
    this.#allowed += bytes
  }

  /** What was unpacked so far may be unpacked once more. */
  allowAgain(): void {
    this.#allowed += this.#spent
  }

  /** @throws ExamRejection EXAM_TOO_LARGE */
  spend(bytes: number): void {
    this.#spent += bytes
    if (this.#spent <= this.#allowed) return
    throw new ExamRejection(
      'EXAM_TOO_LARGE',
      `the files of the exam unpack to more than their headers and pixels explain, ${String(this.#allowed)} bytes`,
    )
  }
}

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
 * @throws ExamRejection EXAM_TOO_LARGE
 */
export async function* inflated(
  reader: ByteReader,
  from: number,
  format: 'raw' | 'gzip',
  unpacking: Unpacking,
): AsyncGenerator<Buffer> {
  const options = { finishFlush: constants.Z_SYNC_FLUSH }
  const inflater = format === 'raw' ? createInflateRaw(options) : createGunzip(options)
  const input = Readable.from(chunks(reader, from))
  input.on('error', (error) => inflater.destroy(error))
  input.pipe(inflater)
  try {
    for await (const piece of inflater) {
      const bytes = piece as Buffer
      unpacking.spend(bytes.byteLength)
      yield bytes
    }
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
export function inflatingReader(reader: ByteReader, from: number, unpacking: Unpacking): ByteReader {
  let stream: AsyncGenerator<Buffer> | null = null
  // What was unpacked and not passed yet, and where it starts.
  let held: Buffer = Buffer.alloc(0)
  let start = 0
  return {
    size: Number.MAX_SAFE_INTEGER,
    async read(offset, length) {
      if (stream === null || offset < start) {
        await stream?.return(undefined)
        stream = inflated(reader, from, 'raw', unpacking)
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
