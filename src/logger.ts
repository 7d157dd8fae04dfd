import pino, { type DestinationStream, type Logger as Pino } from 'pino'
import { isSentinodeError } from './errors.js'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/**
 * Every field that a log line may have. Requests are known by `requestId` alone: what they carry, names
 * and ids that callers choose included, has no field and cannot be written.
 */
const FIELDS = [
  'requestId',
  'state',
  'signal',
  'reason',
  'code',
  'status',
  'method',
  'model',
  'modelVersion',
  'version',
  'onnxruntime',
  'onednn',
  'target',
  'provider',
  'precision',
  'instances',
  'instance',
  'stage',
  'threads',
  'grpc',
  'metrics',
  'seconds',
  'rows',
  'bytes',
  'count',
] as const

export type LogFields = { readonly [K in (typeof FIELDS)[number]]?: string | number | boolean | null } & {
  /** Anything that was thrown; see `describeError` for what is kept of it. */
  readonly err?: unknown
}

type Write = (fields: LogFields, message: string) => void

/** Messages are constants of the program; what varies goes into the fields. */
export interface Logger {
  readonly trace: Write
  readonly debug: Write
  readonly info: Write
  readonly warn: Write
  readonly error: Write
  readonly fatal: Write
  /** A logger whose lines all have these fields. */
  child(fields: LogFields): Logger
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** Where the JSON lines go. It must not block, throw or fail: see LineOutput. */
  readonly destination: DestinationStream
}

const LONGEST_TEXT = 2000
const MAX_CAUSES = 4
/** Codes of Node and of libraries; anything else in `code` may come from outside. */
const CODE = /^[A-Z][A-Z0-9_]{1,60}$/

export function createLogger({ level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    formatters: { level: (label: string) => ({ level: label }) },
    // Pino's own would take our description of an error for an error.
    serializers: { err: (described: unknown) => described },
  }
  return wrap(pino(options, destination))
}

/** Logs nothing. */
export const silentLogger: Logger = wrap(pino({ level: 'silent' }))

function wrap(target: Pino): Logger {
  const at = (level: Exclude<LogLevel, 'silent'>): Write => {
    return (fields, message) => {
      if (target.isLevelEnabled(level)) target[level](allowed(fields), message)
    }
  }
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: (fields) => wrap(target.child(allowed(fields))),
  }
}

function allowed(fields: LogFields): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const name of FIELDS) {
    const value: unknown = fields[name]
    if (typeof value === 'string') kept[name] = clip(value)
    else if (typeof value === 'number' || typeof value === 'boolean' || value === null) kept[name] = value
  }
  if (fields.err !== undefined) kept['err'] = describeError(fields.err)
  return kept
}

interface ErrorDescription {
  readonly type: string
  readonly code?: string
  readonly message?: string
  readonly stack?: readonly string[]
  readonly cause?: ErrorDescription
}

/**
 * What is kept of an error: its class, its code, where it was thrown, and its causes the same way. Our own
 * messages are written to be safe; those of others may quote what they were given (JSON.parse does), so
 * they are left out.
 */
export function describeError(error: unknown, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error }
  const { cause } = error
  const code: unknown = 'code' in error ? error.code : undefined
  return {
    type: error.constructor.name,
    ...(typeof code === 'string' && CODE.test(code) && { code }),
    ...(isSentinodeError(error) && { message: clip(error.message) }),
    stack: frames(error),
    ...(cause !== undefined && depth < MAX_CAUSES && { cause: describeError(cause, depth + 1) }),
  }
}

/** The stack begins with the message, which may have lines of any form; only what follows it is kept. */
function frames(error: Error): readonly string[] {
  const stack = typeof error.stack === 'string' ? error.stack : ''
  const heading = stack.indexOf(error.message)
  if (heading < 0) return []
  return stack
    .slice(heading + error.message.length)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^at .*(:\d+:\d+\)?|<anonymous>\)?)$/.test(line))
}

function clip(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}…`
}
