import { constants, fstatSync, openSync, writeSync } from 'node:fs'

/** Bytes of lines kept for a reader that does not read; beyond that lines are dropped, not memory filled. */
const MAX_BUFFERED = 4 * 1024 * 1024
const RETRY_MS = 50
/** How long the end of the process waits for a reader that is slow. */
const FINISH_MS = 200

export interface LineOutputOptions {
  readonly maxBuffered?: number
  /** For tests: writes what it can of the bytes, or throws. */
  readonly write?: (bytes: Uint8Array) => number
}

/**
 * Lines on stdout or stderr of a process that outlives whoever reads them. A reader that is gone, a reader
 * that has stopped and a full disk cost lines, which are counted; they never block, throw or end the process.
 * What is written after the reader goes on, or the disk has room again, is written. JavaScript's thread only.
 */
export class LineOutput {
  readonly #maxBuffered: number
  readonly #write: (bytes: Uint8Array) => number
  readonly #pending: Buffer[] = []
  #buffered = 0
  #lost = 0
  /** A part of the first line is written. */
  #begun = false
  /** The rest of a line was lost: the next has to begin on a line of its own. */
  #torn = false
  #retry: NodeJS.Timeout | null = null

  constructor(fd: 1 | 2, options: LineOutputOptions = {}) {
    this.#maxBuffered = options.maxBuffered ?? MAX_BUFFERED
    if (options.write) this.#write = options.write
    else {
      const target = openWithoutBlocking(fd)
      this.#write = (bytes) => writeSync(target, bytes)
    }
  }

  /** Lines that were dropped so far. */
  get lost(): number {
    return this.#lost
  }

  /** @param line with its line break */
  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#buffered + bytes.length > this.#maxBuffered) this.#lost += 1
    else {
      this.#pending.push(bytes)
      this.#buffered += bytes.length
      if (!this.#retry) this.#drain()
    }
  }

  /** For the end of the process: writes what is left, as far as that goes within a fifth of a second. */
  finish(): void {
    const end = performance.now() + FINISH_MS
    while (!this.#drain() && performance.now() < end)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS / 10)
  }

  /** Whether everything was written or dropped; what is left is tried again soon. */
  #drain(): boolean {
    if (this.#retry) clearTimeout(this.#retry)
    this.#retry = null
    for (let [line] = this.#pending; line; [line] = this.#pending) {
      try {
        const written = this.#writeHead(line)
        this.#buffered -= written
        this.#begun = written < line.length
        if (this.#begun) this.#pending[0] = line.subarray(written)
        else this.#pending.shift()
      } catch (error) {
        if (isBusy(error)) {
          this.#retry = setTimeout(() => this.#drain(), RETRY_MS).unref()
          return false
        }
        this.#lost += 1
        this.#torn ||= this.#begun
        this.#begun = false
        this.#buffered -= line.length
        this.#pending.shift()
      }
    }
    return true
  }

  /** Bytes of the line that were written; on a line of its own where the one before was cut off. */
  #writeHead(line: Buffer): number {
    if (!this.#torn) return this.#write(line)
    const written = this.#write(Buffer.concat([Buffer.from('\n'), line]))
    this.#torn = false
    return Math.max(0, written - 1)
  }
}

function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'EAGAIN' || code === 'EBUSY' || code === 'EINTR'
}

/**
 * A pipe or a terminal is opened once more, since whether it blocks is a matter of the opening, which is shared
 * with all who inherited it: Node makes it non-blocking for itself and blocking again when it starts a child.
 * Sockets cannot be opened; they are left as Node makes them. Files never block for long.
 */
function openWithoutBlocking(fd: 1 | 2): number {
  // The stream is made here, which is what makes a socket non-blocking.
  const { isTTY } = fd === 1 ? process.stdout : process.stderr
  try {
    if (!isTTY && !fstatSync(fd).isFIFO()) return fd
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return fd
  }
}
