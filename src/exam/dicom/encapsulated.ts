/** Where the frames of encapsulated pixel data lie (PS3.5, A.4): offsets of fragments, read without the fragments. */

import { ExamRejection } from '../rejection.js'
import type { ByteReader } from '../source.js'

export interface Fragment {
  readonly at: number
  readonly length: number
}

const ITEM = 0xe000fffe
const SEQUENCE_END = 0xe0ddfffe
const MAX_FRAGMENTS = 1_000_000

/**
 * The fragments of each frame.
 * @param at where the value of the pixel data element starts
 * @throws ExamRejection TRUNCATED_PIXEL_DATA, CORRUPT_PIXEL_DATA
 */
export async function frameFragments(reader: ByteReader, at: number, frames: number): Promise<Fragment[][]> {
  const items = await fragments(reader, at)
  const [table, ...rest] = items
  if (table === undefined || rest.length === 0) throw truncated()
  if (frames === 1) return [rest]
  // One fragment a frame is the usual form, and the only one with an extended offset table.
  if (rest.length === frames) return rest.map((fragment) => [fragment])
  return byOffsets(await offsets(reader, table), rest, frames)
}

async function fragments(reader: ByteReader, from: number): Promise<Fragment[]> {
  const found: Fragment[] = []
  for (let at = from; found.length <= MAX_FRAGMENTS;) {
    const bytes = await reader.read(at, 8)
    if (bytes.byteLength < 8) {
      // A file that ends after its last fragment lacks only the delimiter.
      if (bytes.byteLength === 0 && at === reader.size) return found
      throw truncated()
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
    const tag = view.getUint32(0, true)
    const length = view.getUint32(4, true)
    if (tag === SEQUENCE_END) return found
    if (tag !== ITEM) throw corrupt('its fragments are broken')
    if (at + 8 + length > reader.size) throw truncated()
    found.push({ at: at + 8, length })
    at += 8 + length
  }
  throw corrupt('it has too many fragments')
}

async function offsets(reader: ByteReader, table: Fragment): Promise<number[]> {
  const bytes = await reader.read(table.at, table.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: Math.floor(bytes.byteLength / 4) }, (_, i) => view.getUint32(4 * i, true))
}

function byOffsets(starts: readonly number[], rest: readonly Fragment[], frames: number): Fragment[][] {
  const base = (rest[0]?.at ?? 8) - 8
  if (starts.length !== frames) throw corrupt('its fragments cannot be told apart by frame')
  const groups = starts.map((start, i) => {
    const end = starts[i + 1] ?? Infinity
    return rest.filter(({ at }) => at - 8 - base >= start && at - 8 - base < end)
  })
  if (groups.some((group) => group.length === 0)) throw corrupt('its offset table does not fit its fragments')
  return groups
}

function truncated(): ExamRejection {
  return new ExamRejection(
    'TRUNCATED_PIXEL_DATA',
    'a file of the dynamic series ends within its compressed pixel data',
  )
}

function corrupt(what: string): ExamRejection {
  return new ExamRejection(
    'CORRUPT_PIXEL_DATA',
    `compressed pixel data of the dynamic series cannot be read: ${what}`,
  )
}
