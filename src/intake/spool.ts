import { constants } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { SentinodeError } from '../errors.js'

/** Linux's O_TMPFILE, which Node does not name: a file that never has a name. */
const NAMELESS = 0o20000000 | constants.O_DIRECTORY | constants.O_RDWR
const NEW = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR

/**
 * The files of one exam, one after the other in a file without a name: it is gone with the daemon, however
 * that ends, and no other process can find it. Uses from one exam only, one at a time.
 */
export class Spool {
  #size = 0

  private constructor(private readonly handle: FileHandle) {}

  /** Rejects with the file system's error. */
  static async open(folder: string): Promise<Spool> {
    return new Spool(await openNameless(folder))
  }

  /** Readable at any offset until `close`, from any thread of the process. */
  get fd(): number {
    return this.handle.fd
  }

  get size(): number {
    return this.#size
  }

  /** Rejects with EXAM_STORE_FULL where the disk is full. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength;) {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.byteLength - done, this.#size)
        done += bytesWritten
        this.#size += bytesWritten
      }
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw cause
      throw new SentinodeError('EXAM_STORE_FULL', 'the disk for uploaded exams is full; retry later', {
        cause,
      })
    }
  }

  /** Waits for what is being written. Nobody may read any more. */
  close(): Promise<void> {
    return this.handle.close()
  }
}

async function openNameless(folder: string): Promise<FileHandle> {
  try {
    return await open(folder, NAMELESS, 0o600)
  } catch (error) {
    // EISDIR: a kernel without it; EOPNOTSUPP: a file system without it.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EISDIR' && code !== 'EOPNOTSUPP' && code !== 'ENOTSUP') throw error
  }
  const path = join(folder, `sentinode-${randomUUID()}`)
  const handle = await open(path, NEW, 0o600)
  // Before anything is written: what a crash between the two calls leaves behind is empty.
  await unlink(path)
  return handle
}
