/** Writes DICOM files for tests: data sets from plain values, in any uncompressed transfer syntax. */

import { deflateRawSync } from 'node:zlib'

export type Vr =
  | 'CS'
  | 'DA'
  | 'DS'
  | 'DT'
  | 'FD'
  | 'IS'
  | 'LO'
  | 'OB'
  | 'OF'
  | 'OV'
  | 'OW'
  | 'PN'
  | 'SH'
  | 'SQ'
  | 'TM'
  | 'UI'
  | 'UL'
  | 'UN'
  | 'US'
  | 'AT'
/** Compressed pixel data: fragments, and the basic offset table (empty unless given). */
export interface Encapsulated {
  readonly fragments: readonly Uint8Array[]
  readonly offsets?: readonly number[]
}

export type Value = string | readonly number[] | Uint8Array | readonly Dataset[] | Encapsulated
export type Element = readonly [tag: number, vr: Vr, value: Value]
export type Dataset = readonly Element[]

export const SYNTAX = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  bigEndian: '1.2.840.10008.1.2.2',
} as const

export interface FileOptions {
  readonly syntax?: string
  /** Without the 128 bytes and DICM. */
  readonly noPreamble?: boolean
  /** Without file meta information. */
  readonly noMeta?: boolean
  /** Sequences and items end with delimiters instead of having lengths. */
  readonly undefinedLengths?: boolean
  /** 0 to 9, for the deflated syntax; 0 stores blocks as they are. */
  readonly deflateLevel?: number
}

interface Encoding {
  readonly explicit: boolean
  readonly big: boolean
  readonly undefinedLengths: boolean
}

const LONG: readonly string[] = ['OB', 'OF', 'OV', 'OW', 'SQ', 'UN']
const UNDEFINED = 0xffffffff

export function writeDicom(dataset: Dataset, options: FileOptions = {}): Uint8Array {
  const syntax = options.syntax ?? SYNTAX.explicit
  const encoding: Encoding = {
    explicit: syntax !== SYNTAX.implicit,
    big: syntax === SYNTAX.bigEndian,
    undefinedLengths: options.undefinedLengths ?? false,
  }
  const body = encode(
    [...dataset].sort((a, b) => a[0] - b[0]),
    encoding,
  )
  const packed =
    syntax === SYNTAX.deflated ? deflateRawSync(body, { level: options.deflateLevel ?? 6 }) : body
  const plain: Encoding = { explicit: true, big: false, undefinedLengths: false }
  const inner = encode(
    [
      [0x00020002, 'UI', '1.2.840.10008.5.1.4.1.1.4'],
      [0x00020010, 'UI', syntax],
    ],
    plain,
  )
  const meta = Buffer.concat([encode([[0x00020000, 'UL', [inner.length]]], plain), inner])
  const preamble = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')])
  return Buffer.concat([
    options.noPreamble === true ? Buffer.alloc(0) : preamble,
    options.noMeta === true ? Buffer.alloc(0) : meta,
    packed,
  ])
}

function encode(dataset: Dataset, encoding: Encoding): Buffer {
  return Buffer.concat(dataset.map((element) => encodeElement(element, encoding)))
}

function encodeElement([tag, vr, value]: Element, encoding: Encoding): Buffer {
  if (isEncapsulated(value)) return encapsulate(tag, value, encoding)
  const sequence = vr === 'SQ'
  const body = sequence
    ? encodeItems(value as readonly Dataset[], encoding)
    : encodeValue(vr, value, encoding.big)
  const length = sequence && encoding.undefinedLengths ? UNDEFINED : body.length
  const end = length === UNDEFINED ? delimiter(0xfffee0dd, encoding) : Buffer.alloc(0)
  return Buffer.concat([elementHeader(tag, vr, length, encoding), body, end])
}

function isEncapsulated(value: Value): value is Encapsulated {
  return typeof value === 'object' && 'fragments' in value
}

function encapsulate(tag: number, { fragments, offsets = [] }: Encapsulated, encoding: Encoding): Buffer {
  const table = encodeValue('UL', offsets, false)
  const items = [table, ...fragments].map((bytes) => {
    const even = encodeValue('OB', bytes, false)
    return Buffer.concat([tagAndLength(0xfffee000, even.length, encoding), even])
  })
  return Buffer.concat([
    elementHeader(tag, 'OB', UNDEFINED, encoding),
    ...items,
    delimiter(0xfffee0dd, encoding),
  ])
}

function encodeItems(items: readonly Dataset[], encoding: Encoding): Buffer {
  return Buffer.concat(
    items.flatMap((item) => {
      const body = encode(
        [...item].sort((a, b) => a[0] - b[0]),
        encoding,
      )
      const head = tagAndLength(0xfffee000, encoding.undefinedLengths ? UNDEFINED : body.length, encoding)
      return encoding.undefinedLengths ? [head, body, delimiter(0xfffee00d, encoding)] : [head, body]
    }),
  )
}

function delimiter(tag: number, encoding: Encoding): Buffer {
  return tagAndLength(tag, 0, encoding)
}

function tagAndLength(tag: number, length: number, { big }: Encoding): Buffer {
  const bytes = Buffer.alloc(8)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint16(0, tag >>> 16, !big)
  view.setUint16(2, tag & 0xffff, !big)
  view.setUint32(4, length, !big)
  return bytes
}

export function elementHeader(
  tag: number,
  vr: Vr,
  length: number,
  encoding: Omit<Encoding, 'undefinedLengths'>,
): Buffer {
  const head = tagAndLength(tag, length, { ...encoding, undefinedLengths: false })
  if (!encoding.explicit) return head
  head.write(vr, 4, 'latin1')
  const view = new DataView(head.buffer, head.byteOffset)
  if (!LONG.includes(vr)) {
    view.setUint16(6, length, !encoding.big)
    return head
  }
  view.setUint16(6, 0)
  const long = Buffer.alloc(4)
  new DataView(long.buffer, long.byteOffset).setUint32(0, length, !encoding.big)
  return Buffer.concat([head, long])
}

function encodeValue(vr: Vr, value: Element[2], big: boolean): Buffer {
  if (typeof value === 'string') {
    const text = Buffer.from(value, 'latin1')
    const pad = vr === 'UI' ? '\0' : ' '
    return text.length % 2 === 0 ? text : Buffer.concat([text, Buffer.from(pad)])
  }
  if (value instanceof Uint8Array) {
    return value.length % 2 === 0 ? Buffer.from(value) : Buffer.concat([value, Buffer.alloc(1)])
  }
  const numbers = value as readonly number[]
  const size = vr === 'US' ? 2 : vr === 'FD' ? 8 : 4
  const bytes = Buffer.alloc(size * numbers.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  numbers.forEach((number, i) => {
    if (vr === 'US') view.setUint16(2 * i, number, !big)
    else if (vr === 'UL') view.setUint32(4 * i, number, !big)
    else if (vr === 'FD') view.setFloat64(8 * i, number, !big)
    else if (vr === 'AT') {
      view.setUint16(4 * i, number >>> 16, !big)
      view.setUint16(4 * i + 2, number & 0xffff, !big)
    } else throw new Error(`no numbers in ${vr}`)
  })
  return bytes
}
