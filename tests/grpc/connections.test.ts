import { connect, constants, type ClientHttp2Session } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { credentials } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import { GRPCInferenceServiceClient } from '../../src/generated/grpc_service.js'
import { Connections } from '../../src/grpc/connections.js'
import { Peers } from '../../src/grpc/peers.js'
import { goawayCode, hello, openCall, resetStream } from './raw-http2.js'
import { echo, echoBackend, invoke, later, MIB, start, tensorRequest, until } from './harness.js'

async function session(t: ExecutionContext, address: string): Promise<ClientHttp2Session> {
  const opened = connect(`http://${address}`)
  opened.on('error', () => undefined)
  t.teardown(() => opened.destroy())
  await new Promise((resolve) => opened.once('remoteSettings', resolve))
  return opened
}

function tcp(t: ExecutionContext, address: string): Promise<Socket> {
  const [host = '', port = ''] = address.split(':')
  const socket = connectTcp(Number(port), host)
  socket.on('error', () => undefined)
  socket.resume() // or it would not notice that it is closed
  t.teardown(() => socket.destroy())
  return new Promise((resolve) => socket.once('connect', () => resolve(socket)))
}

test('idle connections, and such as say nothing, make room for a newcomer; one at work does not', async (t) => {
  let answer = (): void => undefined
  const held = new Promise<void>((resolve) => (answer = resolve))
  const { server, client, stop } = await start(
    echoBackend({ infer: async (request) => (await held, echo(request)) }),
    { maxConnections: 8 },
  )
  t.teardown(stop)
  const working = invoke(client, 'modelInfer', tensorRequest(new Uint8Array(10)))
  const silent = await tcp(t, server.address)
  const idle: ClientHttp2Session[] = []
  for (let i = 0; i < 12; i++) idle.push(await session(t, server.address))
  await until(() => silent.destroyed && idle.filter((one) => one.destroyed).length === 5)
  t.deepEqual(
    idle.map((one) => one.destroyed),
    Array.from({ length: 12 }, (_, i) => i < 5),
    'the one that was idle for longest goes first',
  )
  answer()
  await t.notThrowsAsync(working)
})

test('connections at work are not given up: the newcomer is turned away', async (t) => {
  let answer = (): void => undefined
  const held = new Promise<void>((resolve) => (answer = resolve))
  let inside = 0
  const { server, client, stop } = await start(
    echoBackend({ infer: async (request) => (inside++, await held, echo(request)) }),
    { maxConnections: 1 },
  )
  t.teardown(stop)
  const working = invoke(client, 'modelInfer', tensorRequest(new Uint8Array(10)))
  await until(() => inside === 1)
  const newcomer = await tcp(t, server.address)
  await new Promise((resolve) => newcomer.once('close', resolve))
  answer()
  await t.notThrowsAsync(working)
})

test('who does not begin to speak in time is closed', async (t) => {
  const closed: string[] = []
  const connections = new Connections(10, 100)
  const listeners = new Map<string, () => void>()
  const socket = {
    remoteAddress: '10.0.0.1',
    remotePort: 1,
    once: (name: string, listener: () => void) => void listeners.set(name, listener),
    destroy: () => {
      closed.push('silent')
      listeners.get('close')?.()
    },
  } as unknown as Socket
  connections.admit(socket)
  await until(() => closed.length === 1)
  t.is(connections.of(socket), undefined)
  const talks = connections.admit(socket)
  talks?.established()
  await later(200)
  t.is(connections.of(socket), talks ?? undefined)
})

test('an address may only connect and take back so often; another is not affected', (t) => {
  const peers = new Peers()
  const hostile = peers.of('2001:db8:1:2:aaaa::1')
  let [connects, resets] = [0, 0]
  while (hostile.mayConnect() && connects < 5000) connects++
  while (hostile.mayReset() && resets < 5000) resets++
  t.true(connects < 2000 && resets < 2000, `${connects} connections, ${resets} resets`)
  t.is(peers.of('2001:db8:1:2:bbbb::9'), hostile, 'a network of IPv6 counts as one')
  t.true(peers.of('2001:db8:1:3::1').mayConnect())
  t.true(peers.of('10.0.0.1').mayReset())
})

test('rapid resets end their connections, over all of an address together', async (t) => {
  const { server, client, handled, stop } = await start(echoBackend(), { maxConnections: 64 })
  t.teardown(stop)
  const codes: (number | null)[] = []
  /** 500 calls, each taken back at once, on a connection of its own. */
  const attack = async (): Promise<void> => {
    const socket = await tcp(t, server.address)
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    const calls = Array.from({ length: 500 }, (_, i) => 2 * i + 1).flatMap((id) => [
      openCall(id, '/inference.GRPCInferenceService/ModelInfer'),
      resetStream(id, constants.NGHTTP2_CANCEL),
    ])
    const before = handled.length
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(Buffer.concat([hello, ...calls]))
    await Promise.race([closed, until(() => handled.length === before + 500)])
    socket.destroy()
    codes.push(goawayCode(Buffer.concat(received)))
  }
  for (let i = 0; i < 10; i++) await attack()
  t.deepEqual(codes.slice(0, 2), [null, null], "a burst is nobody's fault")
  t.true(codes.includes(constants.NGHTTP2_ENHANCE_YOUR_CALM), codes.join())
  t.true(handled.length < 4000, `${handled.length} were let in`)
  await t.notThrowsAsync(invoke(client, 'serverLive', {}), 'who does nothing of the kind is answered')
})

test('refusals and resets mixed end no session', async (t) => {
  const { server, stop } = await start(
    echoBackend({
      infer: (request) => Promise.resolve({ ...echo(request), outputs: [], rawOutputContents: [] }),
    }),
    { maxMessageBytes: MIB, requestMemoryBytes: MIB, maxConcurrentStreams: 16 },
  )
  t.teardown(stop)
  const one = await session(t, server.address)
  const ends: string[] = []
  one.on('goaway', (code) => ends.push(`goaway ${code}`))
  one.on('error', (error: Error) => ends.push(error.message))
  const body = Buffer.alloc(5 + 100_000)
  body.writeUInt32BE(100_000, 1)
  let left = 900
  // More at once than the session may have, and half of them taken back: Node refuses a few hundred of them.
  const caller = async (i: number): Promise<void> => {
    while (left-- > 0 && ends.length === 0) {
      const stream = one.request({
        ':method': 'POST',
        ':path': '/inference.GRPCInferenceService/ModelInfer',
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      stream.on('error', () => undefined)
      const closed = new Promise((resolve) => stream.once('close', resolve))
      stream.resume()
      stream.end(body)
      if (i % 2 === 0) setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), left % 7)
      await closed
    }
  }
  await Promise.all(Array.from({ length: 64 }, (_, i) => caller(i)))
  t.deepEqual(ends, [])
  const client = new GRPCInferenceServiceClient(server.address, credentials.createInsecure())
  t.teardown(() => client.close())
  await t.notThrowsAsync(invoke(client, 'serverLive', {}))
})
