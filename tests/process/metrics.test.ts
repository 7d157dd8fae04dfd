import test from 'ava'
import { ModelInferRequest, type ModelStatisticsResponse } from '../../src/generated/grpc_service.js'
import { failure, invoke, later } from '../grpc/harness.js'
import { goodRows } from './malformed.js'
import { repository, startDaemon, temporaryFolder } from './sentinode.js'

/** Samples of an exposition by name and labels as they are written. */
async function scrape(address: string): Promise<Map<string, number>> {
  const text = await (await fetch(`http://${address}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  )
}

test('counters, histograms and statistics agree with what was sent', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const daemon = await startDaemon(['--models', repository(folder.path, { rows: 'rows.onnx' })])
  t.teardown(() => daemon.stop())
  const two = ModelInferRequest.fromPartial({
    modelName: 'rows',
    inputs: [
      { name: 'a', datatype: 'FP32', shape: [2n, 3n] },
      { name: 'b', datatype: 'INT64', shape: [2n, 1n] },
    ],
  })
  two.rawInputContents = [new Uint8Array(24), new Uint8Array(16)]
  for (let i = 0; i < 3; i++) await invoke(daemon.client, 'modelInfer', goodRows())
  await invoke(daemon.client, 'modelInfer', two)
  await failure(invoke(daemon.client, 'modelInfer', { ...goodRows(), inputs: [] }))
  await failure(invoke(daemon.client, 'modelInfer', { ...goodRows(), modelName: 'label-of-a-caller' }))

  const model = 'model="rows",version="1"'
  const call = 'grpc_service="inference.GRPCInferenceService",grpc_method="ModelInfer"'
  let seen = await scrape(daemon.metrics)
  // A call is counted when its stream closes, a moment after its answer arrived.
  while (seen.get(`grpc_server_handled_total{${call},grpc_code="NOT_FOUND"}`) !== 1) {
    await later(20)
    seen = await scrape(daemon.metrics)
  }
  const expected: Record<string, number> = {
    [`nv_inference_request_success{${model}}`]: 4,
    [`nv_inference_request_failure{${model},reason="OTHER"}`]: 1,
    [`nv_inference_count{${model}}`]: 5,
    [`nv_inference_exec_count{${model}}`]: 4,
    [`sentinode_request_seconds_count{${model}}`]: 4,
    [`sentinode_batch_rows_sum{${model}}`]: 5,
    [`sentinode_batch_rows_count{${model}}`]: 4,
    // total FP32 [1,1] and twice INT64 [1,2]; the request of two rows: [2,1] and [2,1].
    [`sentinode_response_bytes_sum{${model}}`]: 3 * (4 + 16) + (8 + 16),
    [`grpc_server_handled_total{${call},grpc_code="OK"}`]: 4,
    [`grpc_server_handled_total{${call},grpc_code="INVALID_ARGUMENT"}`]: 1,
    [`grpc_server_handled_total{${call},grpc_code="NOT_FOUND"}`]: 1,
    [`sentinode_model_target{${model},target="cpu"}`]: 1,
    sentinode_request_memory_bytes: 0,
  }
  for (const [name, value] of Object.entries(expected)) t.is(seen.get(name), value, name)
  t.true((seen.get(`nv_inference_compute_infer_duration_us{${model}}`) ?? 0) > 0)
  t.true((seen.get('sentinode_pageable_bytes') ?? 0) > 0)
  t.true(seen.has('nodejs_eventloop_lag_p99_seconds'))
  t.false([...seen.keys()].some((name) => name.includes('label-of-a-caller')))

  const { modelStats } = await invoke<ModelStatisticsResponse>(daemon.client, 'modelStatistics', {
    name: 'rows',
    version: '',
  })
  t.is(modelStats.length, 1)
  const [stats] = modelStats
  t.is(stats?.inferenceCount, 5n)
  t.is(stats?.executionCount, 4n)
  t.is(stats?.inferenceStats?.success?.count, 4n)
  t.is(stats?.inferenceStats?.fail?.count, 1n)
  t.deepEqual(
    stats?.batchStats.map(({ batchSize, computeInfer }) => [batchSize, computeInfer?.count]),
    [
      [1n, 3n],
      [2n, 1n],
    ],
  )
  const { success, queue, computeInput, computeInfer, computeOutput } = stats!.inferenceStats!
  const parts = queue!.ns + computeInput!.ns + computeInfer!.ns + computeOutput!.ns
  t.true(parts <= success!.ns, 'the stages are within the whole')
  const all = await invoke<ModelStatisticsResponse>(daemon.client, 'modelStatistics', {
    name: '',
    version: '',
  })
  t.is(all.modelStats.length, 1)
})

test('requests that wait together run together', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const daemon = await startDaemon([
    '--models',
    repository(folder.path, { rows: 'rows.onnx' }),
    '--default-max-batch-size',
    '16',
  ])
  t.teardown(() => daemon.stop())
  await Promise.all(Array.from({ length: 64 }, () => invoke(daemon.client, 'modelInfer', goodRows())))
  const { modelStats } = await invoke<ModelStatisticsResponse>(daemon.client, 'modelStatistics', {
    name: 'rows',
    version: '1',
  })
  t.is(modelStats[0]?.inferenceCount, 64n)
  t.true(modelStats[0]!.executionCount <= 32n, `${modelStats[0]!.executionCount} batches`)
})
