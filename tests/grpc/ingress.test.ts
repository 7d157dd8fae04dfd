import {
  connect,
  createServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { compressionAlgorithms, credentials, status } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import { createIngress } from '../../src/grpc/ingress.js'
import { RequestBudget } from '../../src/grpc/request-budget.js'
import { Rounds } from '../../src/grpc/rounds.js'
import { GRPCInferenceServiceClient } from '../../src/generated/grpc_service.js'
import { codeOf, echoBackend, failure, invoke, later, MIB, start, tensorRequest, until } from './harness.js'

interface Ingress {
  readonly budget: RequestBudget
  readonly session: ClientHttp2Session
  readonly shed: string[]
}

/** Ingress on a bare HTTP/2 server, which answers nothing itself. */
async function bare(t: ExecutionContext, graceMs: number, leastRate = 1000): Promise<Ingress> {
  const rounds = new Rounds(graceMs / 8)
  const budget = new RequestBudget(MIB, MIB, rounds)
  const shed: string[] = []
  const server = createServer()
  const ingress = createIngress({
    budget,
    rounds,
    maxMessageBytes: MIB,
    windowBytes: 65_535,
    statusCodes: 'sentinode',
    onShed: (code) => void shed.push(code),
    newRequestId: () => 'id',
    graceMs,
    leastRate,
  })
  server.on('stream', (stream, headers) => ingress(stream, headers))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  return { budget, session, shed }
}

/** Resolves when everything sent before has been read at the other end. */
function pong(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => session.ping(() => resolve()))
}

function announce(
  session: ClientHttp2Session,
  bytes: number,
): { stream: ClientHttp2Stream; headers: Promise<OutgoingHttpHeaders> } {
  const stream = session.request({ ':method': 'POST', ':path': '/s/m' })
  stream.on('error', () => undefined)
  const headers = new Promise<OutgoingHttpHeaders>((resolve) => stream.on('response', resolve))
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(bytes, 1)
  stream.write(prefix)
  return { stream, headers }
}

test('a call that announces a message and does not send it gives its bytes back', async (t) => {
  const { budget, session, shed } = await bare(t, 150)
  const { headers } = announce(session, MIB)
  await until(() => budget.used === MIB)
  const answer = await headers
  t.is(Number(answer['grpc-status']), status.DEADLINE_EXCEEDED)
  t.deepEqual(shed, ['TRANSFER_TOO_SLOW'])
  await until(() => budget.used === 0)
})

test('a call that keeps sending is not taken for a stalled one', async (t) => {
  const { budget, session, shed } = await bare(t, 1500)
  // Where the machine held the sender up, it has not kept sending, and tries again.
  for (let longest = Infinity; longest > 1000;) {
    shed.length = 0
    const { stream } = announce(session, 10_000)
    await until(() => budget.used === 10_000)
    longest = 0
    for (let i = 0, last = performance.now(); i < 5; i++) {
      await later(400)
      stream.write(Buffer.alloc(1000))
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }
    if (longest <= 1000) t.is(budget.used, 10_000)
    stream.close()
    await until(() => budget.used === 0)
  }
  t.deepEqual(shed, [])
})

test('what arrived while the server itself was held up is read before anyone is taken for stalled', async (t) => {
  const { budget, session, shed } = await bare(t, 1000)
  const { stream } = announce(session, 2000)
  await until(() => budget.used === 2000)
  stream.write(Buffer.alloc(1000))
  await pong(session)
  stream.write(Buffer.alloc(500))
  await new Promise((resolve) => setImmediate(resolve)) // it is in the socket, and not read yet
  const end = performance.now() + 1200
  while (performance.now() < end);
  await pong(session)
  t.deepEqual(shed, [])
})

test('who waits for room is not taken for a stalled one', async (t) => {
  const { budget, session, shed } = await bare(t, 100)
  const release = budget.charge(MIB)
  announce(session, 1000)
  await until(() => budget.waiting > 0)
  await later(300)
  t.deepEqual(shed, [])
  release()
  await until(() => shed.length === 1)
  t.deepEqual(shed, ['TRANSFER_TOO_SLOW'], 'and is one when it has room and still sends nothing')
})

test('a byte now and then is too little, however long it goes on', async (t) => {
  const { budget, session, shed } = await bare(t, 400, 10_000)
  const { stream, headers } = announce(session, MIB)
  const drip = setInterval(() => stream.write(Buffer.alloc(1)), 20)
  t.teardown(() => clearInterval(drip))
  t.is(Number((await headers)['grpc-status']), status.DEADLINE_EXCEEDED)
  t.deepEqual(shed, ['TRANSFER_TOO_SLOW'])
  await until(() => budget.used === 0)
})

test('what was sent quickly earns no rest later', async (t) => {
  const { session, shed } = await bare(t, 400, 10_000)
  const { stream, headers } = announce(session, MIB)
  stream.write(Buffer.alloc(MIB - 10))
  await headers
  t.deepEqual(shed, ['TRANSFER_TOO_SLOW'])
})

test('a call that sends nothing, a part of a prefix, or no end, is ended', async (t) => {
  const { session, shed } = await bare(t, 200)
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(5)]) {
    const stream = session.request({ ':method': 'POST', ':path': '/s/m' })
    const headers = new Promise((resolve) => stream.on('response', resolve))
    stream.write(bytes)
    await headers
  }
  t.deepEqual(
    shed,
    Array.from({ length: 3 }, () => 'TRANSFER_TOO_SLOW'),
  )
})

test('a compressed message is admitted for what it may become, and refused past the limit', async (t) => {
  const { server, stop } = await start(echoBackend(), { maxMessageBytes: 2 * MIB })
  t.teardown(stop)
  const gzip = new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), {
    'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
  })
  t.teardown(() => gzip.close())
  await t.notThrowsAsync(invoke(gzip, 'modelInfer', tensorRequest(new Uint8Array(MIB))))
  const bomb = await failure(invoke(gzip, 'modelInfer', tensorRequest(new Uint8Array(64 * MIB))))
  t.is(bomb.code, status.RESOURCE_EXHAUSTED)
  await until(() => server.budget.used === 0)
})

test('a timeout of years is a long one, not one that has passed', async (t) => {
  const { server, stop } = await start(echoBackend())
  t.teardown(stop)
  const session = connect(`http://${server.address}`)
  t.teardown(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': '/inference.GRPCInferenceService/ServerLive',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '99999999H',
  })
  stream.end(Buffer.alloc(5))
  stream.resume()
  const trailers = await new Promise<OutgoingHttpHeaders>((resolve) => stream.on('trailers', resolve))
  t.is(Number(trailers['grpc-status']), status.OK)
})

test('shed calls in the triton mode have its status and our code', async (t) => {
  const { client, stop } = await start(echoBackend(), { maxMessageBytes: MIB, statusCodes: 'triton' })
  t.teardown(stop)
  const error = await failure(invoke(client, 'modelInfer', tensorRequest(new Uint8Array(2 * MIB))))
  t.is(error.code, status.UNAVAILABLE)
  t.is(codeOf(error), 'REQUEST_TOO_LARGE')
})
