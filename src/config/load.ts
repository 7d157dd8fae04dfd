import { readFileSync } from 'node:fs'
import { LineCounter, parseDocument } from 'yaml'
import { SentinodeError } from '../errors.js'
import {
  camelCase,
  environmentName,
  parseSetting,
  settingKeys,
  settings,
  type Config,
  type SettingKey,
} from './schema.js'
import { suggest } from './suggest.js'

export interface ConfigSources {
  /** Path of a YAML or JSON file, null for none. */
  readonly file: string | null
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Flags that were given, by key; others are absent. */
  readonly flags: Readonly<Partial<Record<SettingKey, unknown>>>
}

interface Found {
  readonly value: unknown
  /** Where the value came from, for messages. */
  readonly origin: string
}

const ENVIRONMENT_PREFIX = 'SENTINODE_'
/** Variables with the prefix that are not settings of the daemon: they are read elsewhere, by clients for one. */
const OTHER_VARIABLES = new Set(['SENTINODE_CONFIG', 'SENTINODE_ADDON', 'SENTINODE_SERVER'])

function unknownSetting(what: string, suggestion: string | null): SentinodeError {
  const hint = suggestion === null ? '' : `; did you mean ${suggestion}?`
  return new SentinodeError('INVALID_OPTION', `${what} is not a setting${hint}`)
}

function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(settings, key)
}

function fromFile(path: string): Map<SettingKey, Found> {
  let source: string
  try {
    source = readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new SentinodeError(
      'INVALID_OPTION',
      `--config: expected a readable file, found ${path} (${reason})`,
      { cause },
    )
  }
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, stringKeys: true })
  const [error] = document.errors
  if (error) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new SentinodeError('INVALID_OPTION', `${path}:${line}:${col}: ${error.message}`)
  }
  const values: unknown = document.toJS()
  if (values === null) return new Map()
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new SentinodeError('INVALID_OPTION', `${path}: expected a mapping of settings`)
  }
  const found = new Map<SettingKey, Found>()
  for (const [key, value] of Object.entries(values)) {
    if (!isSettingKey(key)) throw unknownSetting(`${path}: "${key}"`, suggest(key, settingKeys))
    found.set(key, { value, origin: `${path}: ${key}` })
  }
  return found
}

function fromEnvironment(environment: ConfigSources['environment']): Map<SettingKey, Found> {
  const names = new Map(settingKeys.map((key) => [environmentName(key), key]))
  const found = new Map<SettingKey, Found>()
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || value === undefined || OTHER_VARIABLES.has(name)) continue
    const key = names.get(name)
    if (key === undefined) throw unknownSetting(name, suggest(name, [...names.keys()]))
    found.set(key, { value, origin: name })
  }
  return found
}

function fromFlags(flags: ConfigSources['flags']): Map<SettingKey, Found> {
  const found = new Map<SettingKey, Found>()
  for (const [key, value] of Object.entries(flags)) {
    if (!isSettingKey(key)) throw unknownSetting(`--${key}`, suggest(key, settingKeys))
    if (value !== undefined) found.set(key, { value, origin: `--${key}` })
  }
  return found
}

/** Rules between settings, which no single one can check. */
function checkTogether(config: Config): void {
  if ((config.tlsCert === null) !== (config.tlsKey === null)) {
    throw new SentinodeError('INVALID_OPTION', 'tls-cert and tls-key: expected both or neither')
  }
  if (config.tlsClientCa !== null && config.tlsCert === null) {
    throw new SentinodeError('INVALID_OPTION', 'tls-client-ca: expected tls-cert and tls-key beside it')
  }
  if (config.maxMessageSize > 2 ** 31 - 1) {
    throw new SentinodeError(
      'INVALID_OPTION',
      'max-message-size: expected at most 2147483647, the limit of protobuf',
    )
  }
  if (config.requestMemory < config.maxMessageSize) {
    throw new SentinodeError(
      'INVALID_OPTION',
      'request-memory: expected at least max-message-size, so that one message fits',
    )
  }
}

/**
 * Builds the configuration in effect: defaults < file < environment < flags. The result is frozen.
 * Throws INVALID_OPTION naming the source of the value, what was expected and, for an unknown name, the
 * nearest known one.
 */
export function loadConfig(sources: ConfigSources): Config {
  const layers = [
    sources.file === null ? new Map<SettingKey, Found>() : fromFile(sources.file),
    fromEnvironment(sources.environment),
    fromFlags(sources.flags),
  ]
  const config: Record<string, unknown> = {}
  for (const key of settingKeys) {
    const found = layers.reduce<Found | undefined>((earlier, layer) => layer.get(key) ?? earlier, undefined)
    const parsed = parseSetting(key, found?.value)
    if (!parsed.ok) {
      const origin = found?.origin ?? key
      throw new SentinodeError(
        'INVALID_OPTION',
        `${origin}: ${parsed.message}, found ${JSON.stringify(found?.value)}`,
      )
    }
    config[camelCase(key)] = Array.isArray(parsed.value) ? Object.freeze(parsed.value) : parsed.value
  }
  const loaded = Object.freeze(config) as unknown as Config
  checkTogether(loaded)
  return loaded
}

/** The configuration with the keys of files and flags, as `--print-config` writes it. */
export function describeConfig(config: Config): Record<string, unknown> {
  const values = config as unknown as Record<string, unknown>
  return Object.fromEntries(settingKeys.map((key) => [key, values[camelCase(key)]]))
}
