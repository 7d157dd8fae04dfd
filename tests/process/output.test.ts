/** A daemon whose output nobody takes: it serves, says so in a metric, and ends with 0 on SIGTERM. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { later } from '../grpc/harness.js'
import { repository, temporaryFolder } from './sentinode.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const program = [process.execPath, '--import=tsx', join(root, 'src/main.ts')]

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

interface Shell {
  /** Of the daemon. */
  readonly pid: number
  readonly metrics: string
  /** The daemon's exit code, as its shell reports it. */
  readonly code: Promise<string>
}

/** Runs the daemon in bash; `before` is run first and `to` says where the output of both goes. */
async function daemonTo(t: ExecutionContext, to: string, before = 'true'): Promise<Shell> {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const port = await freePort()
  const serve = [...program, 'serve', '--models', repository(folder.path, { rows: 'rows.onnx' })]
  const flags = ['--grpc-port', '0', '--metrics-port', String(port), '--drain-timeout', '10']
  const words = [...serve, ...flags].map((word) => `'${word}'`).join(' ')
  const script = `(${before}; ${words} & echo $! >&3; wait $!; echo $? >&3) ${to}`
  // A group of its own, so that nothing of it outlives the test.
  const shell = spawn('bash', ['-c', script], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    detached: true,
  })
  t.teardown(() => {
    try {
      process.kill(-Number(shell.pid), 'SIGKILL')
    } catch {
      // It has ended.
    }
  })
  const said = createInterface({ input: shell.stdio[3] as Readable })[Symbol.asyncIterator]()
  const line = async (): Promise<string> => String((await said.next()).value)
  const pid = Number(await line())
  return { pid, metrics: `http://127.0.0.1:${port}`, code: line() }
}

async function ready({ metrics }: Shell): Promise<void> {
  for (;;) {
    const answer = await fetch(`${metrics}/readyz`).catch(() => null)
    if (answer?.ok === true) return
    await later(50)
  }
}

async function lostLines({ metrics }: Shell): Promise<number> {
  const exposition = await (await fetch(`${metrics}/metrics`)).text()
  return Number(/^sentinode_log_lines_lost_total (\d+)$/m.exec(exposition)?.[1])
}

test('a reader that reads loses no line', async (t) => {
  const daemon = await daemonTo(t, '2>&1 | cat')
  await ready(daemon)
  t.is(await lostLines(daemon), 0)
  process.kill(daemon.pid, 'SIGTERM')
  t.is(await daemon.code, '0')
})

test('a reader that has read enough costs lines, and SIGTERM still ends the daemon', async (t) => {
  const daemon = await daemonTo(t, '2>&1 | head -1')
  await ready(daemon)
  t.true((await lostLines(daemon)) > 0)
  process.kill(daemon.pid, 'SIGTERM')
  t.is(await daemon.code, '0')
})

test('so does a full disk', async (t) => {
  const daemon = await daemonTo(t, '>/dev/full 2>&1')
  await ready(daemon)
  t.true((await lostLines(daemon)) > 3)
  process.kill(daemon.pid, 'SIGTERM')
  t.is(await daemon.code, '0')
})

test('a reader that has stopped before a full pipe blocks nothing', async (t) => {
  const daemon = await daemonTo(t, '2>&1 | (kill -STOP $BASHPID; cat)', 'head -c 65536 /dev/zero')
  await ready(daemon)
  process.kill(daemon.pid, 'SIGTERM')
  t.is(await daemon.code, '0')
})

test('a command whose output cannot be written says so in its exit code, in one line', (t) => {
  const full = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(full))
  const print = [...program.slice(1), 'serve', '--print-config']
  const out = spawnSync(process.execPath, print, { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' })
  t.is(out.status, 1)
  t.is(out.stderr, 'error: OUTPUT_NOT_WRITTEN: expected a stdout that can be written, found ENOSPC\n')
  const unknown = [...program.slice(1), 'inspect', '/no/such/exam']
  const silent = spawnSync(process.execPath, unknown, { stdio: ['ignore', 'pipe', full] })
  const heard = spawnSync(process.execPath, unknown, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.true(heard.stderr.length > 0)
  t.is(silent.status, heard.status, 'what is said beside the output is worth no failure')
})
