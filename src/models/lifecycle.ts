/**
 * Loads models, keeps the state of every version, and finds the one that a request names. One model that
 * fails leaves the others serving. All on JavaScript's thread; loading itself is injected.
 */
import { isSentinodeError, SentinodeError } from '../errors.js'
import { ConfigSource } from './config/source.js'
import { validateConfig } from './config/validate.js'
import { pooled } from './pooled.js'
import type { ModelSource, VersionSource } from './repository.js'
import { invalid, quote } from './request/messages.js'
import type { ServableModel } from './servable.js'
import { chooseVersions } from './version-policy.js'

export type VersionState = 'UNKNOWN' | 'LOADING' | 'READY' | 'UNLOADING' | 'UNAVAILABLE'

export interface ModelIndexEntry {
  readonly name: string
  /** Empty where the model has no version that could be named. */
  readonly version: string
  readonly state: VersionState
  /** Why it is not ready, empty where it is. */
  readonly reason: string
}

/** One version to load, its configuration read and found valid in itself. */
export interface LoadTask {
  readonly model: ModelSource
  readonly version: VersionSource
  readonly config: ConfigSource
}

export type LoadModel = (task: LoadTask) => Promise<ServableModel>

export interface LifecycleEvents {
  onState(name: string, version: string, state: VersionState, reason: string): void
  onWarning(name: string, message: string): void
  /** A failure with its cause, for the log: what clients see is the reason alone. */
  onFailure(name: string, version: string, error: Error): void
}

interface VersionEntry {
  state: VersionState
  reason: string
  servable: ServableModel | null
}

interface ModelEntry {
  /** By version number. */
  readonly versions: Map<number, VersionEntry>
  /** Why no version was even tried, null where some was. */
  fault: string | null
}

export class ModelManager {
  readonly #load: LoadModel
  readonly #concurrency: number
  readonly #events: Partial<LifecycleEvents>
  readonly #models = new Map<string, ModelEntry>()
  #closing = false

  constructor(options: {
    readonly load: LoadModel
    /** Versions that load at once, >= 1. */
    readonly concurrency: number
    readonly events?: Partial<LifecycleEvents>
  }) {
    this.#load = options.load
    this.#concurrency = options.concurrency
    this.#events = options.events ?? {}
  }

  /** Resolves when every version is READY or UNAVAILABLE; never rejects for a model's sake. */
  async loadAll(sources: readonly ModelSource[]): Promise<void> {
    const tasks = sources.flatMap((source) => this.#prepare(source))
    await pooled(tasks, this.#concurrency, (task) => this.#loadVersion(task))
  }

  /**
   * The version that a request means; an empty version is the highest that is ready.
   * Throws MODEL_NOT_FOUND, MODEL_NOT_READY or, for a version that is no number, INVALID_REQUEST.
   */
  get(name: string, version: string): ServableModel {
    const number = parseVersion(version)
    const model = this.#models.get(name)
    const unknown = `Request for unknown model: ${quote(name)}`
    if (model === undefined) throw new SentinodeError('MODEL_NOT_FOUND', `${unknown} is not found`)
    if (number === null) {
      const ready = this.#ready(model).at(-1)
      if (ready !== undefined) return ready
      throw new SentinodeError('MODEL_NOT_FOUND', `${unknown} has no available versions`)
    }
    const entry = model.versions.get(number)
    if (entry === undefined)
      throw new SentinodeError('MODEL_NOT_FOUND', `${unknown} version ${number} is not found`)
    if (entry.servable !== null && entry.state === 'READY') return entry.servable
    const why = entry.reason === '' ? entry.state : `${entry.state}: ${entry.reason}`
    throw new SentinodeError('MODEL_NOT_READY', `${unknown} version ${number} is not at ready state (${why})`)
  }

  /** False for what is unknown too; throws INVALID_REQUEST for a version that is no number. */
  isReady(name: string, version: string): boolean {
    try {
      this.get(name, version)
      return true
    } catch (error) {
      if (isSentinodeError(error) && error.code !== 'INVALID_REQUEST') return false
      throw error
    }
  }

  /** Takes a version out of service, for good; what it holds is freed when all are unloaded. */
  fail(name: string, version: number, error: SentinodeError): void {
    const entry = this.#models.get(name)?.versions.get(version)
    if (entry?.state === 'READY') this.#set(name, version, entry, 'UNAVAILABLE', reasonOf(error))
  }

  /** Ready versions of a model, ascending; empty for an unknown one. */
  readyVersions(name: string): number[] {
    const model = this.#models.get(name)
    return model === undefined ? [] : this.#ready(model).map(({ version }) => version)
  }

  /** All versions that are ready, by name and version. */
  ready(): ServableModel[] {
    return [...this.#models.values()].flatMap((model) => this.#ready(model))
  }

  /** Whether everything that was found and chosen is ready. */
  get allReady(): boolean {
    return this.index().every(({ state }) => state === 'READY')
  }

  index(readyOnly = false): ModelIndexEntry[] {
    const entries = [...this.#models].flatMap(([name, { versions, fault }]): ModelIndexEntry[] => {
      if (versions.size === 0) return [{ name, version: '', state: 'UNAVAILABLE', reason: fault ?? '' }]
      return ascending(versions).map(([version, { state, reason }]) => ({
        name,
        version: String(version),
        state,
        reason,
      }))
    })
    return readyOnly ? entries.filter(({ state }) => state === 'READY') : entries
  }

  /**
   * Takes every version out of service, answers what it had admitted until `deadline` (monotonic ms) and frees
   * it. What is still loading is freed when it is there; nothing loads afterwards.
   */
  async unloadAll(deadline: number): Promise<void> {
    this.#closing = true
    const unloading = [...this.#models].flatMap(([name, { versions }]) =>
      [...versions].map(async ([version, entry]) => {
        const { servable } = entry
        if (servable === null) return
        entry.servable = null
        this.#set(name, version, entry, 'UNLOADING', '')
        try {
          await servable.dispose(deadline)
        } catch (error) {
          this.#events.onFailure?.(name, String(version), asError(error))
        }
        this.#set(name, version, entry, 'UNAVAILABLE', 'unloaded')
      }),
    )
    await Promise.all(unloading)
  }

  #prepare(source: ModelSource): LoadTask[] {
    const model: ModelEntry = { versions: new Map(), fault: null }
    this.#models.set(source.name, model)
    const reject = (error: Error): LoadTask[] => {
      model.fault = reasonOf(error)
      for (const { version } of source.versions) {
        const entry: VersionEntry = { state: 'UNKNOWN', reason: '', servable: null }
        model.versions.set(version, entry)
        this.#set(source.name, version, entry, 'UNAVAILABLE', model.fault)
      }
      this.#events.onFailure?.(source.name, '', error)
      return []
    }
    if (source.fault !== null) return reject(source.fault)
    try {
      const config =
        source.configText === null
          ? ConfigSource.absent(source.name)
          : ConfigSource.parse(`${source.name}/config.pbtxt`, source.configText)
      for (const warning of validateConfig(config, source.name))
        this.#events.onWarning?.(source.name, warning)
      const { serve, missing } = chooseVersions(config.config.versionPolicy, source.versions)
      for (const version of missing) {
        const entry: VersionEntry = { state: 'UNKNOWN', reason: '', servable: null }
        model.versions.set(version, entry)
        const where = config.where('version_policy.specific.versions')
        this.#set(
          source.name,
          version,
          entry,
          'UNAVAILABLE',
          `${where}: version ${version} is not in the repository`,
        )
      }
      return serve.map((version) => {
        const entry: VersionEntry = { state: 'UNKNOWN', reason: '', servable: null }
        model.versions.set(version.version, entry)
        return { model: source, version, config }
      })
    } catch (error) {
      return reject(asError(error))
    }
  }

  async #loadVersion(task: LoadTask): Promise<void> {
    const { name } = task.model
    const { version } = task.version
    const entry = this.#models.get(name)?.versions.get(version)
    if (entry === undefined || this.#isClosing()) return
    this.#set(name, version, entry, 'LOADING', '')
    try {
      const servable = await this.#load(task)
      if (this.#isClosing()) {
        await servable.dispose(-Infinity)
        this.#set(name, version, entry, 'UNAVAILABLE', 'unloaded')
        return
      }
      entry.servable = servable
      for (const warning of servable.warnings) this.#events.onWarning?.(name, warning)
      this.#set(name, version, entry, 'READY', '')
    } catch (error) {
      this.#set(name, version, entry, 'UNAVAILABLE', reasonOf(asError(error)))
      this.#events.onFailure?.(name, String(version), asError(error))
    }
  }

  #isClosing(): boolean {
    return this.#closing
  }

  #ready(model: ModelEntry): ServableModel[] {
    return ascending(model.versions).flatMap(([, { state, servable }]) =>
      state === 'READY' && servable !== null ? [servable] : [],
    )
  }

  #set(name: string, version: number, entry: VersionEntry, state: VersionState, reason: string): void {
    entry.state = state
    entry.reason = reason
    this.#events.onState?.(name, String(version), state, reason)
  }
}

function ascending<T>(versions: ReadonlyMap<number, T>): [number, T][] {
  return [...versions].sort(([a], [b]) => a - b)
}

/** Null for the empty string, which leaves the choice to the server. */
function parseVersion(text: string): number | null {
  if (text === '') return null
  const number = Number(text)
  if (!/^[+-]?[0-9]+$/.test(text) || !Number.isSafeInteger(number)) {
    throw invalid(
      `failed to get model version from specified version string ${quote(text)}, version should be an integral value > 0`,
    )
  }
  if (number < 0) {
    throw invalid(`invalid model version specified ${quote(text)} , version should be an integral value > 0`)
  }
  return number
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** What clients may see: coded messages are written for them; of others the system's code, the rest stays in the log. */
function reasonOf(error: Error): string {
  if (isSentinodeError(error)) return `${error.code}: ${error.message}`
  const { code, syscall } = error as NodeJS.ErrnoException
  return code === undefined
    ? 'INTERNAL: the log has the details'
    : `INTERNAL: ${code}${syscall === undefined ? '' : ` in ${syscall}`}; the log has the details`
}
