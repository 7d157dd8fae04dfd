import { randomBytes } from 'node:crypto'
import { status } from '@grpc/grpc-js'
import test from 'ava'
import { SentinodeError } from '../../src/errors.js'
import type {
  ModelConfigResponse,
  ModelInferResponse,
  ModelMetadataResponse,
  ModelReadyResponse,
  RepositoryIndexResponse,
  ServerLiveResponse,
  ServerMetadataResponse,
  ServerReadyResponse,
} from '../../src/generated/grpc_service.js'
import { GRPCInferenceServiceService } from '../../src/generated/grpc_service.js'
import {
  codeOf,
  echo,
  echoBackend,
  failure,
  invoke,
  later,
  start,
  tensorRequest,
  until,
  type CallContext,
} from './harness.js'

test('answers the calls about the server and its models', async (t) => {
  const { client, stop } = await start(echoBackend({ isReady: () => false }))
  t.teardown(stop)
  t.true((await invoke<ServerLiveResponse>(client, 'serverLive', {})).live)
  t.false((await invoke<ServerReadyResponse>(client, 'serverReady', {})).ready)
  const metadata = await invoke<ServerMetadataResponse>(client, 'serverMetadata', {})
  t.is(metadata.name, 'sentinode')
  t.is(metadata.version, '1.2.3')
  t.true(metadata.extensions.includes('statistics'))
  t.false(metadata.extensions.some((name) => name.includes('shared_memory')))
  t.true((await invoke<ModelReadyResponse>(client, 'modelReady', { name: 'echo', version: '' })).ready)
  t.false((await invoke<ModelReadyResponse>(client, 'modelReady', { name: 'other', version: '' })).ready)
  const model = await invoke<ModelMetadataResponse>(client, 'modelMetadata', {
    name: 'echo',
    version: '',
  })
  t.deepEqual(model.versions, ['1'])
  const config = await invoke<ModelConfigResponse>(client, 'modelConfig', {
    name: 'echo',
    version: '',
  })
  t.is(config.config?.maxBatchSize, 8)
  const index = await invoke<RepositoryIndexResponse>(client, 'repositoryIndex', {
    repositoryName: '',
    ready: false,
  })
  t.deepEqual(index.models, [{ name: 'echo', version: '1', state: 'READY', reason: '' }])
})

test('refuses every call that is not offered with UNIMPLEMENTED and what is missing', async (t) => {
  const { client, stop } = await start(echoBackend())
  t.teardown(stop)
  const offered = new Set([
    'serverLive',
    'serverReady',
    'modelReady',
    'serverMetadata',
    'modelMetadata',
    'modelInfer',
    'modelConfig',
    'modelStatistics',
    'repositoryIndex',
    'modelStreamInfer',
  ])
  for (const [name, method] of Object.entries(GRPCInferenceServiceService)) {
    if (offered.has(name)) continue
    const empty: unknown = method.requestDeserialize(Buffer.alloc(0))
    const error = await failure(invoke(client, name as 'traceSetting', empty))
    t.is(error.code, status.UNIMPLEMENTED, name)
    t.is(codeOf(error), 'NOT_IMPLEMENTED', name)
    t.regex(error.details, /does not offer/, name)
  }
  const byName = await failure(invoke(client, 'repositoryIndex', { repositoryName: 'r', ready: false }))
  t.is(byName.code, status.UNIMPLEMENTED)

  const stream = client.modelStreamInfer()
  const error = await new Promise<{ code: number }>((resolve) => stream.on('error', resolve))
  t.is(error.code, status.UNIMPLEMENTED)
})

test('carries tensors of every size through unchanged', async (t) => {
  const { client, stop } = await start(echoBackend())
  t.teardown(stop)
  for (const size of [0, 1, 127, 128, 16_383, 16_384, 70_000, 3_000_001]) {
    const bytes = randomBytes(size)
    const response = await invoke<ModelInferResponse>(client, 'modelInfer', tensorRequest(bytes, `r${size}`))
    t.is(response.id, `r${size}`)
    t.deepEqual(response.outputs[0]?.shape, [BigInt(size)])
    t.true(Buffer.from(response.rawOutputContents[0] ?? []).equals(bytes), `size ${size}`)
  }
})

test('hands tensors to the backend as views into the received message', async (t) => {
  let shared: boolean | null = null
  const { client, stop } = await start(
    echoBackend({
      infer: (request) => {
        const [a, b] = request.rawInputContents
        shared = a !== undefined && a.buffer === b?.buffer
        return Promise.resolve(echo(request))
      },
    }),
  )
  t.teardown(stop)
  const request = {
    ...tensorRequest(randomBytes(1000)),
    rawInputContents: [randomBytes(50_000), randomBytes(50_000)],
  }
  await invoke(client, 'modelInfer', request)
  t.true(shared)
})

test('errors keep their code and message; a fault shows nothing but its request id', async (t) => {
  const { client, faults, stop } = await start(
    echoBackend({
      infer: (request) => {
        if (request.id === 'known') throw new SentinodeError('INVALID_REQUEST', 'expected 2 inputs, found 1')
        return Promise.reject(new TypeError('secret of patient 4711'))
      },
    }),
  )
  t.teardown(stop)
  const known = await failure(invoke(client, 'modelInfer', tensorRequest(randomBytes(4), 'known')))
  t.is(known.code, status.INVALID_ARGUMENT)
  t.is(known.details, 'expected 2 inputs, found 1')
  t.is(codeOf(known), 'INVALID_REQUEST')

  const fault = await failure(invoke(client, 'modelInfer', tensorRequest(randomBytes(4), 'other')))
  t.is(fault.code, status.INTERNAL)
  t.is(codeOf(fault), 'INTERNAL')
  t.notRegex(fault.details, /patient|4711/)
  const [id] = fault.metadata.get('sentinode-request-id')
  t.true(fault.details.includes(String(id)))
  t.is(faults.length, 1)
})

test('the triton status mode answers a full queue and a missed deadline as Triton does', async (t) => {
  const full = echoBackend({
    infer: () => Promise.reject(new SentinodeError('QUEUE_FULL', 'Exceeds maximum queue size')),
  })
  const own = await start(full)
  const triton = await start(full, { statusCodes: 'triton' })
  t.teardown(own.stop)
  t.teardown(triton.stop)
  const ours = await failure(invoke(own.client, 'modelInfer', tensorRequest(randomBytes(4))))
  t.is(ours.code, status.RESOURCE_EXHAUSTED)
  t.deepEqual(ours.metadata.get('grpc-retry-pushback-ms'), ['250'])
  const theirs = await failure(invoke(triton.client, 'modelInfer', tensorRequest(randomBytes(4))))
  t.is(theirs.code, status.UNAVAILABLE)
  t.is(codeOf(theirs), 'QUEUE_FULL')
})

test("the caller's deadline reaches the backend on the monotonic clock", async (t) => {
  let remaining = 0
  const { client, stop } = await start(
    echoBackend({
      infer: (request, context: CallContext) => {
        remaining = context.deadline - Number(process.hrtime.bigint()) / 1e6
        return Promise.resolve(echo(request))
      },
    }),
  )
  t.teardown(stop)
  await invoke(client, 'modelInfer', tensorRequest(randomBytes(4)), {
    deadline: new Date(Date.now() + 20_000),
  })
  t.true(remaining > 18_000 && remaining <= 20_001, `${remaining} ms`)
  await invoke(client, 'modelInfer', tensorRequest(randomBytes(4)))
  t.is(remaining, Infinity)
})

test('a deadline that passes answers DEADLINE_EXCEEDED, aborts the backend and is counted', async (t) => {
  let aborted = false
  const { client, handled, stop } = await start(
    echoBackend({
      infer: (request, context) =>
        new Promise((resolve) => {
          context.signal.addEventListener('abort', () => {
            aborted = true
            resolve(echo(request))
          })
        }),
    }),
  )
  t.teardown(stop)
  await invoke(client, 'serverLive', {})
  const error = await failure(
    invoke(client, 'modelInfer', tensorRequest(randomBytes(4)), { deadline: new Date(Date.now() + 2000) }),
  )
  t.is(error.code, status.DEADLINE_EXCEEDED)
  await until(() => aborted && handled.length === 2)
  t.is(handled[1]?.method, 'inference.GRPCInferenceService/ModelInfer')
})

test('a caller that goes away aborts the backend', async (t) => {
  const events: string[] = []
  const { client, handled, stop } = await start(
    echoBackend({
      infer: (request, context) =>
        new Promise((resolve) => {
          events.push('running')
          context.signal.addEventListener('abort', () => {
            events.push('aborted')
            resolve(echo(request))
          })
        }),
    }),
  )
  t.teardown(stop)
  const call = client.modelInfer(tensorRequest(randomBytes(4)), () => undefined)
  await until(() => events.includes('running'))
  call.cancel()
  await until(() => handled.length === 1)
  t.deepEqual(events, ['running', 'aborted'])
  t.is(handled[0]?.code, 'CANCELLED')
})

test('every call is counted once with the status that it got', async (t) => {
  const { client, handled, stop } = await start(
    echoBackend({
      infer: () =>
        Promise.reject(new SentinodeError('MODEL_NOT_FOUND', "Request for unknown model: 'm' is not found")),
    }),
  )
  t.teardown(stop)
  await invoke(client, 'serverLive', {})
  await failure(invoke(client, 'modelInfer', tensorRequest(randomBytes(4))))
  await new Promise((resolve) =>
    client.makeUnaryRequest(
      '/no.such.Service/Call',
      () => Buffer.alloc(0),
      () => null,
      {},
      resolve,
    ),
  )
  await until(() => handled.length === 3)
  await later(10)
  t.deepEqual(handled, [
    { method: 'inference.GRPCInferenceService/ServerLive', code: 'OK' },
    { method: 'inference.GRPCInferenceService/ModelInfer', code: 'NOT_FOUND' },
    { method: 'unknown', code: 'UNIMPLEMENTED' },
  ])
})
