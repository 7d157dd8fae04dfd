/** Finds the addon and the ONNX Runtime library, and loads both. */
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SentinodeError } from '../errors.js'
import { callAddon } from './errors.js'
import type { NativeAddon, NativeRuntimeInfo } from './native.js'

const require = createRequire(import.meta.url)
const packageFolder = fileURLToPath(new URL('../../', import.meta.url))

export interface LoaderOptions {
  /** The addon's file, null for the one that this package has built. */
  readonly addonPath: string | null
  /** libonnxruntime.so of any build from 1.21 on, null for the one that onnxruntime-node ships. */
  readonly onnxruntimeLibrary: string | null
}

export interface LoadedAddon {
  readonly addon: NativeAddon
  readonly runtime: NativeRuntimeInfo
}

/**
 * Loads both; calling it again gives the same addon.
 *
 * @throws SentinodeError ADDON_NOT_FOUND, RUNTIME_NOT_FOUND, RUNTIME_TOO_OLD, INVALID_OPTION (this process
 * has loaded another library)
 */
export function loadAddon(options: LoaderOptions): LoadedAddon {
  tuneOpenMp()
  const addon = requireAddon(options.addonPath ?? builtAddon())
  const library = options.onnxruntimeLibrary ?? packagedRuntime()
  return { addon, runtime: callAddon(() => addon.loadRuntime(library)) }
}

/**
 * OpenMP's threads spin between parallel regions. The default number of turns makes runs tens of times
 * longer when something else wants the core (JavaScript's thread does); none at all makes each region wait
 * for the kernel. Read once, when the addon brings in libgomp, so it is set before; what the user has set
 * stays.
 */
function tuneOpenMp(): void {
  const chosen = ['GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'].some((name) => process.env[name] !== undefined)
  if (!chosen) process.env['GOMP_SPINCOUNT'] = '10000'
}

/** @throws SentinodeError ADDON_NOT_FOUND */
export function builtAddon(): string {
  const candidates = ['build/Release/sentinode.node', 'build/Debug/sentinode.node']
  const found = candidates.map((file) => join(packageFolder, file)).find((file) => existsSync(file))
  if (found !== undefined) return found
  throw addonNotFound('it has not been built', [
    'build it: npm run build:native',
    'set up everything: npm test',
  ])
}

function requireAddon(file: string): NativeAddon {
  try {
    return require(file) as NativeAddon
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw addonNotFound('it does not load', solutions(reason), error)
  }
}

/**
 * Ends this process with `code` in `milliseconds` at the latest, even where its event loop or another thread
 * hangs. Without an addon no thread of ours can, and the event loop's own timer has to do.
 */
export function exitAfter(milliseconds: number, code: number): void {
  try {
    const addon = requireAddon(builtAddon())
    callAddon(() => addon.exitAfter(milliseconds, code))
  } catch {
    setTimeout(() => process.exit(code), milliseconds).unref()
  }
}

/** What to try, by what the loader said. */
function solutions(reason: string): string[] {
  const library = /(lib(?:dnnl|gomp|OpenCL|stdc\+\+)[^:\s]*): cannot open/.exec(reason)?.[1]
  if (library?.startsWith('libdnnl')) return ['install oneDNN: apt-get install libdnnl2', rebuild]
  if (library?.startsWith('libOpenCL')) return ['install OpenCL: apt-get install ocl-icd-libopencl1', rebuild]
  if (library !== undefined) return [`install the library ${library}`, rebuild]
  if (/GLIBC|CXXABI/.test(reason)) return [`it was built on a newer system; ${rebuild}`]
  if (/Cannot find module/.test(reason)) return ['check the path that was given', rebuild]
  if (/no-addons|ERR_DLOPEN_DISABLED/.test(reason)) return ['start node without --no-addons']
  return [rebuild, 'use Node 20.19 or newer on Linux']
}

const rebuild = 'build it on this machine: npm run build:native'

function addonNotFound(what: string, hints: readonly string[], cause?: unknown): SentinodeError {
  const list = hints.map((hint) => `\n  - ${hint}`).join('')
  return new SentinodeError('ADDON_NOT_FOUND', `the native addon: ${what}. Possible solutions:${list}`, {
    cause,
  })
}

/**
 * The library inside onnxruntime-node, whichever version of Node-API its folder is named after.
 *
 * @throws SentinodeError RUNTIME_NOT_FOUND
 */
export function packagedRuntime(): string {
  const nothing = new SentinodeError(
    'RUNTIME_NOT_FOUND',
    'no ONNX Runtime library: install the package onnxruntime-node, or give the path of a libonnxruntime.so',
  )
  let folder: string
  try {
    folder = join(dirname(require.resolve('onnxruntime-node/package.json')), 'bin')
  } catch {
    throw nothing
  }
  const versions = readdirSync(folder).filter((name) => name.startsWith('napi-v'))
  const files = versions.map((name) =>
    join(folder, name, process.platform, process.arch, 'libonnxruntime.so.1'),
  )
  const found = files.find((file) => existsSync(file))
  if (found === undefined) throw nothing
  return found
}
