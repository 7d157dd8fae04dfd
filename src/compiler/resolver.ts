import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'
import { SentinodeError } from '../errors.js'

/** Part of a file, in bytes; `length` null reads to its end. */
export interface FileRange {
  readonly offset: number
  readonly length: number | null
}

/** Reads the files that a model names: external data, labels, warm-up tensors. */
export interface FileResolver {
  /**
   * Bytes of `name`, relative to the model's folder.
   * Rejects with FILE_OUTSIDE_MODEL or FILE_NOT_FOUND; messages hold `name`, never a path of the host.
   */
  read(name: string, range?: FileRange): Promise<Uint8Array>
}

/**
 * A resolver that never leaves `folder`: absolute names, '..' and links that lead out are refused. Where
 * a link leads is asked of the opened file, so that nothing can be swapped between the check and the read.
 */
export function confinedResolver(folder: string): FileResolver {
  return {
    async read(name, range = { offset: 0, length: null }) {
      if (name === '' || isAbsolute(name) || name.includes('\0') || name.split(/[/\\]/).includes('..')) {
        throw outside(name)
      }
      // O_NONBLOCK: opening a pipe must not wait for its other end.
      const flags = constants.O_RDONLY | constants.O_NONBLOCK
      const handle = await open(join(folder, name), flags).catch((cause: unknown) => {
        throw missing(name, 'it cannot be opened', cause)
      })
      try {
        const [root, real] = await Promise.all([realpath(folder), realpath(`/proc/self/fd/${handle.fd}`)])
        if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) throw outside(name)
        const stat = await handle.stat()
        if (!stat.isFile()) throw missing(name, 'it is not a regular file')
        const length = range.length ?? Math.max(0, stat.size - range.offset)
        if (range.offset < 0 || length < 0 || range.offset + length > stat.size) {
          throw missing(
            name,
            `bytes ${range.offset} to ${range.offset + length} were expected, it has ${stat.size}`,
          )
        }
        return await readFully(handle, range.offset, length, name)
      } finally {
        await handle.close()
      }
    },
  }
}

/** A resolver for a model that comes as bytes alone and may name no file. */
export const noFiles: FileResolver = {
  read: (name) => Promise.reject(outside(name)),
}

async function readFully(
  handle: Awaited<ReturnType<typeof open>>,
  offset: number,
  length: number,
  name: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  // One read call moves at most 2 GiB on Linux.
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, 1 << 30), offset + done)
    if (bytesRead === 0) throw missing(name, 'it became shorter while it was read')
    done += bytesRead
  }
  return bytes
}

function outside(name: string): SentinodeError {
  return new SentinodeError(
    'FILE_OUTSIDE_MODEL',
    `The model names the file ${JSON.stringify(name)}; only files inside the model's own folder may be named`,
  )
}

function missing(name: string, why: string, cause?: unknown): SentinodeError {
  return new SentinodeError(
    'FILE_NOT_FOUND',
    `The model names the file ${JSON.stringify(name)}, and ${why}`,
    cause === undefined ? {} : { cause },
  )
}
