/** A message that a call is about to send, known from its five-byte prefix. */
export interface AnnouncedMessage {
  readonly compressed: boolean
  readonly bytes: number
  /** Bytes of it that the chunk which announced it holds as well. */
  readonly arrived: number
}

const PREFIX_BYTES = 5

/** Follows the length-prefixed messages of one gRPC stream as its chunks pass by, without keeping them. */
export class PrefixReader {
  readonly #prefix = Buffer.alloc(PREFIX_BYTES)
  #prefixBytes = 0
  #bodyLeft = 0

  /** Whether a message has been announced that has not arrived whole. */
  get incomplete(): boolean {
    return this.#bodyLeft > 0
  }

  /** Takes the next chunk of the stream and returns the messages that begin in it. */
  push(chunk: Uint8Array): AnnouncedMessage[] {
    const announced: AnnouncedMessage[] = []
    let at = 0
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const taken = Math.min(this.#bodyLeft, chunk.length - at)
        this.#bodyLeft -= taken
        at += taken
        continue
      }
      const taken = Math.min(PREFIX_BYTES - this.#prefixBytes, chunk.length - at)
      this.#prefix.set(chunk.subarray(at, at + taken), this.#prefixBytes)
      this.#prefixBytes += taken
      at += taken
      if (this.#prefixBytes < PREFIX_BYTES) break
      this.#prefixBytes = 0
      this.#bodyLeft = this.#prefix.readUInt32BE(1)
      const arrived = Math.min(this.#bodyLeft, chunk.length - at)
      announced.push({ compressed: this.#prefix[0] === 1, bytes: this.#bodyLeft, arrived })
    }
    return announced
  }
}
