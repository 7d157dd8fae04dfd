import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { SentinodeError } from '../errors.js'
import { COMPILER_VERSION, type CompiledModel, type CompileOptions, compile } from './compile.js'
import { externalTensors } from './external-data.js'
import { updateHash } from './hash.js'
import { decodeModel } from './onnx.js'
import type { CompileReport } from './report.js'

/** Where compiled models are kept, and the versions that they depend on. */
export interface CompileCache {
  /** Made with mode 0700 if it is missing. */
  readonly folder: string
  readonly onnxruntime: string
  /** null where the addon was built without oneDNN. */
  readonly onednn: string | null
}

export interface CachedModel {
  /** The compiled model's file, its side files beside it; null where the model passed through unchanged. */
  readonly path: string | null
  /** Whether the model holds operators of the domain sentinode. */
  readonly ownOperators: boolean
  readonly report: CompileReport
}

interface Manifest {
  readonly report: CompileReport
  readonly ownOperators: boolean
  /** SHA-256 of every file of the entry. */
  readonly files: Readonly<Record<string, string>>
}

/** SHA-256 of what a manifest says: the report in it is shown to people, and no file of its own. */
const checkOf = (manifest: Manifest): string =>
  createHash('sha256').update(JSON.stringify(manifest)).digest('hex')

const MODEL = 'model.onnx'
const MANIFEST = 'manifest.json'

/**
 * `compile` with its results kept on disk. An entry is a folder that appears whole, by one rename, so that
 * daemons may share the cache; its contents are compared with their hashes before they are used, and what
 * does not agree is made again. Throws what `compile` throws, CACHE_UNSAFE and CACHE_NOT_WRITTEN.
 */
export async function compileCached(
  bytes: Uint8Array,
  options: CompileOptions,
  cache: CompileCache,
): Promise<CachedModel> {
  const folder = await safeFolder(cache.folder)
  const entry = join(folder, await keyOf(bytes, options, cache))
  const known = await readEntry(entry)
  if (known !== null) return known
  const compiled = await compile(bytes, options)
  if (!compiled.rewritten) return { path: null, ownOperators: false, report: compiled.report }
  return writeEntry(folder, entry, compiled)
}

/** The user's cache folder, or a private one for this process where there is no home to write to. */
export async function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const base = environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(base, 'sentinode')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return folder
  } catch {
    return mkdtemp(join(tmpdir(), 'sentinode-'))
  }
}

/** SHA-256 over everything that can change what a model compiles to. */
async function keyOf(bytes: Uint8Array, options: CompileOptions, cache: CompileCache): Promise<string> {
  const { target, precision = 'fp32', exactTaps = false, fastTaps = false, hints = [] } = options
  const { constantInitializers = false, recognise = true } = options
  const settings = {
    compiler: COMPILER_VERSION,
    onnxruntime: cache.onnxruntime,
    onednn: cache.onednn,
    target,
    precision,
    exactTaps,
    fastTaps,
    hints,
    constantInitializers,
    recognise,
  }
  const hash = createHash('sha256').update(JSON.stringify(settings)).update('\n')
  updateHash(hash, bytes)
  for (const { location, offset, length } of externalTensors(decodeModel(bytes).graph)) {
    hash.update(JSON.stringify([location, offset, length]))
    updateHash(hash, await options.resolve.read(location, { offset, length }))
  }
  return hash.digest('hex')
}

/** The folder, made if need be. Throws CACHE_UNSAFE unless it is ours and nobody else may write to it. */
async function safeFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new SentinodeError('INVALID_OPTION', 'The cache folder cannot be made; name another one', { cause })
  })
  const { uid, mode } = await stat(folder)
  if (uid !== process.getuid?.()) {
    throw new SentinodeError('CACHE_UNSAFE', 'The cache folder belongs to another user; name another one')
  }
  if ((mode & 0o022) !== 0) {
    throw new SentinodeError(
      'CACHE_UNSAFE',
      `The cache folder has mode ${(mode & 0o777).toString(8)}; mode 700 is expected (chmod 700), or name another one`,
    )
  }
  return folder
}

/** The entry if it is there and whole, null otherwise. */
async function readEntry(entry: string): Promise<CachedModel | null> {
  try {
    const { check, ...manifest } = JSON.parse(await readFile(join(entry, MANIFEST), 'utf8')) as Manifest & {
      check: string
    }
    if (check !== checkOf(manifest)) return null
    for (const [name, expected] of Object.entries(manifest.files)) {
      if ((await hashFile(join(entry, name))) !== expected) return null
    }
    if (!(MODEL in manifest.files)) return null
    return { path: join(entry, MODEL), ownOperators: manifest.ownOperators, report: manifest.report }
  } catch {
    // Missing, cut short, or not JSON: made again either way.
    return null
  }
}

async function writeEntry(folder: string, entry: string, compiled: CompiledModel): Promise<CachedModel> {
  const { report, ownOperators } = compiled
  const draft = join(folder, `.draft-${randomUUID()}`)
  try {
    await mkdir(draft, { mode: 0o700 })
    const files: Record<string, string> = {}
    for (const { name, chunks } of [{ name: MODEL, chunks: [compiled.model] }, ...compiled.files]) {
      files[name] = await writeWhole(join(draft, name), chunks)
    }
    const manifest: Manifest = { report, ownOperators, files }
    const checked = JSON.stringify({ ...manifest, check: checkOf(manifest) })
    await writeWhole(join(draft, MANIFEST), [Buffer.from(checked)])
    await publish(draft, entry)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'for a reason that the log has'
    const message = `The compiled model could not be written to the cache folder (${code}); make room or name another one`
    throw new SentinodeError('CACHE_NOT_WRITTEN', message, { cause })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return { path: join(entry, MODEL), ownOperators, report }
}

/** Moves a finished entry into place. Another daemon's entry stays if it is whole and goes if it is not. */
async function publish(draft: string, entry: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await rename(draft, entry)
      return
    } catch (error) {
      if ((await readEntry(entry)) !== null) return
      if (attempt === 3) throw error
      // Moved aside first: a name never stands for half an entry.
      const aside = `${draft}-damaged-${attempt}`
      await rename(entry, aside).catch(() => undefined)
      await rm(aside, { recursive: true, force: true })
    }
  }
}

/** Writes a file through to the disk and returns its SHA-256. */
async function writeWhole(path: string, chunks: readonly Uint8Array[]): Promise<string> {
  const handle = await open(path, 'wx', 0o600)
  const hash = createHash('sha256')
  try {
    for (const chunk of chunks) {
      updateHash(hash, chunk)
      await handle.writeFile(chunk)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return hash.digest('hex')
}

async function hashFile(path: string): Promise<string> {
  const handle = await open(path, 'r')
  const hash = createHash('sha256')
  for await (const chunk of handle.createReadStream()) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}
