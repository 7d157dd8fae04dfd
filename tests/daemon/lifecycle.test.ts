import { get } from 'node:http'
import test from 'ava'
import { startAdminServer } from '../../src/daemon/admin.js'
import { Lifecycle, type DaemonState } from '../../src/daemon/lifecycle.js'
import { handleSignals } from '../../src/daemon/shutdown.js'

test('the daemon goes through its states in order and never back', (t) => {
  const seen: DaemonState[] = []
  const lifecycle = new Lifecycle((state) => seen.push(state))
  t.is(lifecycle.state, 'STARTING')
  t.false(lifecycle.enter('STOPPED'))
  t.true(lifecycle.enter('SERVING'))
  t.false(lifecycle.enter('FAILED'))
  t.true(lifecycle.enter('DRAINING'))
  t.false(lifecycle.enter('SERVING'))
  t.true(lifecycle.enter('STOPPED'))
  t.deepEqual(seen, ['SERVING', 'DRAINING', 'STOPPED'])
})

test('a start that is stopped or fails ends without having served', (t) => {
  const stopped = new Lifecycle()
  t.true(stopped.enter('DRAINING'))
  t.true(stopped.enter('STOPPED'))
  const failed = new Lifecycle()
  t.true(failed.enter('FAILED'))
  t.false(failed.enter('SERVING'))
})

const quiet = { limitMs: 60_000, onLate: () => undefined, onFailure: () => undefined }

test.serial('the first signal drains and exits 0, a second one exits at once with its number', async (t) => {
  const exits: number[] = []
  let drained = (): void => undefined
  const off = handleSignals({
    stop: () => new Promise((resolve) => (drained = resolve)),
    exit: (code) => exits.push(code),
    onForce: () => undefined,
    ...quiet,
  })
  t.teardown(off)
  process.emit('SIGTERM', 'SIGTERM')
  t.deepEqual(exits, [])
  process.emit('SIGTERM', 'SIGTERM')
  t.deepEqual(exits, [143])
  process.emit('SIGINT', 'SIGINT')
  t.deepEqual(exits, [143, 130])
  drained()
  await new Promise(setImmediate)
  t.deepEqual(exits, [143, 130, 0])
})

test.serial('a drain that fails exits 1', async (t) => {
  const exits: number[] = []
  const off = handleSignals({
    stop: () => Promise.reject(new Error('no')),
    exit: (code) => exits.push(code),
    onForce: () => undefined,
    ...quiet,
  })
  t.teardown(off)
  process.emit('SIGTERM', 'SIGTERM')
  await new Promise(setImmediate)
  t.deepEqual(exits, [1])
})

test.serial('a drain that does not end exits 1 when its limit has passed, and says so first', async (t) => {
  const told: string[] = []
  const exited = new Promise<number>((exit) => {
    const off = handleSignals({
      ...quiet,
      stop: () => new Promise(() => undefined),
      exit,
      onForce: () => undefined,
      limitMs: 20,
      onLate: () => void told.push('late'),
    })
    t.teardown(off)
  })
  process.emit('SIGTERM', 'SIGTERM')
  t.is(await exited, 1)
  t.deepEqual(told, ['late'])
})

function fetchStatus(
  address: string,
  path: string,
  method = 'GET',
): Promise<{ status: number; body: string; type: string }> {
  return new Promise((resolve, reject) => {
    get(`http://${address}${path}`, { method }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body, type: response.headers['content-type'] ?? '' }),
      )
    }).on('error', reject)
  })
}

test('the admin server serves metrics and probes, and nothing else', async (t) => {
  let ready = false
  let broken = false
  const admin = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    metrics: () =>
      broken
        ? Promise.reject(new Error('no'))
        : Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
    isLive: () => true,
    isReady: () => ready,
  })
  t.teardown(() => admin.close())
  const metrics = await fetchStatus(admin.address, '/metrics?x=1')
  t.deepEqual([metrics.status, metrics.body, metrics.type], [200, 'up 1\n', 'text/plain; version=0.0.4'])
  t.is((await fetchStatus(admin.address, '/livez')).status, 200)
  t.is((await fetchStatus(admin.address, '/readyz')).status, 503)
  ready = true
  t.is((await fetchStatus(admin.address, '/readyz')).status, 200)
  t.is((await fetchStatus(admin.address, '/../etc/passwd')).status, 404)
  t.is((await fetchStatus(admin.address, '/metrics', 'POST')).status, 405)
  broken = true
  t.is((await fetchStatus(admin.address, '/metrics')).status, 500)
})

test('a port that is taken is an error of the setting', async (t) => {
  const options = {
    host: '127.0.0.1',
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
    isLive: () => true,
    isReady: () => true,
  }
  const admin = await startAdminServer({ ...options, port: 0 })
  t.teardown(() => admin.close())
  const port = Number(admin.address.split(':')[1])
  await t.throwsAsync(startAdminServer({ ...options, port }), {
    message: /metrics-port: cannot listen on 127\.0\.0\.1:\d+/,
  })
})
