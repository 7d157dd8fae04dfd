import { SentinodeError } from '../errors.js'
import { DEFAULT_LIMITS } from '../exam/limits.js'
import type { Claim } from './budget.js'
import { Spool } from './spool.js'

/** One file of an upload: where its bytes lie in the spool. */
export interface UploadedFile {
  /** Its number in the upload. */
  readonly number: number
  readonly offset: number
  readonly size: number
}

/** An uploaded exam, as a thread can read it while the upload is kept open. */
export interface UploadedExam {
  readonly kind: 'upload'
  readonly fd: number
  readonly files: readonly UploadedFile[]
}

/**
 * An upload holds its bytes twice of the budget: the files, and the pixels that uncompressed ones become.
 * What compressed ones become beyond that is asked for when it is known.
 */
export const HELD_PER_BYTE = 2

/** The files of one exam as they arrive. */
export class ExamUpload {
  #files: { number: number; offset: number; size: number }[] = []

  constructor(
    private readonly spool: Spool,
    private readonly claim: Claim,
    /** Aborted when the exam is given up. */
    private readonly signal: AbortSignal,
  ) {}

  get bytes(): number {
    return this.spool.size
  }

  /**
   * Takes the next piece. Pieces come one at a time: the next after this has resolved.
   * Rejects with INVALID_REQUEST, EXAM_TOO_LARGE, EXAM_STORE_FULL, or the signal's reason.
   */
  async append(number: number, data: Uint8Array): Promise<void> {
    this.signal.throwIfAborted()
    const last = this.#files.at(-1)
    if (last !== undefined && number < last.number) {
      throw new SentinodeError(
        'INVALID_REQUEST',
        `expected the files of an exam one after the other, found a piece of file ${number} after file ${last.number}`,
      )
    }
    if (last?.number !== number) this.#begin(number)
    const held = HELD_PER_BYTE * (this.spool.size + data.byteLength)
    this.claim.fill(Math.min(held, this.claim.bytes))
    if (held > this.claim.bytes) await this.claim.grow(held - this.claim.bytes, this.signal)
    this.claim.fill(held)
    await this.spool.append(data)
    const file = this.#files.at(-1)
    if (file !== undefined) file.size += data.byteLength
    this.signal.throwIfAborted()
  }

  #begin(number: number): void {
    if (this.#files.length === DEFAULT_LIMITS.maxFiles) {
      throw new SentinodeError(
        'EXAM_TOO_LARGE',
        `expected at most ${DEFAULT_LIMITS.maxFiles} files, found more`,
      )
    }
    this.#files.push({ number, offset: this.spool.size, size: 0 })
  }

  /** What was uploaded. */
  get exam(): UploadedExam {
    return { kind: 'upload', fd: this.spool.fd, files: this.#files }
  }

  /** Nothing may be reading or appending any more. */
  close(): Promise<void> {
    return this.spool.close()
  }
}
