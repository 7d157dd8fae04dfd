/** How long a daemon's event loop is held by messages, measured inside it; see busy-turns.mjs. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Client, compressionAlgorithms, credentials, type ServiceError } from '@grpc/grpc-js'
import { until } from '../grpc/harness.js'
import { repository, root, startDaemon, type RunningDaemon } from './sentinode.js'

const TYPES = [
  'BOOL',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'FP32',
  'FP64',
  'BYTES',
]

export interface Watched {
  readonly daemon: RunningDaemon
  /** Sends a message by itself; what the caller gets, and the longest turn of the event loop since the last call, in ms. */
  send(
    path: string,
    message: Buffer,
    compressed?: boolean,
  ): Promise<{ error: ServiceError | null; heldMs: number }>
  stop(): Promise<void>
}

/** A daemon with a model for every datatype, by its name, which gives back what it gets. */
export async function watchedDaemon(folder: string, args: readonly string[] = []): Promise<Watched> {
  const models = repository(
    join(folder, 'models'),
    Object.fromEntries(TYPES.map((type) => [type, `identity_${type}.onnx`])),
  )
  const file = join(folder, 'held')
  const daemon = await startDaemon(['--models', models, '--log-level', 'warn', ...args], {
    NODE_OPTIONS: `--import=${join(root, 'tests/process/busy-turns.mjs')}`,
    BUSY_TURNS: file,
  })
  const limits = { 'grpc.max_send_message_length': -1, 'grpc.max_receive_message_length': -1 }
  const clients = [compressionAlgorithms.identity, compressionAlgorithms.gzip].map(
    (algorithm) =>
      new Client(daemon.grpc, credentials.createInsecure(), {
        ...limits,
        'grpc.default_compression_algorithm': algorithm,
        'grpc.use_local_subchannel_pool': 1,
      }),
  )
  const held = async (): Promise<number> => {
    rmSync(file, { force: true })
    daemon.child.kill('SIGUSR2')
    await until(() => existsSync(file))
    return Number(readFileSync(file, 'utf8'))
  }
  await held()
  return {
    daemon,
    send: async (path, message, compressed = false) => {
      const client = clients[compressed ? 1 : 0] as Client
      const error = await new Promise<ServiceError | null>((resolve) => {
        if (path.includes('Reflection')) {
          const call = client.makeBidiStreamRequest(
            path,
            (raw: Buffer) => raw,
            () => ({}),
          )
          call.on('error', (e: ServiceError) => resolve(e))
          call.on('data', () => {
            resolve(null)
            call.cancel()
          })
          call.write(message)
          call.end()
          return
        }
        client.makeUnaryRequest(
          path,
          (raw: Buffer) => raw,
          () => ({}),
          message,
          (e) => resolve(e),
        )
      })
      return { error, heldMs: await held() }
    },
    stop: async () => {
      for (const client of clients) client.close()
      await daemon.stop()
    },
  }
}
