/** What the requests of one batch see of each other, and of the batch before: nothing. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import test from 'ava'
import { ModelInferRequest, type ModelInferResponse } from '../../src/generated/grpc_service.js'
import { ModelBuilder } from '../compiler/lib/model.js'
import { codeOf, failure, invoke } from '../grpc/harness.js'
import { repository, startDaemon, temporaryFolder } from './sentinode.js'

/** A model that gives of each row the element that the row names, and fails where there is none. */
function pickRepository(folder: string): string {
  const builder = new ModelBuilder()
  const x = builder.input('x', ['n', 4])
  const at = builder.node('Cast', [builder.input('at', ['n', 1])], { to: 7 })
  builder.node('GatherElements', [x, at], { axis: 1 }, 'picked')
  builder.output('picked', ['n', 1])
  mkdirSync(join(folder, 'pick', '1'), { recursive: true })
  writeFileSync(join(folder, 'pick', '1', 'model.onnx'), builder.bytes)
  writeFileSync(
    join(folder, 'pick', 'config.pbtxt'),
    'max_batch_size: 4\ndynamic_batching { max_queue_delay_microseconds: 60000000 }',
  )
  return folder
}

function pick(at: number): ModelInferRequest {
  const request = ModelInferRequest.fromPartial({
    modelName: 'pick',
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [1n, 4n] },
      { name: 'at', datatype: 'FP32', shape: [1n, 1n] },
    ],
  })
  const bytes = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer)
  request.rawInputContents = [bytes(Float32Array.of(10, 11, 12, 13)), bytes(Float32Array.of(at))]
  return request
}

test('a bad row fails alone, and nobody reads its value', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const daemon = await startDaemon(['--models', pickRepository(folder.path), '--log-level', 'debug'])
  t.teardown(() => daemon.stop())
  const ask = (at: number): Promise<ModelInferResponse> => invoke(daemon.client, 'modelInfer', pick(at))
  // Nothing but a full batch of four ends the delay.
  const value = async (at: number): Promise<number> =>
    Buffer.from((await ask(at)).rawOutputContents[0] ?? []).readFloatLE(0)
  const [error, ...values] = await Promise.all([failure(ask(4711)), value(0), value(2), value(3)])
  t.deepEqual(values, [10, 12, 13])
  t.is(error.code, status.INTERNAL)
  t.is(codeOf(error), 'MODEL_RUN_FAILED')
  t.regex(error.details, /^GatherElements ".*" failed: /)

  const text = await (await fetch(`http://${daemon.metrics}/metrics`)).text()
  const model = 'model="pick",version="1"'
  for (const line of [
    `nv_inference_request_success{${model}} 3`,
    `nv_inference_request_failure{${model},reason="BACKEND"} 1`,
    `nv_inference_exec_count{${model}} 3`,
    `nv_inference_count{${model}} 3`,
    `sentinode_batches_split_total{${model}} 1`,
  ])
    t.true(text.includes(`${line}\n`), line)
  const { stdout, stderr } = await daemon.stop()
  for (const said of [error.details, stdout, stderr]) t.notRegex(said, /4711|idx=|onnxruntime_src/)
})

test('a queue timeout is answered at its time, however long the run before it takes', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const daemon = await startDaemon(['--models', repository(folder.path, { loop: 'loop.onnx' })])
  t.teardown(() => daemon.stop())
  const loop = (iterations: number, timeout?: number): Promise<unknown> => {
    const request = ModelInferRequest.fromPartial({
      modelName: 'loop',
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [1n, 4n] },
        { name: 'iterations', datatype: 'INT64', shape: [1n, 1n] },
      ],
      parameters:
        timeout === undefined
          ? {}
          : { timeout: { parameterChoice: { $case: 'int64Param', value: BigInt(timeout) } } },
    })
    const count = BigInt64Array.of(BigInt(iterations))
    request.rawInputContents = [new Uint8Array(16), new Uint8Array(count.buffer)]
    return invoke(daemon.client, 'modelInfer', request)
  }
  // Short runs are what the daemon expects from then on, so that it closes the next batch far ahead.
  for (let i = 0; i < 3; i++) await loop(1)
  const ends: string[] = []
  const long = loop(1_000_000).then(() => ends.push('long'))
  await new Promise((resolve) => setTimeout(resolve, 300))
  const error = await failure(loop(1, 200_000).finally(() => ends.push('short')))
  t.is(codeOf(error), 'DEADLINE_EXCEEDED')
  await long
  t.deepEqual(ends, ['short', 'long'])
})
