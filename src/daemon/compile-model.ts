import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileCached, defaultCacheFolder } from '../compiler/cache.js'
import type { NativeRuntimeInfo } from '../engine/native.js'
import { isSentinodeError } from '../errors.js'
import type { CompileModel } from '../models/engine.js'

export interface CompileOptions {
  /** Folder of compiled models, null for the user's cache folder. */
  readonly cacheDir: string | null
  readonly runtime: NativeRuntimeInfo
}

/**
 * Compiles through the cache on disk; a model that passes through is handed on as it came. Where the disk is
 * full or read-only a model is served from memory all the same, and a warning says so.
 */
export function compileWith({ cacheDir, runtime }: CompileOptions): CompileModel {
  const folder = Promise.resolve(cacheDir ?? defaultCacheFolder())
  // Whoever compiles first meets the failure; nobody may compile at all.
  folder.catch(() => undefined)
  return async ({ model, target, resolve, precision, exactTaps, fastTaps, hints }) => {
    // Without oneDNN the addon has no operators of its own.
    const offered = target === 'cpu' && runtime.onednn === null ? 'cpu-portable' : target
    const cache = { folder: await folder, onnxruntime: runtime.version, onednn: runtime.onednn }
    const taps = { exactTaps, fastTaps }
    // What a request may replace, the loader has made an input like others before.
    const options = {
      constantInitializers: true,
      target: offered,
      resolve,
      precision,
      ...taps,
      ...(hints && { hints }),
    } as const
    let warning: string | null = null
    const compiled = await compileCached(model, options, cache).catch((error: unknown) => {
      if (!isSentinodeError(error) || error.code !== 'CACHE_NOT_WRITTEN') throw error
      warning = `${error.message}. It is served from memory, and compiled and measured again at the next start`
      return compileCached(model, options, { ...cache, folder: memoryFolder() })
    })
    return {
      warning,
      modelPath: compiled.path,
      modelBytes: compiled.path === null ? model : null,
      ownOperators: compiled.ownOperators,
    }
  }
}

let inMemory: string | undefined

/** A folder of this process in memory, or in the temporary folder where there is none; it goes at exit. */
function memoryFolder(): string {
  if (inMemory !== undefined) return inMemory
  const name = 'sentinode-'
  let folder: string
  try {
    folder = mkdtempSync(join('/dev/shm', name))
  } catch {
    folder = mkdtempSync(join(tmpdir(), name))
  }
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return (inMemory = folder)
}
