/** Huffman codes of JPEG (ITU T.81, annexes C and F.2.2), as lossless JPEG uses them: categories of differences. */

/** For every 16 bits that may come: the code's length (high byte, 0 for no code) and its value (low byte). */
export type HuffmanTable = Uint16Array

const LONGEST = 16

/**
 * The tables of one DHT segment, by number.
 * @returns false when a table is broken: more codes than fit, or values that are no category
 */
export function readHuffmanTables(segment: Uint8Array, tables: Map<number, HuffmanTable>): boolean {
  for (let at = 0; at < segment.length;) {
    const number = (segment[at] ?? 0) & 15
    const counts = segment.subarray(at + 1, at + 1 + LONGEST)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const values = segment.subarray(at + 1 + LONGEST, at + 1 + LONGEST + total)
    const table = counts.length === LONGEST && values.length === total ? fill(counts, values) : null
    if (table === null) return false
    tables.set(number, table)
    at += 1 + LONGEST + total
  }
  return true
}

function fill(counts: Uint8Array, values: Uint8Array): HuffmanTable | null {
  const table = new Uint16Array(1 << LONGEST)
  let code = 0
  let next = 0
  for (let length = 1; length <= LONGEST; length++) {
    const span = 1 << (LONGEST - length)
    for (let i = 0; i < (counts[length - 1] ?? 0); i++) {
      const value = values[next++] ?? 0
      if (code + span > table.length || value > 16) return null
      table.fill((length << 8) | value, code, code + span)
      code += span
    }
  }
  return table
}

/** Bits of entropy-coded data, without their stuffing. Beyond a marker come zeros, which are counted. */
export class CodeReader {
  readonly #bytes: Uint8Array
  #at: number
  #buffer = 0
  #held = 0
  /** Of the bits held, how many were made up; they are the last ones. */
  #made = 0

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  /** The next difference (T.81, H.1.2.2); null when the bits are no code. */
  difference(table: HuffmanTable): number | null {
    this.#fill()
    const entry = table[(this.#buffer >>> (this.#held - LONGEST)) & 0xffff] ?? 0
    const category = entry & 0xff
    if (entry === 0) return null
    this.#held -= entry >> 8
    if (category === 0) return 0
    if (category === 16) return 32768
    this.#fill()
    this.#held -= category
    const bits = (this.#buffer >>> this.#held) & ((1 << category) - 1)
    return bits >> (category - 1) === 0 ? bits - (1 << category) + 1 : bits
  }

  /** Goes on behind the next restart marker; false where there is none or data were short. */
  restart(): boolean {
    if (this.isPastEnd()) return false
    while (this.#bytes[this.#at] === 0xff && this.#bytes[this.#at + 1] === 0xff) this.#at++
    const marker = this.#bytes[this.#at + 1] ?? 0
    if (this.#bytes[this.#at] !== 0xff || marker < 0xd0 || marker > 0xd7) return false
    this.#at += 2
    this.#buffer = this.#held = this.#made = 0
    return true
  }

  /** Whether bits were used that the data do not have. */
  isPastEnd(): boolean {
    return this.#made > this.#held
  }

  /** At least 16 bits, 24 at most. */
  #fill(): void {
    while (this.#held < LONGEST) {
      const byte = this.#bytes[this.#at] ?? 0xff
      const marker = byte === 0xff && this.#bytes[this.#at + 1] !== 0
      if (marker) this.#made += 8
      else this.#at += byte === 0xff ? 2 : 1
      this.#buffer = (this.#buffer << 8) | (marker ? 0 : byte)
      this.#held += 8
    }
  }
}
