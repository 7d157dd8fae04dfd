import { compileCached, defaultCacheFolder } from '../compiler/cache.js'
import type { NativeRuntimeInfo } from '../engine/native.js'
import type { CompileModel } from '../models/engine.js'

export interface CompileOptions {
  /** Folder of compiled models, null for the user's cache folder. */
  readonly cacheDir: string | null
  readonly runtime: NativeRuntimeInfo
}

/** Compiles through the cache on disk; a model that passes through is handed on as it came. */
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
    const compiled = await compileCached(model, options, cache)
    return {
      modelPath: compiled.path,
      modelBytes: compiled.path === null ? model : null,
      ownOperators: compiled.ownOperators,
    }
  }
}
