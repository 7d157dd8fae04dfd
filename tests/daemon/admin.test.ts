import { connect, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { startAdminServer } from '../../src/daemon/admin.js'

async function admin(t: ExecutionContext): Promise<{ host: string; port: number; address: string }> {
  const server = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: 'metrics\n' }),
    isLive: () => true,
    isReady: () => false,
  })
  t.teardown(() => server.close())
  const [host = '', port = ''] = server.address.split(':')
  return { host, port: Number(port), address: server.address }
}

function open(t: ExecutionContext, { host, port }: { host: string; port: number }): Promise<Socket> {
  const socket = connect(port, host)
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  return new Promise((resolve) => socket.once('connect', () => resolve(socket)))
}

test('half-sent requests on every connection do not keep a probe from its answer', async (t) => {
  const server = await admin(t)
  for (let i = 0; i < 300; i++) {
    const socket = await open(t, server)
    socket.write('GET /livez HTTP/1.1\r\nhost: a\r\nx-half:')
  }
  const live = await fetch(`http://${server.address}/livez`)
  t.is(live.status, 200)
  t.is((await fetch(`http://${server.address}/readyz`)).status, 503)
  t.is(await (await fetch(`http://${server.address}/metrics`)).text(), 'metrics\n')
})
