import { readFileSync } from 'node:fs'
import { status, type ServiceError } from '@grpc/grpc-js'
import test from 'ava'
import type { ModelInferResponse } from '../../src/generated/grpc_service.js'
import { invoke } from '../grpc/harness.js'
import { goodRows, malformedRequests } from './malformed.js'
import { repository, startDaemon, temporaryFolder, type RunningDaemon } from './sentinode.js'

const REQUESTS = 2000
const AT_ONCE = 16
const ANSWERS = new Set([status.INVALID_ARGUMENT, status.NOT_FOUND, status.UNIMPLEMENTED])

function send({ client }: RunningDaemon, bytes: Uint8Array): Promise<ServiceError | null> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/inference.GRPCInferenceService/ModelInfer',
      (raw: Uint8Array) => Buffer.from(raw),
      () => ({}),
      bytes,
      (error) => resolve(error),
    )
  })
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

test('malformed requests get a coded status each, cost no memory, and harm nobody after them', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const daemon = await startDaemon([
    '--models',
    repository(folder.path, { rows: 'rows.onnx', strings: 'identity_BYTES.onnx' }),
    '--log-level',
    'warn',
  ])
  t.teardown(() => daemon.stop())
  const next = malformedRequests(4711)
  const run = async (count: number): Promise<void> => {
    let left = count
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        const { kind, bytes, mayPass } = next()
        const error = await send(daemon, bytes)
        if (error === null) {
          if (!mayPass)
            t.fail(
              `${kind} was answered as if it were good: ${Buffer.from(bytes.subarray(0, 200)).toString('hex')}`,
            )
        } else {
          t.true(ANSWERS.has(error.code), `${kind}: ${error.message}`)
          t.truthy(error.metadata.get('sentinode-code')[0], kind)
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
  }
  await run(REQUESTS / 2)
  const before = residentBytes(daemon.child.pid!)
  await run(REQUESTS / 2)
  const grown = residentBytes(daemon.child.pid!) - before
  t.true(grown < 48 * 2 ** 20, `${grown} bytes more`)
  const answer = await invoke<ModelInferResponse>(daemon.client, 'modelInfer', goodRows())
  t.is(answer.outputs.length, 2)
  t.is((await daemon.stop()).code, 0)
})
