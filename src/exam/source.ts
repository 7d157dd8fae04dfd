/** Where an exam's bytes come from: a folder, one file, or memory (an upload). Nothing is loaded before it is read. */

import { open, opendir, realpath, stat } from 'node:fs/promises'
import { basename, join, sep } from 'node:path'

/** Random access to one file's bytes. */
export interface ByteReader {
  readonly size: number
  /** At most `length` bytes from `offset`; fewer only at the end of the file. The caller owns what it gets. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Fills `into` from `offset` and returns how many bytes there were: without a copy, where the source can. */
  readInto?(offset: number, into: Uint8Array): Promise<number>
  close(): Promise<void>
}

export interface ExamFile {
  /** Names the file within the exam, to order NIfTI phases; never shown. */
  readonly id: string
  readonly size: number
  open(): Promise<ByteReader>
}

export interface ExamSource {
  files(): AsyncIterable<ExamFile>
}

const MAX_DEPTH = 32

/** Bytes that are in memory already; reads are views, not copies. */
export function memoryFile(id: string, bytes: Uint8Array): ExamFile {
  const reader: ByteReader = {
    size: bytes.byteLength,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    close: () => Promise.resolve(),
  }
  return { id, size: bytes.byteLength, open: () => Promise.resolve(reader) }
}

export function memorySource(files: readonly { id: string; bytes: Uint8Array }[]): ExamSource {
  return fileSource(files.map((file) => memoryFile(file.id, file.bytes)))
}

/** A source over files that the caller describes itself (unlinked temporary files of an upload, for instance). */
export function fileSource(files: readonly ExamFile[]): ExamSource {
  return {
    // An async generator: consumers await each file, whatever the source.
    // eslint-disable-next-line @typescript-eslint/require-await
    async *files() {
      yield* files
    },
  }
}

/** A file on disk, opened for each pass over it so that no exam holds thousands of descriptors. */
export function diskFile(id: string, path: string, size: number): ExamFile {
  return { id, size, open: () => openDisk(path) }
}

async function openDisk(path: string): Promise<ByteReader> {
  const handle = await open(path, 'r')
  const size = (await handle.stat()).size
  return {
    size,
    async read(offset, length) {
      const wanted = Math.max(0, Math.min(length, size - offset))
      const bytes = Buffer.allocUnsafeSlow(wanted)
      let filled = 0
      while (filled < wanted) {
        const { bytesRead } = await handle.read(bytes, filled, wanted - filled, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return bytes.subarray(0, filled)
    },
    close: () => handle.close(),
  }
}

/**
 * An exam on disk: a folder with everything below it, or one file. Links that lead out of the folder, and
 * anything that is not a plain file, are passed over. Files come in the order of their names.
 * @throws the file system's error when `path` cannot be read
 */
export function folderSource(path: string): ExamSource {
  return {
    async *files() {
      const root = await realpath(path)
      const info = await stat(root)
      if (info.isDirectory()) yield* walk(root, root, '', 0)
      else yield diskFile(basename(root), root, info.size)
    },
  }
}

async function* walk(root: string, folder: string, prefix: string, depth: number): AsyncIterable<ExamFile> {
  if (depth > MAX_DEPTH) return
  const names: string[] = []
  for await (const entry of await opendir(folder)) names.push(entry.name)
  names.sort()
  for (const name of names) {
    const path = await realpath(join(folder, name)).catch(() => null)
    if (path === null || !path.startsWith(root.endsWith(sep) ? root : root + sep)) continue
    const info = await stat(path)
    const id = prefix === '' ? name : `${prefix}/${name}`
    if (info.isDirectory()) yield* walk(root, path, id, depth + 1)
    else if (info.isFile()) yield diskFile(id, path, info.size)
  }
}
