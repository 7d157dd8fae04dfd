import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ModelInferResponse } from '../../src/generated/grpc_service.js'
import { invoke, later } from '../grpc/harness.js'
import { goodRows } from './malformed.js'
import { repository, startDaemon, temporaryFolder } from './sentinode.js'

test('a request that waits for a fuller batch is answered when the daemon drains, without the wait', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = repository(folder.path, { rows: 'rows.onnx' })
  const config = 'max_batch_size: 8\ndynamic_batching { max_queue_delay_microseconds: 60000000 }\n'
  writeFileSync(join(models, 'rows', 'config.pbtxt'), config)
  const daemon = await startDaemon(['--models', models, '--drain-timeout', '15'])
  t.teardown(() => daemon.stop())
  const waiting = invoke<ModelInferResponse>(daemon.client, 'modelInfer', goodRows())
  const queued = /^sentinode_queue_requests\{.*\} 1$/m
  for (let text = ''; !queued.test(text);) {
    await later(20)
    text = await (await fetch(`http://${daemon.metrics}/metrics`)).text()
  }

  const begin = performance.now()
  daemon.child.kill('SIGTERM')
  t.is((await waiting).modelName, 'rows')
  t.is((await daemon.finished).code, 0)
  t.true(performance.now() - begin < 12_000, 'neither the delay nor the drain timeout was waited for')
})
