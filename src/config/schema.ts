import { z } from 'zod'
import { TARGETS } from '../targets.js'
import { boolean, byteSize, integer, pathList, text } from './units.js'

/** `auto` leaves the choice to what the machine has. */
const TARGET_CHOICES = ['auto', ...TARGETS] as const

/**
 * Every setting of the daemon. A key is at once the flag (`--grpc-port`), the key of a configuration file
 * (`grpc-port: 8001`) and, in capitals with the prefix, the environment variable (`SENTINODE_GRPC_PORT`).
 * Reads the same everywhere; precedence is file < environment < flag.
 */
export const settings = {
  models: pathList.default([]).describe('model repositories: folders of models, or a single .onnx file'),
  host: text.default('127.0.0.1').describe('address to listen on'),
  'grpc-port': integer(0, 65535).default(8001).describe('gRPC port, 0 for any free one'),
  'metrics-port': integer(0, 65535)
    .default(8002)
    .describe('port of /metrics, /livez and /readyz, 0 for any free one'),
  'insecure-bind': boolean.default(false).describe('listen on a public address without TLS'),
  'tls-cert': text.nullable().default(null).describe('certificate chain of the server, a PEM file'),
  'tls-key': text.nullable().default(null).describe('private key of the server, a PEM file'),
  'tls-client-ca': text
    .nullable()
    .default(null)
    .describe('CA of client certificates, a PEM file; demands one of every client'),
  'max-message-size': byteSize.default(128 * 2 ** 20).describe('largest message that is received'),
  'request-memory': byteSize
    .default(512 * 2 ** 20)
    .describe('bytes of messages held at once; calls over it wait unread, then are shed'),
  'max-concurrent-streams': integer(1, 100_000).default(256).describe('calls at once on one connection'),
  'max-connections': integer(1, 100_000)
    .default(512)
    .describe('connections at once; the one idle for longest makes room for one more'),
  'connection-idle-timeout': integer(1, 1_000_000)
    .default(300)
    .describe('seconds after which a connection without a call is closed'),
  'least-rate': byteSize
    .default(64 * 2 ** 10)
    .describe('bytes a second that a message, an upload or the reading of an answer must move'),
  reflection: boolean.default(true).describe('serve gRPC reflection'),
  'status-codes': z
    .enum(['sentinode', 'triton'], { error: 'expected "sentinode" or "triton"' })
    .default('sentinode')
    .describe("statuses of errors: sentinode's own, or those that Triton would send"),
  target: z
    .enum(TARGET_CHOICES, { error: `expected ${TARGET_CHOICES.map((choice) => `"${choice}"`).join(', ')}` })
    .default('auto')
    .describe('what models are compiled for where their configuration does not say'),
  threads: integer(0, 1024)
    .default(0)
    .describe('threads of one model instance, 0 to divide the cores between the instances of a model'),
  'onnxruntime-library': text
    .nullable()
    .default(null)
    .describe('ONNX Runtime library to load in place of the packaged one'),
  'cache-dir': text
    .nullable()
    .default(null)
    .describe('folder of compiled models; by default in the user cache folder'),
  'batch-memory': byteSize
    .default(2 * 2 ** 30)
    .describe('bytes of batch slots and of values of 4D regions, over all models'),
  'run-memory': byteSize
    .default(2 * 2 ** 30)
    .describe('bytes that one run of a model may hold on the CPU, its outputs included'),
  'max-output-size': byteSize.default(512 * 2 ** 20).describe('bytes of the outputs of one request'),
  'default-max-batch-size': integer(1, 4096)
    .default(4)
    .describe('max_batch_size of batchable models without a configuration'),
  'max-queued-requests': integer(1, 1_000_000)
    .default(1024)
    .describe('requests that wait in the queue of one model'),
  'max-queued-size': byteSize.default(256 * 2 ** 20).describe('bytes that wait in the queue of one model'),
  'exam-memory': byteSize
    .default(4 * 2 ** 30)
    .describe('bytes of exams held at once, files and pixels; more is shed or waits'),
  'exam-concurrency': integer(1, 64).default(2).describe('exams read and preprocessed at once'),
  'exam-dir': text
    .nullable()
    .default(null)
    .describe('folder of uploads (files without names); by default the temporary one'),
  'exam-roots': pathList
    .default([])
    .describe('folders that exams may be read from, as name=/folder; none by default'),
  'max-exam-streams': integer(1, 10_000).default(64).describe('uploads and cohorts at once'),
  'load-concurrency': integer(1, 64).default(2).describe('models loaded at once'),
  'strict-readiness': boolean.default(false).describe('ready only when every model is'),
  'run-timeout': integer(0, 86_400)
    .default(0)
    .describe('seconds after which a run counts as hung, 0 for 50 times what such runs took, at least 60'),
  'drain-timeout': integer(0, 86_400).default(30).describe('seconds that requests in flight get at shutdown'),
  'log-level': z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'expected trace, debug, info, warn, error, fatal or silent',
    })
    .default('info')
    .describe('least severe log lines that are written'),
} as const

export type SettingKey = keyof typeof settings

const shape = z.strictObject(settings)

type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S

/** The settings in effect, with keys as TypeScript writes them: `grpcPort`. */
export type Config = Readonly<{ [K in SettingKey as CamelCase<K>]: z.output<(typeof settings)[K]> }>

export const settingKeys = Object.keys(settings) as readonly SettingKey[]

export function camelCase(key: string): string {
  return key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

export function environmentName(key: SettingKey): string {
  return `SENTINODE_${key.replaceAll('-', '_').toUpperCase()}`
}

/** Validates one setting alone, so that an error can name where its value came from. */
export function parseSetting(
  key: SettingKey,
  value: unknown,
): { ok: true; value: unknown } | { ok: false; message: string } {
  const parsed = shape.shape[key].safeParse(value)
  if (parsed.success) return { ok: true, value: parsed.data }
  return { ok: false, message: parsed.error.issues[0]?.message ?? 'is not valid' }
}
