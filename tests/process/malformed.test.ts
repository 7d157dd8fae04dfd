import test from 'ava'
import type { ModelInferResponse } from '../../src/generated/grpc_service.js'
import { invoke } from '../grpc/harness.js'
import { goodRows, sendMalformed } from './malformed.js'
import { repository, residentBytes, startDaemon, temporaryFolder } from './sentinode.js'

const REQUESTS = 2000

test('malformed requests get a coded status each, cost no memory, and harm nobody after them', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = repository(folder.path, { rows: 'rows.onnx', strings: 'identity_BYTES.onnx' })
  const daemon = await startDaemon(['--models', models, '--log-level', 'warn'])
  t.teardown(() => daemon.stop())
  t.deepEqual(await sendMalformed(daemon.client, REQUESTS / 2, 4711), [])
  const before = residentBytes(daemon)
  t.deepEqual(await sendMalformed(daemon.client, REQUESTS / 2, 4712), [])
  const grown = residentBytes(daemon) - before
  t.true(grown < 96 * 2 ** 20, `${grown} bytes more`)
  const answer = await invoke<ModelInferResponse>(daemon.client, 'modelInfer', goodRows())
  t.is(answer.outputs.length, 2)
  t.is((await daemon.stop()).code, 0)
})
