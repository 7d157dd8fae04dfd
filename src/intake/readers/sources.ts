/**
 * Exams as a reader finds them: in the spool of an upload, or below a root on this machine. Reads are
 * synchronous, as a process of its own has nothing else to do, and stop when the job is given up.
 */

import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs'
import { sep } from 'node:path'
import { SentinodeError } from '../../errors.js'
import { type ByteReader, type ExamFile, type ExamSource } from '../../exam/source.js'
import type { ExamPlace } from '../roots.js'
import type { UploadedExam } from '../upload.js'

/** Told of each piece of a file before it is read, by its bytes; throws when the job is given up. */
export type Step = (bytes: number) => void

function reader(fd: number, from: number, size: number, step: Step, close: () => void): ByteReader {
  const fill = (offset: number, into: Uint8Array): number => {
    const wanted = Math.max(0, Math.min(into.byteLength, size - offset))
    step(wanted)
    let filled = 0
    while (filled < wanted) {
      const count = readSync(fd, into, filled, wanted - filled, from + offset + filled)
      if (count === 0) break
      filled += count
    }
    return filled
  }
  return {
    size,
    read: (offset, length) => {
      const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, size - offset)))
      return Promise.resolve(bytes.subarray(0, fill(offset, bytes)))
    },
    readInto: (offset, into) => Promise.resolve(fill(offset, into)),
    close: () => {
      close()
      return Promise.resolve()
    },
  }
}

/** Files of an upload; their numbers, in digits enough to sort, are their ids. */
export function uploadedFiles({ fd, files }: UploadedExam, step: Step): Map<number, ExamFile> {
  return new Map(
    files.map(({ number, offset, size }) => {
      const open = (): Promise<ByteReader> => Promise.resolve(reader(fd, offset, size, step, () => undefined))
      return [number, { id: String(number).padStart(10, '0'), size, open }]
    }),
  )
}

const MAX_DEPTH = 32
// O_NONBLOCK: opening a pipe must not wait for its other end.
const READ = constants.O_RDONLY | constants.O_NONBLOCK
/** Of paths that are not there, or that the daemon may not read. */
const ABSENT = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'ENXIO']

/**
 * An exam below a root: a folder with everything in it, or one file. Where a path leads is asked of what was
 * opened, so that nothing can be swapped between the check and the read. While files are listed or opened:
 * @throws SentinodeError EXAM_NOT_FOUND, EXAM_PATH_REFUSED where it, or anything in it, leads out of the root
 */
export function placedFiles(place: ExamPlace, step: Step): ExamSource {
  const walker = new Walker(place.root, step)
  return {
    // An async generator: consumers await each file, whatever the source.
    // eslint-disable-next-line @typescript-eslint/require-await
    async *files() {
      yield* walker.files(`${place.root}/${place.path}`)
    },
  }
}

class Walker {
  readonly #seen = new Set<string>()
  readonly #inside: string

  constructor(
    root: string,
    private readonly step: Step,
  ) {
    this.#inside = root.endsWith(sep) ? root : root + sep
  }

  /** Files at a path and below it, in the order of their names; what cannot be opened below it is passed over. */
  *files(path: string, depth = 0): Generator<ExamFile> {
    this.step(0)
    const opened = this.#open(path)
    if (opened === null) {
      if (depth > 0) return
      throw notFound('expected a readable file or folder of that path below the root, found none')
    }
    let names: readonly string[] = []
    try {
      const info = fstatSync(opened.fd)
      if (info.isFile()) yield this.#file(path, info.size)
      // A folder that links lead to twice holds its files once.
      if (info.isDirectory() && depth <= MAX_DEPTH && !this.#seen.has(opened.real)) {
        this.#seen.add(opened.real)
        names = readdirSync(`/proc/self/fd/${opened.fd}`).sort()
      }
    } finally {
      closeSync(opened.fd)
    }
    for (const name of names) yield* this.files(`${path}/${name}`, depth + 1)
  }

  #file(path: string, size: number): ExamFile {
    const open = (): ByteReader => {
      const opened = this.#open(path)
      if (opened === null) throw notFound('a file of the exam vanished while it was read')
      const { fd } = opened
      return reader(fd, 0, fstatSync(fd).size, this.step, () => closeSync(fd))
    }
    return { id: path, size, open: () => new Promise((resolve) => resolve(open())) }
  }

  /** Null where it does not exist or may not be read. */
  #open(path: string): { fd: number; real: string } | null {
    let fd = -1
    let real: string
    try {
      fd = openSync(path, READ)
      real = realpathSync(`/proc/self/fd/${fd}`)
    } catch (error) {
      if (fd >= 0) closeSync(fd)
      if (ABSENT.includes((error as NodeJS.ErrnoException).code ?? '')) return null
      throw error
    }
    if (`${real}${sep}`.startsWith(this.#inside)) return { fd, real }
    closeSync(fd)
    throw new SentinodeError('EXAM_PATH_REFUSED', 'the path, or a link in the exam, leads out of the root')
  }
}

const notFound = (message: string): SentinodeError => new SentinodeError('EXAM_NOT_FOUND', message)
