import { randomBytes } from 'node:crypto'
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { status } from '@grpc/grpc-js'
import test from 'ava'
import fc from 'fast-check'
import { PrefixReader } from '../../src/grpc/prefix-reader.js'
import { RequestBudget } from '../../src/grpc/request-budget.js'
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

/** A raw gRPC call that announces a message of `announced` bytes and sends only `sent` of them. */
function halfCall(session: ClientHttp2Session, announced: number, sent: number): ClientHttp2Stream {
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: '/inference.GRPCInferenceService/ModelInfer',
    [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
    [constants.HTTP2_HEADER_TE]: 'trailers',
  })
  stream.on('error', () => undefined)
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(announced, 1)
  stream.write(prefix)
  stream.write(Buffer.alloc(sent))
  return stream
}

test('a prefix is found wherever the chunks are cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(300), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (sizes, cuts) => {
        const bytes = Buffer.concat(
          sizes.map((size) => {
            const message = Buffer.alloc(5 + size)
            message.writeUInt32BE(size, 1)
            return message
          }),
        )
        const reader = new PrefixReader()
        const seen: number[] = []
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const cut = cuts[i % cuts.length] ?? 1
          seen.push(...reader.push(bytes.subarray(at, at + cut)).map((message) => message.bytes))
          at += cut
        }
        return JSON.stringify(seen) === JSON.stringify(sizes) && !reader.incomplete
      },
    ),
  )
  t.pass()
})

test('the budget grants in arrival order, bounds who waits and returns to zero', (t) => {
  const budget = new RequestBudget(100, 50)
  const granted: string[] = []
  const first = budget.reserve(80, 10, () => granted.push('first'))
  const second = budget.reserve(60, 20, () => granted.push('second'))
  // Would fit beside the first, but came after the second.
  const third = budget.reserve(10, 10, () => granted.push('third'))
  t.true(first?.granted)
  t.false(second?.granted)
  t.false(third?.granted)
  t.is(
    budget.reserve(10, 30, () => undefined),
    null,
    'the waiting room is full',
  )
  t.is(budget.waiting, 30)
  first?.release()
  first?.release()
  t.deepEqual(granted, ['second', 'third'])
  second?.release()
  third?.release()
  t.is(budget.used, 0)
  t.is(budget.waiting, 0)
})

test('whoever waits and goes away makes room for the next', (t) => {
  const budget = new RequestBudget(100, 100)
  const granted: string[] = []
  const first = budget.reserve(50, 10, () => undefined)
  const large = budget.reserve(100, 10, () => granted.push('large'))
  budget.reserve(50, 10, () => granted.push('small'))
  large?.release()
  t.deepEqual(granted, ['small'])
  first?.release()
  t.is(budget.used, 50)
})

test('a message over the limit is refused from its prefix, before its body', async (t) => {
  const { client, shed, server, stop } = await start(echoBackend(), { maxMessageBytes: MIB })
  t.teardown(stop)
  const error = await failure(invoke(client, 'modelInfer', tensorRequest(randomBytes(2 * MIB))))
  t.is(error.code, status.RESOURCE_EXHAUSTED)
  t.is(codeOf(error), 'REQUEST_TOO_LARGE')
  t.regex(error.details, /at most 1048576 bytes/)
  t.deepEqual(shed, ['REQUEST_TOO_LARGE'])
  await until(() => server.budget.used === 0)
  await invoke(client, 'modelInfer', tensorRequest(randomBytes(MIB / 2)))
})

test('announced bodies count before they arrive; a call without room is shed, then served once there is', async (t) => {
  const { client, server, stop } = await start(echoBackend(), {
    maxMessageBytes: 32 * MIB,
    requestMemoryBytes: 32 * MIB,
  })
  t.teardown(stop)
  const session = connect(`http://${server.address}`)
  t.teardown(() => session.destroy())
  const hog = halfCall(session, 32 * MIB, 100)
  await until(() => server.budget.used === 32 * MIB)

  // The waiting room has 8 MiB: one call of 6 MiB waits in it, the next finds it full.
  const waiting = invoke(client, 'modelInfer', tensorRequest(randomBytes(6 * MIB)))
  await until(() => server.budget.waiting > 0)
  const shed = await failure(invoke(client, 'modelInfer', tensorRequest(randomBytes(6 * MIB))))
  t.is(shed.code, status.RESOURCE_EXHAUSTED)
  t.is(codeOf(shed), 'QUEUE_FULL')
  await t.notThrowsAsync(invoke(client, 'serverLive', {}), 'a small call answers under overload')

  hog.close(constants.NGHTTP2_CANCEL)
  await t.notThrowsAsync(waiting)
  await until(() => server.budget.used === 0 && server.budget.waiting === 0)
})

test('a waiting call leaves the budget when its caller gives up', async (t) => {
  const { client, server, stop } = await start(echoBackend(), {
    maxMessageBytes: 32 * MIB,
    requestMemoryBytes: 32 * MIB,
  })
  t.teardown(stop)
  const session = connect(`http://${server.address}`)
  t.teardown(() => session.destroy())
  halfCall(session, 32 * MIB, 100)
  await until(() => server.budget.used === 32 * MIB)
  const error = await failure(
    invoke(client, 'modelInfer', tensorRequest(randomBytes(4 * MIB)), {
      deadline: new Date(Date.now() + 200),
    }),
  )
  t.is(error.code, status.DEADLINE_EXCEEDED)
  await until(() => server.budget.waiting === 0)
})

test('a flood of large bodies stays within the byte budget, and nobody is left without an answer', async (t) => {
  let inside = 0
  let most = 0
  const budget = 64 * MIB
  const { client, server, stop } = await start(
    echoBackend({
      infer: async (request) => {
        inside += request.rawInputContents[0]?.byteLength ?? 0
        most = Math.max(most, inside)
        await later(20)
        inside -= request.rawInputContents[0]?.byteLength ?? 0
        return { ...echo(request), outputs: [], rawOutputContents: [] }
      },
    }),
    { maxMessageBytes: 16 * MIB, requestMemoryBytes: budget },
  )
  t.teardown(stop)
  const body = randomBytes(8 * MIB)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, () => invoke(client, 'modelInfer', tensorRequest(body))),
  )
  const ok = outcomes.filter((outcome) => outcome.status === 'fulfilled').length
  t.true(most <= budget, `${most} bytes at once`)
  t.true(ok >= 8, `${ok} answered`)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected')
      t.is((outcome.reason as { code: number }).code, status.RESOURCE_EXHAUSTED)
  }
  await until(() => server.budget.used === 0)
})

test('large messages are received with a window and frames wider than the defaults of HTTP/2', async (t) => {
  const { server, stop } = await start(echoBackend())
  t.teardown(stop)
  const session = connect(`http://${server.address}`)
  t.teardown(() => session.destroy())
  const settings = await new Promise<{
    initialWindowSize?: number | undefined
    maxFrameSize?: number | undefined
  }>((resolve) => session.on('remoteSettings', resolve))
  t.is(settings.initialWindowSize, 8 * MIB)
  t.is(settings.maxFrameSize, MIB)
  await until(() => (session.state.remoteWindowSize ?? 0) >= 8 * MIB)
})

test('a connection is held to its number of streams', async (t) => {
  const { server, stop } = await start(echoBackend(), { maxConcurrentStreams: 3 })
  t.teardown(stop)
  const session = connect(`http://${server.address}`)
  t.teardown(() => session.destroy())
  const settings = await new Promise<{ maxConcurrentStreams?: number | undefined }>((resolve) =>
    session.on('remoteSettings', resolve),
  )
  t.is(settings.maxConcurrentStreams, 3)
})
