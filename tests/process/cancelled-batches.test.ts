/**
 * Callers that go away while their batch runs, with the model that ships: several rows a processor, and a
 * 4D region whose threads run rows beside each other. They once left all of these threads waiting.
 */
import { join } from 'node:path'
import { Metadata, status } from '@grpc/grpc-js'
import test from 'ava'
import { ModelInferRequest, type ModelInferResponse } from '../../src/generated/grpc_service.js'
import { failure, invoke } from '../grpc/harness.js'
import { niftiFile } from '../intake/nifti.js'
import { begin, chunks, connect, options } from '../screening-service/client.js'
import { metricsOf, untilIdle, untilMetric } from '../screening-service/daemon.js'
import { generator } from './malformed.js'
import { root, startDaemon, temporaryFolder } from './sentinode.js'

const ROWS = 32
const SIDE = 16
const TIMES = [0, 55, 110, 210, 315]
const VARIABLES = 5

function request(rows: number): ModelInferRequest {
  const image = new Float32Array(rows * TIMES.length * SIDE ** 3).map((_, i) => ((i * 7919) % 11) / 5 - 1)
  const clinical = new Float32Array(rows * VARIABLES)
  const shape = [rows, 1, TIMES.length, SIDE, SIDE, SIDE].map(BigInt)
  return ModelInferRequest.fromPartial({
    modelName: 'lymph4d',
    inputs: [
      { name: 'image', datatype: 'FP32', shape },
      { name: 'clinical', datatype: 'FP32', shape: [BigInt(rows), BigInt(VARIABLES)] },
    ],
    rawInputContents: [new Uint8Array(image.buffer), new Uint8Array(clinical.buffer)],
  })
}

function exam(): Uint8Array {
  const side = 2 * SIDE
  const samples = new Int16Array(TIMES.length * side ** 3).map((_, i) => 100 + ((i * 7919) % 11))
  return niftiFile([side, side, side, TIMES.length], samples)
}

test('after batches whose callers went away at any instant, a model answers, and SIGTERM ends it', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = ['--models', join(root, 'models'), '--cache-dir', folder.path]
  const daemon = await startDaemon([...models, '--target', 'cpu', '--drain-timeout', '5'])
  const screening = connect(daemon.grpc)
  t.teardown(async () => {
    screening.close()
    daemon.child.kill('SIGKILL')
    await daemon.finished
  })
  const answers = async (): Promise<void> => {
    const deadline = new Date(Date.now() + 60_000)
    const answer = await invoke<ModelInferResponse>(daemon.client, 'modelInfer', request(1), { deadline })
    t.is(answer.modelName, 'lymph4d')
  }
  await answers()

  const random = generator(1)
  const codes = new Set<number>()
  for (let i = 0; i < 60; i++) {
    const wait = 5 + Math.floor(55 * random())
    const deadline = i % 3 === 0 ? { deadline: Date.now() + wait } : {}
    const ended = new Promise<number>((resolve) => {
      const call = daemon.client.modelInfer(request(ROWS), new Metadata(), deadline, (error) =>
        resolve(error?.code ?? status.OK),
      )
      if (i % 3 !== 0) setTimeout(() => call.cancel(), wait)
    })
    codes.add(await ended)
  }
  // A deadline that cannot be met may be refused before it passes.
  for (const code of [status.OK, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED]) codes.delete(code)
  t.deepEqual([...codes], [status.CANCELLED])
  await answers()

  const copies = 'nv_inference_count{model="lymph4d",version="1"}'
  for (let i = 0; i < 3; i++) {
    const before = (await metricsOf(daemon)).get(copies) ?? 0
    const asked = { model: 'lymph4d', timesS: TIMES, explain: true }
    const region = { kind: { $case: 'centre' as const, value: { x: 0, y: 0, z: 0 } } }
    const clinical = { age: { kind: { $case: 'number' as const, value: 61 } } }
    const upload = begin(screening, options({ ...asked, clinical, region }))
    for (const value of chunks([exam()])) await upload.write({ kind: { $case: 'chunk', value } })
    upload.end()
    const ended = upload.answer.then(() => Promise.reject(new Error('it was answered')))
    await Promise.race([ended, untilMetric(daemon, copies, (count) => count > before)])
    upload.cancel()
    t.is((await failure(upload.answer)).code, status.CANCELLED)
  }
  await untilIdle(daemon)
  await answers()
  daemon.client.close()
  daemon.child.kill('SIGTERM')
  const { code, stderr } = await daemon.finished
  t.is(code, 0, stderr)
})
