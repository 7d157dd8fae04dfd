/**
 * Finds models on disk in Triton's layout, `<repository>/<model>/[config.pbtxt] <version>/model.onnx`, and
 * in two shorter ones: a folder that holds model.onnx itself, and a single .onnx file, both version 1.
 * Reads names and config.pbtxt only; a model that cannot be used is listed with the reason.
 */
import { readFile, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { SentinodeError } from '../errors.js'

export interface VersionSource {
  readonly version: number
  /** Folder that files named by the network are confined to. */
  readonly folder: string
}

export interface ModelSource {
  readonly name: string
  /** Holds labels and warm-up data. */
  readonly folder: string
  /** Text of config.pbtxt, null where there is none. */
  readonly configText: string | null
  /** Ascending. */
  readonly versions: readonly VersionSource[]
  /** The network's file in a version's folder where the layout names it, null where the configuration does. */
  readonly fileName: string | null
  /** Why none of it can be served, null where it may be. */
  readonly fault: SentinodeError | null
}

export interface Scan {
  /** By name. */
  readonly models: readonly ModelSource[]
  readonly warnings: readonly string[]
}

const DEFAULT_FILE = 'model.onnx'
const CONFIG_FILE = 'config.pbtxt'
const LARGEST_CONFIG = 1 << 20
const SIDE_FOLDERS = ['configs', 'warmup']

/** Rejects with INVALID_OPTION where a path does not exist or holds nothing that is served. */
export async function scanRepositories(paths: readonly string[]): Promise<Scan> {
  const warnings: string[] = []
  const found: ModelSource[] = []
  for (const path of paths) found.push(...(await scanPath(resolve(path), warnings)))
  const names = [...new Set(found.map((model) => model.name))].sort()
  const models = names.map((name) => {
    const [first, ...others] = found.filter((model) => model.name === name) as [ModelSource, ...ModelSource[]]
    return others.length === 0 ? first : unusable(first, 'the model is in more than one repository')
  })
  return { models, warnings }
}

async function scanPath(path: string, warnings: string[]): Promise<ModelSource[]> {
  const info = await stat(path).catch(() => null)
  if (info === null)
    throw new SentinodeError('INVALID_OPTION', `models: expected a folder or an .onnx file, found no ${path}`)
  if (info.isFile()) {
    if (!path.endsWith('.onnx')) {
      throw new SentinodeError('INVALID_OPTION', `models: expected a folder or an .onnx file, found ${path}`)
    }
    return [singleFile(path)]
  }
  const entries = await listFolder(path)
  if (await isModelFolder(path, entries)) return [await scanModel(path, warnings)]
  const models: ModelSource[] = []
  for (const entry of entries) {
    if (entry.folder) models.push(await scanModel(join(path, entry.name), warnings))
    else warnings.push(`${basename(path)}/${entry.name}: not a model's folder, ignored`)
  }
  return models
}

function singleFile(path: string): ModelSource {
  const fileName = basename(path)
  const folder = dirname(path)
  return checkName({
    name: fileName.replace(/\.onnx$/, ''),
    folder,
    configText: null,
    versions: [{ version: 1, folder }],
    fileName,
    fault: null,
  })
}

async function scanModel(folder: string, warnings: string[]): Promise<ModelSource> {
  const name = basename(folder)
  const entries = await listFolder(folder)
  const versions: VersionSource[] = []
  for (const { name: child, folder: isFolder } of entries) {
    if (!isFolder || SIDE_FOLDERS.includes(child)) continue
    if (/^[1-9][0-9]*$/.test(child) && Number.isSafeInteger(Number(child))) {
      versions.push({ version: Number(child), folder: join(folder, child) })
    } else warnings.push(`${name}/${child}: not a version (a number without leading zeros), ignored`)
  }
  const bare = versions.length === 0 && entries.some((entry) => !entry.folder && entry.name === DEFAULT_FILE)
  if (bare) versions.push({ version: 1, folder })
  versions.sort((a, b) => a.version - b.version)
  const source: ModelSource = {
    name,
    folder,
    configText: null,
    versions,
    fileName: bare ? DEFAULT_FILE : null,
    fault: null,
  }
  if (versions.length === 0) return unusable(source, 'the model has no version folder')
  try {
    return checkName({ ...source, configText: await readConfig(folder, name) })
  } catch (error) {
    if (error instanceof SentinodeError) return { ...source, fault: error }
    throw error
  }
}

async function readConfig(folder: string, name: string): Promise<string | null> {
  const path = join(folder, CONFIG_FILE)
  const info = await stat(path).catch(() => null)
  if (info === null) return null
  const fault = (found: string): SentinodeError =>
    new SentinodeError(
      'MODEL_CONFIG_INVALID',
      `${name}/${CONFIG_FILE}: expected a text of at most 1 MiB, found ${found}`,
    )
  if (!info.isFile()) throw fault('no regular file')
  if (info.size > LARGEST_CONFIG) throw fault(`${info.size} bytes`)
  const bytes = await readFile(path).catch(() => {
    throw fault('a file that cannot be read')
  })
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw fault('bytes that are not UTF-8')
  }
}

/** A path may be one model as well as a repository of them. */
async function isModelFolder(path: string, entries: readonly Entry[]): Promise<boolean> {
  if (entries.some((entry) => !entry.folder && [DEFAULT_FILE, CONFIG_FILE].includes(entry.name))) return true
  const versions = entries.filter((entry) => entry.folder && /^[1-9][0-9]*$/.test(entry.name))
  if (versions.length === 0 || versions.length < entries.filter((entry) => entry.folder).length) return false
  const files = await Promise.all(
    versions.map((entry) => stat(join(path, entry.name, DEFAULT_FILE)).catch(() => null)),
  )
  return files.some((file) => file?.isFile())
}

interface Entry {
  readonly name: string
  readonly folder: boolean
}

/** Links are followed; hidden entries are left out (Kubernetes keeps `..data` beside what it mounts). */
async function listFolder(path: string): Promise<Entry[]> {
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort()
  const infos = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => null)))
  return names.flatMap((name, i) => {
    const info = infos[i]
    return info ? [{ name, folder: info.isDirectory() }] : []
  })
}

function checkName(source: ModelSource): ModelSource {
  // Names become metric labels, log fields and parts of messages.
  if (/^[\p{L}\p{N}_][\p{L}\p{N} ._+@-]*$/u.test(source.name) && source.name.length <= 128) return source
  return unusable(source, 'its name has characters beyond letters, digits, space and . _ + @ -')
}

function unusable(source: ModelSource, why: string): ModelSource {
  return { ...source, fault: new SentinodeError('MODEL_NOT_READY', why) }
}
