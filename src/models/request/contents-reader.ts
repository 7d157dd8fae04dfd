/** The fields of InferTensorContents, as its bytes are passed by without making a value of each. */
import { invalid, quote } from './messages.js'

/** How a field's values are written: the low three bits of its tag. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** By field number, from 1 on. */
const WIRES = [
  -1,
  WIRE.varint,
  WIRE.varint,
  WIRE.varint,
  WIRE.varint,
  WIRE.varint,
  WIRE.fixed32,
  WIRE.fixed64,
  WIRE.bytes,
] as const

/** Fields without a value in it, and fields that are unknown: no client writes them. */
const MOST_EMPTY = 1024

/**
 * A cursor over the values of contents that came in parts (each the bytes of an InferTensorContents, which
 * follow one another). After `next` the bytes from `start` to `end` of `part` hold values of `field`: a packed
 * run of them, or one. Throws INVALID_REQUEST where they are not well-formed.
 */
export class ContentsReader {
  part: Uint8Array = new Uint8Array(0)
  field = 0
  start = 0
  end = 0
  #next = 0
  #position = 0
  #empty = 0

  constructor(
    private readonly input: string,
    private readonly parts: readonly Uint8Array[],
  ) {}

  /** False after the last value. Runs of no value are passed over. */
  next(): boolean {
    for (;;) {
      if (this.#position === this.part.length) {
        const part = this.parts[this.#next++]
        if (part === undefined) return false
        this.part = part
        this.#position = 0
        continue
      }
      if (this.#read()) return true
      if (++this.#empty > MOST_EMPTY)
        throw invalid(`expected values in the contents of input ${quote(this.input)}, found empty fields`)
    }
  }

  /** Passes one field; whether it holds values. */
  #read(): boolean {
    const tag = this.#varint32()
    const wire = tag & 7
    this.field = tag >>> 3
    const expected = WIRES[this.field]
    if (this.field === 0) throw this.#malformed()
    if (wire === WIRE.bytes) {
      const length = this.#varint32()
      this.#span(length)
      if (expected === WIRE.bytes) return true
      return expected !== undefined && this.#checkedRun(expected, length)
    }
    if (wire === WIRE.varint) this.#span(this.#varintLength())
    else if (wire === WIRE.fixed32) this.#span(4)
    else if (wire === WIRE.fixed64) this.#span(8)
    else throw this.#malformed()
    // Another wire type makes it an unknown field.
    return wire === expected
  }

  #checkedRun(wire: number, length: number): boolean {
    if (wire === WIRE.varint) {
      if (length > 0 && (this.part[this.end - 1] as number) > 127) throw this.#malformed()
    } else if (length % (wire === WIRE.fixed32 ? 4 : 8) !== 0) throw this.#malformed()
    return length > 0
  }

  #span(length: number): void {
    this.start = this.#position
    this.end = this.start + length
    if (this.end > this.part.length) throw this.#malformed()
    this.#position = this.end
  }

  #varintLength(): number {
    for (let length = 1; length <= 10; length++) {
      const byte = this.part[this.#position + length - 1]
      if (byte === undefined) break
      if (byte < 128) return length
    }
    throw this.#malformed()
  }

  /** A tag or a length. */
  #varint32(): number {
    const first = this.part[this.#position]
    if (first !== undefined && first < 128) {
      this.#position++
      return first
    }
    let value = 0
    const length = this.#varintLength()
    if (length > 5) throw this.#malformed()
    for (let i = 0; i < length; i++) value += ((this.part[this.#position + i] as number) & 127) * 2 ** (7 * i)
    this.#position += length
    if (value > 0xffff_ffff) throw this.#malformed()
    return value
  }

  #malformed(): Error {
    return invalid(`expected contents of input ${quote(this.input)}, found bytes that are none`)
  }
}
