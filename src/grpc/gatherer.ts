const PREFIX_BYTES = 5
/** Messages up to this are joined when they are complete, which takes no time to speak of. */
const JOINED_AT_ONCE = 2 ** 20
/** Chunks below this are copied into blocks: each by itself would cost more than its bytes. */
const SMALL = 2 ** 12
const BLOCK = 2 ** 16
const NOTHING = Buffer.alloc(0)

/**
 * Puts the length-prefixed messages of one stream together from its chunks, prefix included. Joining 128 MiB once
 * they are complete holds the thread for 60 ms, most of it for new pages: a large message is copied while
 * it arrives instead. Its memory is taken when half of it is here, so that whoever only announces
 * much gets none; from then on each chunk takes as much of the earlier ones along.
 */
export class Gatherer {
  readonly #prefix = Buffer.alloc(PREFIX_BYTES)
  #prefixBytes = 0
  /** Bytes of the message that is arriving, with its prefix. */
  #size = 0
  #arrived = 0
  /** What has arrived, in order; from `#next` on it is not copied yet. */
  #parts: Buffer[] = []
  #next = 0
  #copied = 0
  #whole: Buffer | null = null
  /** The block that the last part is the beginning of; null where it is a chunk. */
  #block: Buffer | null = null

  /** `maxBytes` -1 for any size. */
  constructor(private readonly maxBytes: number) {}

  /**
   * The messages that this chunk completes; those that lie in it whole are views into it. Throws where one is
   * announced that is too large.
   */
  write(chunk: Buffer): Buffer[] {
    const complete: Buffer[] = []
    for (let at = 0; at < chunk.length;) {
      const end = this.#prefixBytes === 0 ? endOfWhole(chunk, at) : -1
      if (end !== -1) {
        this.#check(end - at - PREFIX_BYTES)
        complete.push(chunk.subarray(at, end))
        at = end
        continue
      }
      if (this.#prefixBytes < PREFIX_BYTES) {
        const taken = chunk.copy(this.#prefix, this.#prefixBytes, at)
        at += taken
        this.#prefixBytes += taken
        if (this.#prefixBytes === PREFIX_BYTES) this.#begin()
      } else {
        const taken = Math.min(chunk.length - at, this.#size - this.#arrived)
        this.#take(chunk.subarray(at, at + taken))
        at += taken
      }
      if (this.#prefixBytes === PREFIX_BYTES && this.#arrived === this.#size) complete.push(this.#end())
    }
    return complete
  }

  #check(bytes: number): void {
    if (this.maxBytes !== -1 && bytes > this.maxBytes)
      throw new Error(`Received message larger than max (${bytes} vs ${this.maxBytes})`)
  }

  #begin(): void {
    const bytes = this.#prefix.readUInt32BE(1)
    this.#check(bytes)
    this.#size = PREFIX_BYTES + bytes
    this.#arrived = PREFIX_BYTES
    this.#parts = [Buffer.from(this.#prefix)]
  }

  #take(part: Buffer): void {
    if (this.#whole === null && this.#size > JOINED_AT_ONCE && this.#arrived * 2 >= this.#size)
      this.#whole = Buffer.allocUnsafe(this.#size)
    if (this.#whole === null) this.#keep(part)
    else {
      part.copy(this.#whole, this.#arrived)
      this.#copyEarlier(part.length)
    }
    this.#arrived += part.length
  }

  #keep(part: Buffer): void {
    if (part.length >= SMALL) {
      this.#parts.push(part)
      this.#block = null
      return
    }
    const last = this.#parts.at(-1)
    const used = this.#block === null || last === undefined ? 0 : last.length
    if (this.#block === null || used + part.length > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(Math.min(BLOCK, this.#size - this.#arrived))
      part.copy(this.#block)
      this.#parts.push(this.#block.subarray(0, part.length))
    } else {
      part.copy(this.#block, used)
      this.#parts[this.#parts.length - 1] = this.#block.subarray(0, used + part.length)
    }
  }

  /** Copies at least `bytes` of the parts that wait for it. */
  #copyEarlier(bytes: number): void {
    const end = this.#copied + bytes
    for (; this.#copied < end && this.#next < this.#parts.length; this.#next++) {
      this.#copied += (this.#parts[this.#next] as Buffer).copy(this.#whole as Buffer, this.#copied)
      this.#parts[this.#next] = NOTHING
    }
  }

  #end(): Buffer {
    const whole = this.#whole
    if (whole !== null) this.#copyEarlier(this.#size)
    const message = whole ?? Buffer.concat(this.#parts, this.#size)
    this.#prefixBytes = 0
    this.#parts = []
    this.#next = 0
    this.#copied = 0
    this.#whole = null
    this.#block = null
    return message
  }
}

/** Where the message ends that begins at `at`, -1 where it does not end in the chunk. */
function endOfWhole(chunk: Buffer, at: number): number {
  if (at + PREFIX_BYTES > chunk.length) return -1
  const end = at + PREFIX_BYTES + chunk.readUInt32BE(at + 1)
  return end <= chunk.length ? end : -1
}
