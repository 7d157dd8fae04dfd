import test from 'ava'
import { SentinodeError } from '../../src/errors.js'
import { DaemonMetrics } from '../../src/metrics/index.js'
import type { BatchTimings } from '../../src/scheduling/types.js'

/** Series and their values, e.g. `up{a="b"}` to 1. */
async function scrape(metrics: DaemonMetrics): Promise<Map<string, number>> {
  const { text } = await metrics.exposition()
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    samples.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    }),
  )
}

/** Queued at 1000, gathered 1010 to 1011, behind another batch until 1020, run to 1050, scattered to 1052. */
const timings: BatchTimings = {
  gatherStart: 1010,
  gatherEnd: 1011,
  runStart: 1020,
  runEnd: 1050,
  scatterEnd: 1052,
}
const success = { rows: 2, enqueuedAt: 1000, finishedAt: 1053, late: false, timings }
const labels = 'model="net",version="3"'

test('a request and its batch are counted under the names that Triton gives them', async (t) => {
  const metrics = new DaemonMetrics()
  const net = metrics.model('net', '3')
  net.onBatch({ requests: 2, rows: 5, timings })
  net.onSuccess(success)
  net.onSuccess({ ...success, rows: 3 })
  const series = await scrape(metrics)
  const value = (name: string): number | undefined => series.get(`nv_inference_${name}{${labels}}`)
  t.is(value('request_success'), 2)
  t.is(value('count'), 5)
  t.is(value('exec_count'), 1)
  t.is(value('request_duration_us'), 106_000)
  t.is(value('queue_duration_us'), 38_000, 'waiting gathered behind a batch is queueing')
  t.is(value('compute_input_duration_us'), 2_000)
  t.is(value('compute_infer_duration_us'), 60_000)
  t.is(value('compute_output_duration_us'), 4_000)
})

test('the same is measured in base units, as histograms', async (t) => {
  const metrics = new DaemonMetrics()
  const net = metrics.model('net', '3')
  net.onBatch({ requests: 2, rows: 5, timings })
  net.onSuccess(success)
  net.onAnswer(2000, 3)
  const series = await scrape(metrics)
  const sum = (name: string): number | undefined => series.get(`sentinode_${name}_sum{${labels}}`)
  t.is(sum('request_seconds'), 0.053)
  t.is(sum('queue_seconds'), 0.019)
  t.is(sum('compute_input_seconds'), 0.001)
  t.is(sum('compute_infer_seconds'), 0.03)
  t.is(sum('compute_output_seconds'), 0.002)
  t.is(sum('batch_rows'), 5)
  t.is(sum('request_bytes'), 2000)
  t.is(sum('response_bytes'), 3)
  t.is(series.get(`sentinode_batch_rows_bucket{le="4",${labels}}`), 0)
  t.is(series.get(`sentinode_batch_rows_bucket{le="8",${labels}}`), 1)
})

test('what fails is counted once by reason, and where it was', async (t) => {
  const metrics = new DaemonMetrics()
  const net = metrics.model('net', '3')
  net.onShed('queue_full')
  net.onShed('memory')
  net.onExpired('queue', 5)
  net.onExpired('instance', 5)
  net.onExpired('admission', 0)
  net.onCancelled('instance', 7)
  net.onFailed(new SentinodeError('MODEL_RUN_FAILED', 'no'), 7)
  net.onFailed(new SentinodeError('INVALID_REQUEST', 'no'), 7)
  net.onInvalid()
  net.onSplit()
  net.onSuccess({ ...success, late: true })
  const series = await scrape(metrics)
  const failures = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'].map((reason) =>
    series.get(`nv_inference_request_failure{${labels},reason="${reason}"}`),
  )
  t.deepEqual(failures, [5, 1, 1, 2])
  t.is(series.get(`sentinode_shed_total{${labels},reason="queue_full"}`), 1)
  t.is(series.get(`sentinode_shed_total{${labels},reason="memory"}`), 1)
  t.is(series.get(`sentinode_shed_total{${labels},reason="too_large"}`), 0, 'visible before it happens')
  const missed = ['admission', 'queue', 'instance', 'run'].map((stage) =>
    series.get(`sentinode_deadline_missed_total{${labels},stage="${stage}"}`),
  )
  t.deepEqual(missed, [1, 1, 1, 1])
  t.is(series.get(`sentinode_cancelled_total{${labels},stage="instance"}`), 1)
  t.is(series.get(`sentinode_batches_split_total{${labels}}`), 1)
})

test('queues and memory are read when they are scraped', async (t) => {
  const metrics = new DaemonMetrics()
  t.is((await scrape(metrics)).get('sentinode_pinned_bytes'), 0, 'before anything is watched')
  let queued = 3
  metrics.watch({
    queues: () => [
      { model: 'net', version: '3', queuedRequests: queued, queuedBytes: 70, pendingRequests: queued + 1 },
    ],
    memory: () => ({ pinnedBytes: 10, pageableBytes: 20, limitBytes: 30, runBytes: 40, keptBytes: 50 }),
    lostLines: () => 7,
    requestMemory: () => 80,
    exams: () => ({ exams: 1, waiting: 0, bytes: 2, limitBytes: 3 }),
  })
  const series = await scrape(metrics)
  t.is(series.get(`sentinode_queue_requests{${labels}}`), 3)
  t.is(series.get(`sentinode_queue_bytes{${labels}}`), 70)
  t.is(series.get(`nv_inference_pending_request_count{${labels}}`), 4)
  t.is(series.get('nv_pinned_memory_pool_total_bytes'), 30)
  t.is(series.get('nv_pinned_memory_pool_used_bytes'), 10)
  t.is(series.get('sentinode_pinned_bytes'), 10)
  t.is(series.get('sentinode_pageable_bytes'), 20)
  t.is(series.get('sentinode_run_memory_bytes'), 40)
  t.is(series.get('sentinode_run_memory_kept_bytes'), 50)
  t.is(series.get('sentinode_log_lines_lost_total'), 7)
  t.is(series.get('sentinode_request_memory_bytes'), 80)
  queued = 0
  t.is((await scrape(metrics)).get(`sentinode_queue_requests{${labels}}`), 0)
})

test('calls are counted by method and status, whatever their path looks like', async (t) => {
  const metrics = new DaemonMetrics()
  metrics.calls.started('inference.GRPCInferenceService/ModelInfer')
  metrics.calls.handled('inference.GRPCInferenceService/ModelInfer', 'OK', 0.25)
  metrics.calls.handled('unknown', 'UNIMPLEMENTED', 0)
  metrics.calls.shed('QUEUE_FULL')
  const series = await scrape(metrics)
  const method = 'grpc_service="inference.GRPCInferenceService",grpc_method="ModelInfer"'
  t.is(series.get(`grpc_server_started_total{${method}}`), 1)
  t.is(series.get(`grpc_server_handled_total{${method},grpc_code="OK"}`), 1)
  t.is(series.get(`grpc_server_handling_seconds_sum{${method}}`), 0.25)
  t.is(
    series.get('grpc_server_handled_total{grpc_service="",grpc_method="unknown",grpc_code="UNIMPLEMENTED"}'),
    1,
  )
  t.is(series.get('sentinode_calls_shed_total{code="QUEUE_FULL"}'), 1)
})

test('loading is timed, and says what the model runs on', async (t) => {
  const metrics = new DaemonMetrics()
  metrics.model('net', '3').onLoaded(1.5, ['cuda'])
  metrics.model('net', '3').onLoaded(2.5, ['cpu'])
  const series = await scrape(metrics)
  t.is(series.get(`nv_model_load_duration_secs{${labels}}`), 2.5)
  t.is(series.get(`sentinode_model_target{${labels},target="cpu"}`), 1)
  t.false(series.has(`sentinode_model_target{${labels},target="cuda"}`), 'it was loaded anew elsewhere')
})

test('a version that is no longer served leaves no series behind, its neighbour stays', async (t) => {
  const metrics = new DaemonMetrics()
  for (const version of ['3', '4']) {
    const net = metrics.model('net', version)
    net.onLoaded(1, ['cpu'])
    net.onSuccess(success)
    net.onBatch({ requests: 1, rows: 1, timings })
    net.onShed('queue_full')
    net.onAnswer(1, 1)
  }
  metrics.remove('net', '3')
  const names = [...(await scrape(metrics)).keys()]
  t.deepEqual(
    names.filter((name) => name.includes('version="3"')),
    [],
  )
  t.true(names.some((name) => name.includes('version="4"')))
  t.is(metrics.model('net', '3').statistics().executionCount, 0n, 'and starts anew')
})

test('two daemons in one process count apart, and the event loop is watched', async (t) => {
  const first = new DaemonMetrics()
  const second = new DaemonMetrics()
  first.model('net', '3').onSuccess(success)
  t.false([...(await scrape(second)).keys()].some((name) => name.includes('net')))
  t.true((await scrape(first)).has('nodejs_eventloop_lag_p99_seconds'))
})

test('the statistics of a model add up by request and by batch size', (t) => {
  const net = new DaemonMetrics().model('net', '3')
  t.is(net.statistics().lastInference, 0n)
  const before = BigInt(Date.now())
  net.onBatch({ requests: 2, rows: 5, timings })
  net.onBatch({ requests: 1, rows: 1, timings: { ...timings, runEnd: 1021, scatterEnd: 1021.5 } })
  net.onBatch({ requests: 2, rows: 5, timings })
  net.onSuccess(success)
  net.onSuccess(success)
  net.onExpired('queue', 4)
  const statistics = net.statistics()
  t.true(statistics.lastInference >= before && statistics.lastInference <= BigInt(Date.now()))
  t.is(statistics.inferenceCount, 11n)
  t.is(statistics.executionCount, 3n)
  t.deepEqual(statistics.inferenceStats, {
    success: { count: 2n, ns: 106_000_000n },
    fail: { count: 1n, ns: 4_000_000n },
    queue: { count: 2n, ns: 38_000_000n },
    computeInput: { count: 2n, ns: 2_000_000n },
    computeInfer: { count: 2n, ns: 60_000_000n },
    computeOutput: { count: 2n, ns: 4_000_000n },
  })
  t.deepEqual(statistics.batchStats, [
    {
      batchSize: 1n,
      computeInput: { count: 1n, ns: 1_000_000n },
      computeInfer: { count: 1n, ns: 1_000_000n },
      computeOutput: { count: 1n, ns: 500_000n },
    },
    {
      batchSize: 5n,
      computeInput: { count: 2n, ns: 2_000_000n },
      computeInfer: { count: 2n, ns: 60_000_000n },
      computeOutput: { count: 2n, ns: 4_000_000n },
    },
  ])
})
