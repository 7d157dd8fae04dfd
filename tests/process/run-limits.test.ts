import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import test from 'ava'
import { ModelInferRequest, type ModelInferResponse } from '../../src/generated/grpc_service.js'
import { zeros } from '../engine/zeros.js'
import { codeOf, failure, invoke } from '../grpc/harness.js'
import { residentBytes, startDaemon, temporaryFolder } from './sentinode.js'

const MIB = 2 ** 20

test('eight bytes that ask for eight GiB are refused, and the daemon stays small', async (t) => {
  const { path: models, remove } = temporaryFolder()
  t.teardown(remove)
  mkdirSync(join(models, 'zeros', '1'), { recursive: true })
  writeFileSync(join(models, 'zeros', '1', 'model.onnx'), zeros())
  writeFileSync(join(models, 'zeros', 'config.pbtxt'), 'max_batch_size: 0\n')
  const limits = ['--run-memory', '256MiB', '--max-output-size', '1MiB']
  const daemon = await startDaemon(['--models', models, ...limits])
  t.teardown(() => daemon.child.kill('SIGKILL'))
  const request = (count: number) =>
    ModelInferRequest.fromPartial({
      modelName: 'zeros',
      inputs: [{ name: 'count', datatype: 'INT64', shape: [1n] }],
      rawInputContents: [new Uint8Array(BigInt64Array.of(BigInt(count)).buffer)],
    })
  const ask = (count: number) => invoke<ModelInferResponse>(daemon.client, 'modelInfer', request(count))
  t.is((await ask(1000)).rawOutputContents[0]?.byteLength, 1000)
  const before = residentBytes(daemon)
  const asked = [2 ** 33, 2 ** 33, 100 * MIB, 1000, 2 ** 33]
  const outcomes = await Promise.all(
    asked.map(async (count) => {
      if (count === 1000) return (await ask(count)).rawOutputContents[0]?.byteLength
      const error = await failure(ask(count))
      t.is(error.code, status.RESOURCE_EXHAUSTED)
      return codeOf(error)
    }),
  )
  t.deepEqual(outcomes, ['MEMORY_LIMIT', 'MEMORY_LIMIT', 'MEMORY_LIMIT', 1000, 'MEMORY_LIMIT'])
  const grown = (residentBytes(daemon, 'VmHWM') - before) / MIB
  t.true(grown < 400, `it grew by ${grown.toFixed(0)} MiB`)
  t.is((await ask(1000)).rawOutputContents[0]?.byteLength, 1000)
  t.is((await daemon.stop()).code, 0)
})
