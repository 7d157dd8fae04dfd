/**
 * A small reader of DICOM data sets (PS3.5, section 7) that keeps the listed attributes (tags.ts) and steps
 * over all others. It is written here because the headers of a whole exam are read from ranges of files,
 * with memory bounded whatever the file says: what is not kept costs nothing, and a value that lies beyond
 * the bytes at hand is asked for with NeedMore instead of being taken for the end.
 */

import { kindOf, TAGS, type Kind, type TagName } from './tags.js'

export interface Encoding {
  readonly explicit: boolean
  readonly littleEndian: boolean
}

/** The bytes at hand end before the data set does; reading on needs at least this many. */
export class NeedMore extends Error {
  constructor(readonly bytes: number) {
    super('more bytes are needed')
  }
}

/** The bytes are not a data set; `message` names the rule that they break. */
export class Malformed extends Error {}

type Value = string | number[] | Dataset[]

/** The attributes kept of one data set or sequence item. */
export class Dataset {
  readonly #values = new Map<number, Value>()

  set(tag: number, value: Value): void {
    this.#values.set(tag, value)
  }

  has(name: TagName): boolean {
    return this.#values.has(TAGS[name])
  }

  /** The trimmed text, '' where absent. */
  text(name: TagName): string {
    const value = this.#values.get(TAGS[name])
    return typeof value === 'string' ? value : ''
  }

  /** The values of a text attribute, split on backslash and trimmed. */
  texts(name: TagName): string[] {
    const text = this.text(name)
    return text === '' ? [] : text.split('\\').map((part) => part.trim())
  }

  /** All numbers of an attribute; [] where it is absent or any value is not a finite number. */
  numbers(name: TagName): number[] {
    const value = this.#values.get(TAGS[name])
    if (value === undefined) return []
    if (typeof value !== 'string') {
      const listed = value.filter((v): v is number => typeof v === 'number')
      return listed.every(Number.isFinite) ? listed : []
    }
    const numbers = this.texts(name).map((part) => (part === '' ? NaN : Number(part)))
    return numbers.every(Number.isFinite) ? numbers : []
  }

  /** The first number; undefined where there is none. */
  number(name: TagName): number | undefined {
    return this.numbers(name)[0]
  }

  items(name: TagName): Dataset[] {
    const value = this.#values.get(TAGS[name])
    return Array.isArray(value) ? value.filter((v): v is Dataset => v instanceof Dataset) : []
  }

  /** Takes over what `other` has; its values win. Sequences are taken apart by the caller. */
  merge(other: Dataset): void {
    for (const [tag, value] of other.#values) if (!isItems(value)) this.#values.set(tag, value)
  }

  /** Every sequence of this data set, with its items. */
  *sequences(): Iterable<[number, Dataset[]]> {
    for (const [tag, value] of this.#values) if (isItems(value)) yield [tag, value]
  }
}

function isItems(value: Value): value is Dataset[] {
  return Array.isArray(value) && value[0] instanceof Dataset
}

export const UNDEFINED_LENGTH = 0xffffffff
const ITEM = 0xfffee000
const ITEM_END = 0xfffee00d
const SEQUENCE_END = 0xfffee0dd
const MAX_DEPTH = 16
const MAX_TEXT = 4096
/** Sequence items of one header; a multi-frame object has about ten for each frame. */
const MAX_ITEMS = 1_000_000
/** Where a file gives a value another VR than PS3.6, its own VR says how the bytes are to be read. */
const KINDS_BY_VR: Readonly<Record<string, Kind>> = {
  DS: 'text',
  IS: 'text',
  US: 'u16',
  SS: 'i16',
  UL: 'u32',
  SL: 'i32',
  FL: 'f32',
  FD: 'f64',
}
/** VRs whose length takes four bytes after two reserved ones (PS3.5, table 7.1-1). */
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'])

function keptAs({ tag, vr }: ElementHeader): Kind | undefined {
  const kind = kindOf(tag)
  return kind === undefined || kind === 'items' || vr === null ? kind : (KINDS_BY_VR[vr] ?? kind)
}

export interface ElementHeader {
  readonly tag: number
  readonly vr: string | null
  /** UNDEFINED_LENGTH where a delimiter ends the value. */
  readonly length: number
  /** Where the value starts. */
  readonly at: number
}

/** Reads elements from bytes that may end too early. Positions count from the start of `bytes`. */
export class ElementReader {
  readonly #view: DataView
  #items = 0

  constructor(
    readonly bytes: Uint8Array,
    readonly encoding: Encoding,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** @throws NeedMore, Malformed */
  header(at: number): ElementHeader {
    this.#need(at + 8)
    const { explicit, littleEndian } = this.encoding
    const tag = this.#tag(at)
    if (!explicit || tag >>> 16 === 0xfffe) {
      return { tag, vr: null, length: this.#view.getUint32(at + 4, littleEndian), at: at + 8 }
    }
    const vr = String.fromCharCode(this.bytes[at + 4] ?? 0, this.bytes[at + 5] ?? 0)
    if (!/^[A-Z]{2}$/.test(vr)) throw new Malformed('an element has no value representation')
    if (!LONG_VRS.has(vr)) return { tag, vr, length: this.#view.getUint16(at + 6, littleEndian), at: at + 8 }
    this.#need(at + 12)
    return { tag, vr, length: this.#view.getUint32(at + 8, littleEndian), at: at + 12 }
  }

  /**
   * Reads the value of a wanted element into `into`, or steps over it.
   * @returns where the next element starts (which may lie beyond the bytes)
   * @throws NeedMore, Malformed
   */
  value(header: ElementHeader, into: Dataset | null, depth = 0): number {
    const kind = into === null ? undefined : keptAs(header)
    if (header.length === UNDEFINED_LENGTH || (kind === 'items' && header.length > 0)) {
      const keep = kind === 'items' ? into : null
      return this.#sequence(header, keep, depth)
    }
    if (kind !== undefined && kind !== 'items' && into !== null && header.length <= MAX_TEXT) {
      this.#need(header.at + header.length)
      into.set(header.tag, this.#decode(kind, header))
    }
    return header.at + header.length
  }

  /** The items of a sequence. With `into` null they are only stepped over. */
  #sequence(header: ElementHeader, into: Dataset | null, depth: number): number {
    if (depth >= MAX_DEPTH) throw new Malformed('sequences are nested too deeply')
    // PS3.5, 6.2.2: an unknown VR of undefined length is encoded as implicit VR little endian.
    if (header.vr === 'UN' && this.encoding.explicit) {
      return new ElementReader(this.bytes, { explicit: false, littleEndian: true }).#sequence(
        { ...header, vr: null },
        into,
        depth,
      )
    }
    const end = header.length === UNDEFINED_LENGTH ? Infinity : header.at + header.length
    const items: Dataset[] = []
    let at = header.at
    while (at < end) {
      const item = this.header(at)
      if (item.tag === SEQUENCE_END) {
        at = item.at
        break
      }
      if (item.tag !== ITEM) throw new Malformed('a sequence holds something that is not an item')
      if (++this.#items > MAX_ITEMS) throw new Malformed('the header has too many sequence items')
      const dataset = into === null ? null : new Dataset()
      at =
        item.length === UNDEFINED_LENGTH || dataset !== null
          ? this.#item(item, dataset, depth)
          : item.at + item.length
      if (dataset !== null) items.push(dataset)
    }
    into?.set(header.tag, items)
    return at
  }

  #item(item: ElementHeader, into: Dataset | null, depth: number): number {
    const end = item.length === UNDEFINED_LENGTH ? Infinity : item.at + item.length
    let at = item.at
    while (at < end) {
      const element = this.header(at)
      if (element.tag === ITEM_END) return element.at
      at = this.value(element, into, depth + 1)
    }
    return at
  }

  #decode(kind: Kind, { at, length }: ElementHeader): Value {
    const { littleEndian } = this.encoding
    if (kind === 'text') {
      return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, length)
        .toString('latin1')
        .replace(/\0/g, ' ')
        .trim()
    }
    const size = kind === 'u16' || kind === 'i16' ? 2 : kind === 'f64' ? 8 : 4
    const numbers: number[] = []
    for (let p = at; p + size <= at + length; p += size) {
      if (kind === 'u16') numbers.push(this.#view.getUint16(p, littleEndian))
      else if (kind === 'u32') numbers.push(this.#view.getUint32(p, littleEndian))
      else if (kind === 'f64') numbers.push(this.#view.getFloat64(p, littleEndian))
      else if (kind === 'i16') numbers.push(this.#view.getInt16(p, littleEndian))
      else if (kind === 'i32') numbers.push(this.#view.getInt32(p, littleEndian))
      else if (kind === 'f32') numbers.push(this.#view.getFloat32(p, littleEndian))
      else numbers.push(this.#tag(p))
    }
    return numbers
  }

  #tag(at: number): number {
    const { littleEndian } = this.encoding
    return this.#view.getUint16(at, littleEndian) * 0x10000 + this.#view.getUint16(at + 2, littleEndian)
  }

  #need(end: number): void {
    if (end > this.bytes.byteLength) throw new NeedMore(end)
  }
}
