import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type CachedModel, compileCached, defaultCacheFolder } from '../compiler/cache.js'
import type { NativeRuntimeInfo } from '../engine/index.js'
import { isSentinodeError } from '../errors.js'
import type { CompileModel } from '../models/engine.js'
import type { Prove } from './prove.js'

export interface CompileOptions {
  /** Folder of compiled models, null for the user's cache folder. */
  readonly cacheDir: string | null
  readonly runtime: NativeRuntimeInfo
  /** Asked once of every network in which something was recognised; where absent, nothing is. */
  readonly prove?: Prove
}

/**
 * Compiles through the cache on disk; a model that passes through is handed on as it came. Where the disk is
 * full or read-only a model is served from memory all the same, and a warning says so.
 */
export function compileWith({ cacheDir, runtime, prove }: CompileOptions): CompileModel {
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
    const doubt = prove !== undefined && !(await isProven(compiled, () => prove(model, resolve)))
    if (doubt) {
      warning =
        'what was recognised as convolutions over four axes does not compute what the network computes: it runs as it was exported'
    }
    const { path, ownOperators } = doubt
      ? await compileCached(model, { ...options, recognise: false }, cache)
      : compiled
    return { warning, modelPath: path, modelBytes: path === null ? model : null, ownOperators }
  }
}

/** Stands beside a compiled model whose recognitions were found right. */
const PROVEN = 'proven'

/** Whether nothing speaks against what was recognised: tried once, and remembered in the cache. */
async function isProven(
  { path, report }: CachedModel,
  prove: () => Promise<boolean | null>,
): Promise<boolean> {
  if (path === null || !report.rewrites.some(({ pass }) => pass === 'recognise-four-axes')) return true
  const mark = join(dirname(path), PROVEN)
  if (existsSync(mark)) return true
  const proven = await prove().catch(() => null)
  // A mark that cannot be written costs another try at the next start.
  if (proven === true) await writeFile(mark, '', { mode: 0o600 }).catch(() => undefined)
  return proven !== false
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
