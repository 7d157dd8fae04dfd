import { credentials, status, type ServiceError } from '@grpc/grpc-js'
import test from 'ava'
import { GRPCInferenceServiceClient } from '../../src/generated/grpc_service.js'
import type { InferRequest } from '../../src/grpc/decode/infer-request.js'
import { Gate, modelOf, type Load } from '../../src/grpc/load.js'
import { PUSHBACK_KEY } from '../../src/errors.js'
import { batchingPolicy, ByteBudget, ModelScheduler, type BatchRunner } from '../../src/scheduling/index.js'
import {
  codeOf,
  echo,
  echoBackend,
  failure,
  invoke,
  later,
  MIB,
  start,
  tensorRequest,
  until,
} from './harness.js'

const ROW_MS = 250
const DEADLINE_MS = 6000
const BODY = 100_000

/** One instance that takes `ROW_MS` a row, and how long it was at work. */
function slowModel() {
  const worked = { rows: 0, ms: 0 }
  let last: Promise<unknown> = Promise.resolve()
  const run = async (rows: number): Promise<{ runStart: number; runEnd: number }> => {
    const runStart = performance.now()
    await later(ROW_MS * rows)
    const runEnd = performance.now()
    worked.rows += rows
    worked.ms += runEnd - runStart
    return { runStart, runEnd }
  }
  const runner: BatchRunner<InferRequest, InferRequest> = {
    name: 'slow',
    start: (entries) => {
      const at = performance.now()
      const turn = last.then(() => run(entries.length))
      last = turn
      return {
        done: turn.then(({ runStart, runEnd }) => ({
          outcomes: entries.map(({ payload }) => ({ kind: 'ok', result: payload })),
          rows: entries.length,
          timings: { gatherStart: at, gatherEnd: at, runStart, runEnd, scatterEnd: runEnd },
        })),
        cancel: () => undefined,
      }
    },
  }
  const scheduler = new ModelScheduler({
    policy: batchingPolicy({ maxBatchSize: 1 }),
    runners: [runner],
    budget: new ByteBudget(1e9),
  })
  const load: Load = {
    expectedWaitMs: (_model, bytes, arriving) => scheduler.expectedWait((bytes + arriving) / BODY),
  }
  const backend = echoBackend({
    infer: async (request, { requestId: id, deadline, signal, bytes }) => {
      const asked = {
        id,
        payload: request,
        rows: 1,
        bytes,
        bucket: '',
        priority: 0,
        timeoutMicroseconds: null,
      }
      const { result } = await scheduler.submit({ ...asked, deadline, signal })
      return { ...echo(result), outputs: [], rawOutputContents: [] }
    },
  })
  return { worked, load, backend }
}

test('at ten times the load nine tenths of what can be answered are answered in time', async (t) => {
  const { worked, load, backend } = slowModel()
  const { server, client, stop } = await start(backend, { load })
  t.teardown(stop)
  const clients = Array.from(
    { length: 16 },
    () =>
      new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
      }),
  )
  t.teardown(() => clients.forEach((one) => one.close()))
  const request = tensorRequest(new Uint8Array(BODY))
  await invoke(client, 'modelInfer', request) // measured once
  const codes = new Map<number, number>()
  const refusedAfter: number[] = []
  const call = async (one: GRPCInferenceServiceClient): Promise<void> => {
    const begin = performance.now()
    const deadline = new Date(Date.now() + DEADLINE_MS)
    const error = await invoke(one, 'modelInfer', request, { deadline }).then(
      () => null,
      (reason: unknown) => reason as ServiceError,
    )
    const code = error?.code ?? status.OK
    if (code === status.RESOURCE_EXHAUSTED) refusedAfter.push(performance.now() - begin)
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  worked.rows = worked.ms = 0
  const begin = performance.now()
  const calls: Promise<void>[] = []
  const seconds = 12
  for (let i = 0; performance.now() - begin < seconds * 1000; i++) {
    calls.push(call(clients[i % clients.length]!))
    // Ten calls for each row that can be run, by the clock and not by the timer.
    await until(() => performance.now() - begin >= ((i + 1) * ROW_MS) / 10)
  }
  await Promise.all(calls)
  const elapsed = performance.now() - begin
  const answered = codes.get(status.OK) ?? 0
  // By what a row took here: timers are late where the machine is busy.
  const capacity = elapsed / (worked.ms / worked.rows)
  refusedAfter.sort((a, b) => a - b)
  const median = refusedAfter[Math.floor(refusedAfter.length / 2)] ?? Infinity
  const found = `${answered} of ${Math.round(capacity)} in time, ${calls.length} calls, refused after ${Math.round(median)} ms`
  t.log(found, JSON.stringify([...codes]))
  t.true(answered >= 0.9 * capacity - 1, found)
  t.true(answered >= 0.9 * worked.rows, `${answered} of ${worked.rows} that were run`)
})

test('who cannot be in time is told before its body when to come again', async (t) => {
  const wait = { ms: 5000 }
  const { client, shed, stop } = await start(echoBackend(), {
    load: { expectedWaitMs: () => wait.ms },
  })
  t.teardown(stop)
  const body = tensorRequest(new Uint8Array(8 * MIB))
  const deadline = (): Date => new Date(Date.now() + 3000)
  const error = await failure(invoke(client, 'modelInfer', body, { deadline: deadline() }))
  t.is(codeOf(error), 'QUEUE_FULL')
  t.deepEqual(shed, ['QUEUE_FULL'])
  const retryMs = Number(error.metadata.get(PUSHBACK_KEY)[0])
  // What is missing, and up to as much again at random, so that not all come back together.
  t.true(retryMs > 2000 && retryMs < 15_000, `${retryMs} ms`)
  await t.notThrowsAsync(invoke(client, 'modelInfer', body), 'who names no deadline waits')
  wait.ms = 0
  await t.notThrowsAsync(invoke(client, 'modelInfer', body, { deadline: new Date(Date.now() + 60_000) }))
})

test('an estimate of another time keeps nobody out for ever: with nobody ahead a request is let in', (t) => {
  const gate = new Gate({ expectedWaitMs: (_model, bytes, arriving) => (bytes + arriving > 0 ? 1e6 : 0) })
  t.is(gate.refuses('m', 10, 100), null)
  const come = gate.enter('m', 10)
  t.true((gate.refuses('m', 10, 100) ?? 0) > 0)
  t.is(gate.refuses('other', 10, 100), null)
  come()
  come()
  t.is(gate.refuses('m', 10, 100), null)
})

test('the model is read from the first bytes of a call, or not at all', (t) => {
  const message = Buffer.from([0x0a, 3, 0x61, 0x62, 0x63, 0x12, 0])
  const prefix = Buffer.from([0, 0, 0, 0, message.length])
  t.is(modelOf(Buffer.concat([prefix, message])), 'abc')
  t.is(modelOf(Buffer.concat([prefix, message]).subarray(0, 9)), null)
  t.is(modelOf(Buffer.concat([Buffer.from([1, 0, 0, 0, 7]), message])), null)
  t.is(modelOf(Buffer.concat([prefix, message.subarray(5)])), null)
  t.is(modelOf(Buffer.alloc(3)), null)
})
