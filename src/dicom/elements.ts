/** Writes DICOM data sets in explicit VR little endian (PS3.5, section 7) as part 10 files (PS3.10). */

import { createHash } from 'node:crypto'

/** Value representations that are written as text. */
export type TextVr =
  | 'AE'
  | 'AS'
  | 'CS'
  | 'DA'
  | 'DS'
  | 'DT'
  | 'IS'
  | 'LO'
  | 'LT'
  | 'PN'
  | 'SH'
  | 'ST'
  | 'TM'
  | 'UC'
  | 'UI'
  | 'UT'

/** Those that are written as numbers. */
export type BinaryVr = 'AT' | 'FD' | 'FL' | 'SS' | 'UL' | 'US'

export type ElementValue =
  | { readonly vr: TextVr; readonly text: string }
  | { readonly vr: 'SQ'; readonly items: readonly Elements[] }
  | { readonly vr: BinaryVr; readonly numbers: readonly number[] }
  | { readonly vr: 'OB' | 'OW'; readonly bytes: Uint8Array }
  /** Bytes as another object has them, already padded and in its character set. */
  | { readonly vr: string; readonly raw: Uint8Array }

/** One data set: values by tag, (group << 16 | element) as an unsigned number. */
export type Elements = ReadonlyMap<number, ElementValue>

export const text = (vr: TextVr, value: string): ElementValue => ({ vr, text: value })

export const numbers = (vr: BinaryVr, ...values: readonly number[]): ElementValue => ({ vr, numbers: values })

export const sequence = (...items: readonly Elements[]): ElementValue => ({ vr: 'SQ', items })

/** A decimal string of at most 16 characters. */
export function decimal(value: number): string {
  const exact = String(value)
  if (exact.length <= 16) return exact
  const digits = value.toPrecision(9)
  return digits.length <= 16 ? digits : value.toExponential(7)
}

/** A UID that stands for a number of at most 128 bits (PS3.5, B.2). */
export const uidOf = (hex: string): string => `2.25.${BigInt(`0x${hex}`)}`

/** The same UID for the same name, anywhere: a UUID of version 8, made of a hash (RFC 9562, 5.8). */
export function uidFrom(name: string): string {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return uidOf(bytes.toString('hex'))
}

export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1'

/** VRs with a length of four bytes after two reserved ones (PS3.5, table 7.1-1). */
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'])

/** How texts are written; what ASCII lacks becomes a question mark. */
export type Charset = 'ascii' | 'utf8'

const encodeText = (vr: string, text: string, charset: Charset): Buffer =>
  padded(Buffer.from(charset === 'utf8' ? text : text.replace(/[^\x20-\x7e\r\n\t\f]/gu, '?'), 'utf8'), vr)

/** Values have even lengths: UIDs end with a NUL, texts with a space. */
function padded(bytes: Buffer, vr: string): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from([vr === 'UI' ? 0 : 0x20])])
}

function encodeValue(value: ElementValue, charset: Charset): Buffer {
  if ('raw' in value) return padded(Buffer.from(value.raw), value.vr)
  if ('text' in value) return encodeText(value.vr, value.text, charset)
  if ('items' in value) return Buffer.concat(value.items.map((item) => encodeItem(item, charset)))
  if ('bytes' in value) return Buffer.concat([value.bytes, Buffer.alloc(value.bytes.length % 2)])
  return Buffer.concat(value.numbers.map((number) => encodeNumber(value.vr, number)))
}

function encodeNumber(vr: BinaryVr, number: number): Buffer {
  const bytes = Buffer.alloc(vr === 'FD' ? 8 : vr === 'US' || vr === 'SS' ? 2 : 4)
  if (vr === 'FD') bytes.writeDoubleLE(number)
  else if (vr === 'FL') bytes.writeFloatLE(number)
  else if (vr === 'UL') bytes.writeUInt32LE(number)
  else if (vr === 'US') bytes.writeUInt16LE(number)
  else if (vr === 'SS') bytes.writeInt16LE(number)
  else {
    // AT: a tag's group and element are two numbers of two bytes.
    bytes.writeUInt16LE(number >>> 16)
    bytes.writeUInt16LE(number & 0xffff, 2)
  }
  return bytes
}

function encodeItem(item: Elements, charset: Charset): Buffer {
  const body = encodeElements(item, charset)
  const header = Buffer.alloc(8)
  header.writeUInt16LE(0xfffe, 0)
  header.writeUInt16LE(0xe000, 2)
  header.writeUInt32LE(body.length, 4)
  return Buffer.concat([header, body])
}

function encodeElement(tag: number, value: ElementValue, charset: Charset): Buffer {
  const body = encodeValue(value, charset)
  const long = LONG_VRS.has(value.vr)
  if (!long && body.length > 0xfffe) throw new RangeError(`a value of ${value.vr} is longer than it can be`)
  const header = Buffer.alloc(long ? 12 : 8)
  header.writeUInt16LE(tag >>> 16, 0)
  header.writeUInt16LE(tag & 0xffff, 2)
  header.write(value.vr, 4, 'latin1')
  if (long) header.writeUInt32LE(body.length, 8)
  else header.writeUInt16LE(body.length, 6)
  return Buffer.concat([header, body])
}

/** A data set's bytes, its elements in the order of their tags. */
export function encodeElements(elements: Elements, charset: Charset): Buffer {
  return Buffer.concat(
    [...elements].sort(([a], [b]) => a - b).map(([tag, value]) => encodeElement(tag, value, charset)),
  )
}

/** A part 10 file around a data set that has SOP Class UID and SOP Instance UID. */
export function encodeFile(
  dataset: Elements,
  implementation: { readonly uid: string; readonly name: string },
  charset: Charset,
): Buffer {
  const uid = (tag: number): ElementValue => dataset.get(tag) ?? { vr: 'UI', text: '' }
  const meta = encodeElements(
    new Map<number, ElementValue>([
      [0x00020001, { vr: 'OB', bytes: Uint8Array.of(0, 1) }],
      [0x00020002, uid(0x00080016)],
      [0x00020003, uid(0x00080018)],
      [0x00020010, { vr: 'UI', text: EXPLICIT_LITTLE_ENDIAN }],
      [0x00020012, { vr: 'UI', text: implementation.uid }],
      [0x00020013, { vr: 'SH', text: implementation.name }],
    ]),
    'ascii',
  )
  const length = encodeElement(0x00020000, { vr: 'UL', numbers: [meta.length] }, 'ascii')
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM', 'latin1'),
    length,
    meta,
    encodeElements(dataset, charset),
  ])
}
