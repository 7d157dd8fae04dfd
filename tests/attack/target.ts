/** The daemon under attack: a process of its own, with small budgets, so that attacks reach them soon. */
import { cpSync } from 'node:fs'
import { connect, type ClientHttp2Session } from 'node:http2'
import { join } from 'node:path'
import type { ScreeningClient } from '../../src/generated/sentinode/v1/screening.js'
import {
  repository,
  residentBytes,
  root,
  startDaemon,
  temporaryFolder,
  type RunningDaemon,
} from '../process/sentinode.js'
import { connect as connectScreening } from '../screening-service/client.js'
import { screeningRepository } from '../screening-service/model.js'

export interface Target {
  readonly daemon: RunningDaemon
  /** The honest clients' own. */
  readonly exams: ScreeningClient
  /** host:port of gRPC. */
  readonly grpc: string
  /** host:port of /livez. */
  readonly metrics: string
  /** An HTTP/2 connection of the attacker, ended by the signal; its errors are the attacker's own business. */
  connect(signal: AbortSignal): ClientHttp2Session
  /** 0 once the process has ended. */
  residentBytes(): number
}

const hasEnded = ({ child }: RunningDaemon): boolean => child.exitCode !== null || child.signalCode !== null

const SETTINGS = [
  ...['--request-memory', '256MiB', '--max-message-size', '128MiB'],
  ...['--exam-memory', '512MiB', '--drain-timeout', '10'],
  ...['--log-level', 'error'],
]

/** Serves `echo`, `bools`, `gather` (fails for a bad index), `lymph` (takes exams) and the shipped lymph4d. */
export async function startTarget(): Promise<Target & { stop: () => Promise<number | null> }> {
  const folder = temporaryFolder()
  const models = repository(folder.path, {
    echo: 'identity_FP32.onnx',
    bools: 'identity_BOOL.onnx',
    gather: 'gather.onnx',
  })
  screeningRepository(models)
  cpSync(join(root, 'models/lymph4d'), join(models, 'lymph4d'), { recursive: true })
  const daemon = await startDaemon(['--models', models, ...SETTINGS])
  const exams = connectScreening(daemon.grpc)
  return {
    daemon,
    exams,
    grpc: daemon.grpc,
    metrics: daemon.metrics,
    connect: (signal) => {
      const session = connect(`http://${daemon.grpc}`)
      session.on('error', () => undefined)
      const end = (): void => session.destroy()
      signal.addEventListener('abort', end, { once: true })
      session.once('close', () => signal.removeEventListener('abort', end))
      return session
    },
    residentBytes: () => (hasEnded(daemon) ? 0 : residentBytes(daemon)),
    stop: async () => {
      exams.close()
      const { code } = await daemon.stop()
      folder.remove()
      return code
    },
  }
}
