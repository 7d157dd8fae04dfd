import { randomBytes } from 'node:crypto'
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { status, type ServiceError } from '@grpc/grpc-js'
import test from 'ava'
import fc from 'fast-check'
import { PrefixReader } from '../../src/grpc/prefix-reader.js'
import { RequestBudget, type Reservation, type Share } from '../../src/grpc/request-budget.js'
import { Rounds } from '../../src/grpc/rounds.js'
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

interface Wanted {
  readonly held?: number
  readonly growable?: boolean
  readonly shares?: Share[]
  readonly deadline?: number
}

/** A budget whose time is told, and what it did to whom. */
function bench(capacity: number, waitingCapacity: number) {
  const budget = new RequestBudget(capacity, waitingCapacity, new Rounds(1e6))
  const told: string[] = []
  const reserve = (name: string, bytes: number, wanted: Wanted = {}): Reservation | null =>
    budget.reserve({
      bytes,
      held: bytes,
      growable: true,
      shares: [],
      deadline: Infinity,
      ...wanted,
      onGrant: () => told.push(`${name} granted`),
      onHold: () => told.push(`${name} held`),
      onEvict: () => told.push(`${name} evicted`),
    })
  return { budget, told, reserve }
}

test('the budget grants in arrival order, bounds who waits and returns to zero', (t) => {
  const { budget, told, reserve } = bench(100, 50)
  const first = reserve('first', 80, { held: 10 })
  const second = reserve('second', 60, { held: 20 })
  // Would fit beside the first, but came after the second.
  const third = reserve('third', 10, { held: 10, deadline: 1 })
  t.true(first?.granted)
  t.false(second?.granted)
  t.false(third?.granted)
  t.is(reserve('fourth', 10, { held: 30 }), null, 'the waiting room is full')
  t.is(budget.waiting, 30)
  first?.complete()
  first?.release()
  first?.release()
  t.deepEqual(told, ['third granted'], 'the earlier deadline first')
  third?.complete()
  t.deepEqual(told, ['third granted', 'second granted'])
  second?.release()
  third?.release()
  t.is(budget.used, 0)
  t.is(budget.waiting, 0)
})

test('whoever waits and goes away makes room for the next', (t) => {
  const { budget, told, reserve } = bench(100, 200)
  const first = reserve('first', 50)
  first?.complete()
  const large = reserve('large', 100)
  reserve('small', 50)
  large?.release()
  t.deepEqual(told, ['small granted'])
  first?.release()
  t.is(budget.used, 50)
})

test('an announcement keeps nobody out for longer than a second', (t) => {
  const { budget, told, reserve } = bench(100 * MIB, 100 * MIB)
  const slow = reserve('slow', 100 * MIB)
  slow?.arrived(1)
  budget.look(10_000)
  t.is(budget.used, 100 * MIB, 'nobody else wants it')
  const honest = reserve('honest', 20 * MIB)
  budget.look(900)
  t.deepEqual(told, [])
  budget.look(200)
  t.deepEqual(told, ['honest granted'])
  t.true(slow?.granted, 'and the slow one goes on')
  t.true(budget.used < 21 * MIB)
  honest?.complete()
  honest?.release()
  for (let at = 0; at < 100; at++) slow?.arrived(MIB)
  slow?.complete()
  slow?.release()
  t.is(budget.used, 0)
})

test('what arrives slowly holds half of the room at most: of which most is to come gives way', (t) => {
  const { budget, told, reserve } = bench(100 * MIB, 1000 * MIB)
  const slow = [90, 80, 70].map((size) => reserve(String(size), size * MIB))
  reserve('next', 100 * MIB)
  for (let i = 0; i < 3; i++) budget.look(1100)
  t.deepEqual(
    told.filter((what) => what.endsWith('evicted')),
    [],
  )
  for (const reservation of slow) reservation?.arrived(20 * MIB)
  t.deepEqual(
    told.filter((what) => what.endsWith('evicted')),
    ['90 evicted'],
  )
  t.true(budget.used <= 100 * MIB)
})

test('who grows while the room is taken is held, and goes on before those that have not begun', (t) => {
  const { budget, told, reserve } = bench(100 * MIB, 1000 * MIB)
  const grows = reserve('grows', 60 * MIB)
  const other = reserve('other', 90 * MIB)
  budget.look(1100)
  t.deepEqual(told, ['other granted'])
  grows?.arrived(20 * MIB)
  t.deepEqual(told, ['other granted', 'grows held'])
  t.false(grows?.granted)
  reserve('late', 1)
  other?.complete()
  other?.release()
  t.deepEqual(told, ['other granted', 'grows held', 'grows granted', 'late granted'])
})

test('room goes to whose connection and address hold least, and every other time to the oldest', (t) => {
  const { told, reserve } = bench(100 * MIB, 10_000 * MIB)
  const [greedy, modest] = [{ bytes: 60 * MIB }, { bytes: 0 }]
  let running = reserve('running', 100 * MIB)
  const waiting = new Map<string, Reservation | null>()
  for (const name of ['g1', 'g2']) waiting.set(name, reserve(name, 100 * MIB, { shares: [greedy] }))
  for (const name of ['m1', 'm2']) waiting.set(name, reserve(name, 100 * MIB, { shares: [modest] }))
  for (let i = 0; i < 4; i++) {
    running?.complete()
    running?.release()
    running = waiting.get(told.at(-1)!.split(' ')[0]!) ?? null
  }
  t.deepEqual(told, ['m1 granted', 'g1 granted', 'm2 granted', 'g2 granted'])
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

test('announced bodies count before they arrive, for a second; a call without room to wait is shed', async (t) => {
  const { client, server, stop } = await start(echoBackend(), {
    maxMessageBytes: 32 * MIB,
    requestMemoryBytes: 32 * MIB,
  })
  t.teardown(stop)
  const session = connect(`http://${server.address}`)
  t.teardown(() => session.destroy())
  halfCall(session, 32 * MIB, 100)
  await until(() => server.budget.used === 32 * MIB)

  // The waiting room has 8 MiB: of one that waits no more than its flow control window.
  const outcomes = Promise.allSettled(
    Array.from({ length: 12 }, () => invoke(client, 'modelInfer', tensorRequest(randomBytes(6 * MIB)))),
  )
  await until(() => server.budget.waiting > 0)
  await t.notThrowsAsync(invoke(client, 'serverLive', {}), 'a small call answers under overload')
  const shed = (await outcomes).filter((outcome) => outcome.status === 'rejected')
  t.true(shed.length > 0 && shed.length < 12, `${shed.length} shed`)
  for (const { reason } of shed) t.is(codeOf(reason as ServiceError), 'QUEUE_FULL')
  await until(() => server.budget.used <= MIB && server.budget.waiting === 0)
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
  t.is(settings.initialWindowSize, MIB)
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
