/** Varints straight into the little-endian bytes of a tensor, without a JavaScript value for each. */

export interface IntegerType {
  /** Bytes of an element: 1, 2, 4 or 8. */
  readonly size: number
  readonly signed: boolean
  /** Whether every value but 0 is 1. */
  readonly bool: boolean
}

/** A tensor that is being filled; `count` goes on where there are more values than it takes. */
export class IntegerTensor {
  count = 0
  /** The position of the first value that the type cannot hold, which a cast would silently change; -1 for none. */
  beyond = -1

  constructor(
    readonly data: Uint8Array,
    private readonly type: IntegerType,
  ) {}

  /**
   * Takes the varints that begin in `bytes` from `start` up to `stop`, of a run that is known to end
   * with a whole one, and returns where the next begins. As protobuf does, it reads the low 32 bits of what
   * is written for a type of 32 bits. NaN where one is longer than ten bytes.
   */
  take(bytes: Uint8Array, start: number, stop: number): number {
    const { data } = this
    const { size, signed, bool } = this.type
    const capacity = data.length / size
    let { count } = this
    let at = start
    while (at < stop) {
      let byte = bytes[at++] as number
      let low = byte & 127
      let high = 0
      if (byte > 127) {
        let shift = 7
        do {
          byte = bytes[at++] as number
          if (shift < 28) low |= (byte & 127) << shift
          else if (shift === 28) {
            low |= byte << 28
            high = (byte & 127) >> 4
          } else if (shift < 70) high |= (byte & 127) << (shift - 32)
          else return NaN
          shift += 7
        } while (byte > 127)
      }
      if (count < capacity) {
        if (bool) low = (low | high) === 0 ? 0 : 1
        const offset = count * size
        data[offset] = low
        if (size > 1) data[offset + 1] = low >> 8
        if (size > 2) {
          data[offset + 2] = low >> 16
          data[offset + 3] = low >> 24
        } else if (this.beyond < 0 && !bool) {
          const unused = 32 - size * 8
          const held = signed ? (low << unused) >> unused : (low << unused) >>> unused
          if (held !== (signed ? low : low >>> 0)) this.beyond = count
        }
        if (size === 8) {
          data[offset + 4] = high
          data[offset + 5] = high >> 8
          data[offset + 6] = high >> 16
          data[offset + 7] = high >> 24
        }
      }
      count++
    }
    this.count = count
    return at
  }
}
