import { BinaryReader } from '@bufbuild/protobuf/wire'
import { SentinodeError } from '../../errors.js'
import { MOST } from './limits.js'
import { WIRE, type FieldShape, type MessageShape } from './shapes.js'

/**
 * Walks a message's tags and throws before anything is decoded where it holds more than a message may
 * (SentinodeError INVALID_REQUEST) or is not well-formed (Error). The walk ends at the first limit, so that it
 * takes no longer than MOST.fields tags, whatever the message's length. Stricter than the decoder that runs
 * after it: a field never reaches beyond its object, and an end of a group has its beginning. Otherwise
 * the two could be made to see different messages.
 */
export function checkBounds(bytes: Uint8Array, shape: MessageShape): void {
  new Walk(bytes).message(shape, bytes.length, 0)
}

class Walk {
  readonly #reader: BinaryReader
  #fields = 0
  #texts = 0

  constructor(private readonly bytes: Uint8Array) {
    this.#reader = new BinaryReader(bytes)
  }

  message(shape: MessageShape, end: number, depth: number): void {
    if (depth > MOST.nesting) throw tooMany(MOST.nesting, 'objects within one another')
    const counts: number[] = []
    while (this.#reader.pos < end) {
      const tag = this.#tag()
      const number = tag >>> 3
      const wire = tag & 7
      const field = shape.fields[number]
      if (field === undefined) this.#skip(number, wire, end, depth)
      else {
        const values = this.#known(field, wire, number, end, depth)
        if (field.most === Infinity) continue
        const count = (counts[number] ?? 0) + values
        if (count > field.most) throw tooMany(field.most, `${field.name} in a ${shape.name}`)
        counts[number] = count
      }
    }
    if (this.#reader.pos > end) throw malformed()
  }

  #tag(): number {
    if (++this.#fields > MOST.fields) throw tooMany(MOST.fields, 'fields in a message')
    const tag = this.#reader.uint32()
    if (tag < 8) throw malformed()
    return tag
  }

  /** Passes a field that the message has and returns how many values it holds. */
  #known(field: FieldShape, wire: number, number: number, end: number, depth: number): number {
    if (wire === WIRE.bytes && (field.packable || field.wire === wire)) {
      const length = this.#length(end)
      const begin = this.#reader.pos
      if (field.message !== null) this.message(field.message, begin + length, depth + 1)
      else this.#reader.pos += length
      if (field.text) this.#text(field.name, length)
      return field.packable ? this.#packed(field, begin, length) : 1
    }
    this.#skip(number, wire, end, depth)
    // Another wire type makes it an unknown field.
    return field.wire === wire ? 1 : 0
  }

  #text(name: string, length: number): void {
    if (length > MOST.text)
      throw invalid(`expected at most ${MOST.text} bytes of text in ${name}, found ${length}`)
    this.#texts += length
    if (this.#texts > MOST.texts) throw tooMany(MOST.texts, 'bytes of text in a message')
  }

  /** How many numbers a packed run holds, which must end with its last number. */
  #packed(field: FieldShape, begin: number, length: number): number {
    if (field.wire !== WIRE.varint) {
      const size = field.wire === WIRE.fixed32 ? 4 : 8
      if (length % size !== 0) throw malformed()
      return length / size
    }
    // No varint is longer than ten bytes: so many bytes are too many numbers, and need no counting.
    if (length > field.most * 10) return Infinity
    let numbers = 0
    for (let i = begin; i < begin + length; i++) if ((this.bytes[i] as number) < 128) numbers++
    if (length > 0 && (this.bytes[begin + length - 1] as number) > 127) throw malformed()
    return numbers
  }

  #skip(number: number, wire: number, end: number, depth: number): void {
    const reader = this.#reader
    if (wire === WIRE.varint) this.#skipVarint()
    else if (wire === WIRE.fixed32) reader.pos += 4
    else if (wire === WIRE.fixed64) reader.pos += 8
    else if (wire === WIRE.bytes) this.#skipBytes(end)
    else if (wire === WIRE.groupStart) this.#skipGroup(number, end, depth + 1)
    else throw malformed()
    if (reader.pos > end) throw malformed()
  }

  #skipBytes(end: number): void {
    const length = this.#length(end)
    this.#reader.pos += length
  }

  #skipVarint(): void {
    const reader = this.#reader
    for (const last = reader.pos + 10; (this.bytes[reader.pos++] ?? 0) > 127;)
      if (reader.pos >= last) throw malformed()
  }

  #skipGroup(number: number, end: number, depth: number): void {
    if (depth > MOST.nesting) throw tooMany(MOST.nesting, 'objects within one another')
    while (this.#reader.pos < end) {
      const tag = this.#tag()
      if ((tag & 7) !== WIRE.groupEnd) this.#skip(tag >>> 3, tag & 7, end, depth)
      else if (tag >>> 3 === number) return
      else break
    }
    throw malformed()
  }

  #length(end: number): number {
    const length = this.#reader.uint32()
    if (length > end - this.#reader.pos) throw malformed()
    return length
  }
}

function invalid(message: string): SentinodeError {
  return new SentinodeError('INVALID_REQUEST', message)
}

/** The walk stops at the limit, so that how many there are is not known. */
function tooMany(most: number, what: string): SentinodeError {
  return invalid(`expected at most ${most} ${what}, found more`)
}

function malformed(): Error {
  return new Error('malformed message')
}
