import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  type ModelInferResponse,
} from '../../src/generated/grpc_service.js'
import { invoke } from '../grpc/harness.js'
import { repository, root, temporaryFolder } from './sentinode.js'

/**
 * A command under strace, in a home and a temporary folder of its own. ONNX Runtime 1.30 keeps a database of
 * what it did below the one and a log in the other, and names a host to send them to.
 */
function traced(t: ExecutionContext, args: readonly string[]) {
  const { path: folder, remove } = temporaryFolder()
  t.teardown(remove)
  const places = { HOME: join(folder, 'home'), TMPDIR: join(folder, 'tmp'), CACHE: join(folder, 'cache') }
  for (const place of Object.values(places)) mkdirSync(place)
  const trace = join(folder, 'trace')
  const calls =
    'trace=open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,connect,sendto,sendmsg'
  const command = [process.execPath, join(root, 'dist/main.js'), ...args, '--cache-dir', places.CACHE]
  const child = spawn('strace', ['-f', '-qq', '--seccomp-bpf', '-y', '-e', calls, '-o', trace, ...command], {
    cwd: folder,
    // Set by others to switch it on: it stays off.
    env: { PATH: process.env['PATH'], HOME: places.HOME, TMPDIR: places.TMPDIR, ORT_DISABLE_TELEMETRY: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { child, folder, places, ended, output: () => stdout, trace: () => readFileSync(trace, 'utf8') }
}

/** Where a process may read: the program, the system's libraries, what the kernel says of itself, the models. */
const readable = [
  root,
  dirname(dirname(process.execPath)),
  ...['/usr', '/lib', '/lib64', '/etc', '/proc', '/sys', '/dev'],
]

/** Files that were opened or made outside of these places, and addresses that were connected to. */
function trespasses(trace: string, writable: readonly string[]): string[] {
  const found: string[] = []
  for (const line of trace.split('\n')) {
    const call = /^\d+ +(\w+)\((.*)\) += (-?\d+)/.exec(line)
    if (call === null || Number(call[3]) < 0) continue
    const [, name, given] = call as unknown as [string, string, string]
    if (name === 'connect' || name === 'sendto' || name === 'sendmsg') {
      // An answer goes out over a connection that a client made; to name an address is to call someone.
      if (/sa_family=/.test(given)) found.push(line)
      continue
    }
    const path = /"((?:[^"\\]|\\.)*)"/.exec(given)?.[1] ?? ''
    const writes = name !== 'openat' || /O_WRONLY|O_RDWR|O_CREAT/.test(given)
    const places = writes ? [...writable, '/dev', '/proc/self'] : [...writable, ...readable]
    const within = (place: string) =>
      path === place || path.startsWith(place.endsWith('/') ? place : `${place}/`)
    if (path.startsWith('/') && !places.some(within)) found.push(line)
  }
  return found
}

test('a daemon that serves a request opens no file of its own accord and calls nobody', async (t) => {
  const { path: models, remove } = temporaryFolder()
  t.teardown(remove)
  repository(models, { identity: 'identity_FP32.onnx' })
  const { path: exams, remove: removeExams } = temporaryFolder()
  t.teardown(removeExams)
  const ports = ['--grpc-port', '0', '--metrics-port', '0']
  const daemon = traced(t, ['serve', '--models', models, '--exam-dir', exams, ...ports])
  t.teardown(() => daemon.child.kill('SIGKILL'))
  const line = await new Promise<string>((resolve, reject) => {
    daemon.child.stdout.on('data', () => {
      const found = /^.*"msg":"serving".*$/m.exec(daemon.output())
      if (found) resolve(found[0])
    })
    void daemon.ended.then((code) => reject(new Error(`it ended before it served, code ${code}`)))
  })
  const { grpc } = JSON.parse(line) as { grpc: string }
  const client = new GRPCInferenceServiceClient(grpc, credentials.createInsecure())
  const request = ModelInferRequest.fromPartial({
    modelName: 'identity',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 4n] }],
    rawInputContents: [new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)],
  })
  const answer = await invoke<ModelInferResponse>(client, 'modelInfer', request)
  t.is(answer.modelName, 'identity')
  client.close()
  // strace hands the signal on to nobody; its child is the daemon.
  const pid = /^(\d+)/.exec(daemon.trace())?.[1]
  process.kill(Number(pid), 'SIGTERM')
  t.is(await daemon.ended, 0)
  const trace = daemon.trace()
  t.regex(trace, /libonnxruntime/, 'the library was loaded under the eyes of strace')
  t.deepEqual(trespasses(trace, [daemon.places.CACHE, models, exams]), [])
  t.deepEqual(readdirSync(daemon.places.HOME), [])
  t.deepEqual(readdirSync(daemon.places.TMPDIR), [])
})

test('nor does a command that runs a model without a daemon', async (t) => {
  const model = join(root, 'tests/fixtures/engine/identity_FP32.onnx')
  const command = traced(t, ['profile', model, '--seconds', '1', '--dim', 'n=4', '--json'])
  t.is(await command.ended, 0)
  const trace = command.trace()
  t.regex(trace, /libonnxruntime/)
  t.deepEqual(trespasses(trace, [command.places.CACHE]), [])
  t.deepEqual(readdirSync(command.places.HOME), [])
  t.deepEqual(readdirSync(command.places.TMPDIR), [])
})
