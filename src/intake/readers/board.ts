/**
 * A page of memory that the daemon and one reader have in common: what has to be seen while the reader's
 * event loop stands still, as it does from the first byte of an exam to the last.
 */
export class Board {
  static readonly BYTES = 4096
  readonly #words: Int32Array
  readonly #read: Float64Array

  constructor(memory: ArrayBuffer) {
    this.#words = new Int32Array(memory, 0, 2)
    this.#read = new Float64Array(memory, 8, 1)
  }

  /** The daemon's: a new job, before the reader knows of it. */
  clear(): void {
    this.#words.fill(0)
    this.#read.fill(0)
  }

  /** The daemon's: the job is given up. */
  stop(): void {
    Atomics.store(this.#words, 0, 1)
  }

  get stopped(): boolean {
    return Atomics.load(this.#words, 0) !== 0
  }

  /** The reader's: it has come to the next piece of a file, which has so many bytes. */
  step(bytes: number): void {
    Atomics.add(this.#words, 1, 1)
    this.#read[0] = (this.#read[0] ?? 0) + bytes
  }

  get steps(): number {
    return Atomics.load(this.#words, 1)
  }

  get bytesRead(): number {
    return this.#read[0] ?? 0
  }
}
