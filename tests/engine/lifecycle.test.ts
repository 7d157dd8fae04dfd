import { execFile } from 'node:child_process'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import type { NativeSession } from '../../src/engine/native.js'
import {
  addonPath,
  batchOf,
  createInstance,
  ENDLESS,
  fixture,
  floats,
  LOOP_SHAPES,
  loopRequest,
  openInstance,
  openSession,
  outputsOf,
  pause,
  request,
  runtimePath,
} from './support.js'

test('dispose is idempotent and what comes after it is a coded error', async (t) => {
  const session = await openSession('identity_FP32')
  const instance = createInstance(session)
  await Promise.all([instance.dispose(), instance.dispose()])
  await instance.dispose()
  t.throws(() => instance.execute(batchOf([request(Float32Array.of(1))], [[1]])), { code: 'DISPOSED' })
  session.dispose()
  session.dispose()
  t.throws(() => createInstance(session), { code: 'DISPOSED' })
})

test('an instance outlives its session', async (t) => {
  const session = await openSession('identity_FP32')
  const instance = createInstance(session)
  session.dispose()
  const { outcomes } = await instance.execute(batchOf([request(Float32Array.of(3))], [[1]])).result
  t.deepEqual(floats(outputsOf(outcomes[0])[0]!), [3])
  await instance.dispose()
})

test('dispose answers what is queued and terminates what runs', async (t) => {
  const instance = await openInstance('loop')
  const executions = Array.from({ length: 6 }, () =>
    instance.execute(batchOf([loopRequest(0, ENDLESS)], LOOP_SHAPES)),
  )
  await pause(20)
  await instance.dispose()
  for (const { result } of executions) t.deepEqual((await result).outcomes, [{ kind: 'cancelled' }])
})

test('several instances of one session run at the same time', async (t) => {
  const session = await openSession('loop')
  const instances = [1, 2, 3].map(() => createInstance(session))
  const endless = instances[0]!.execute(batchOf([loopRequest(0, ENDLESS)], LOOP_SHAPES))
  const others = instances
    .slice(1)
    .map((instance) => instance.execute(batchOf([loopRequest(1, 1)], LOOP_SHAPES)))
  for (const { result } of others) {
    t.deepEqual(floats(outputsOf((await result).outcomes[0])[0]!), [2, 2, 2, 2])
  }
  endless.cancel(0)
  await Promise.all(instances.map((instance) => instance.dispose()))
})

test('sessions and instances that are created and disposed again and again', async (t) => {
  for (let i = 0; i < 60; i++) {
    const session: NativeSession = await openSession('identity_FP32')
    const instance = createInstance(session)
    const { result } = instance.execute(batchOf([request(Float32Array.of(i))], [[1]]))
    if (i % 2 === 0) await result
    await instance.dispose()
    session.dispose()
  }
  t.pass()
})

test('JavaScript goes on while a network computes', async (t) => {
  const n = 1800
  const instance = await openInstance('square')
  const batch = {
    requests: [request(new Float32Array(n * n))],
    shapes: [[n, n]],
    batched: false,
    outputs: [0],
  }
  await instance.execute(batch).result
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const { runStart, runEnd } = await instance.execute(batch).result
  delay.disable()
  t.true(runEnd - runStart > 20, `the run took ${runEnd - runStart} ms`)
  t.true(delay.max / 1e6 < Math.max(20, (runEnd - runStart) / 4), `delayed by ${delay.max / 1e6} ms`)
  await instance.dispose()
})

const program = fileURLToPath(new URL('./lifecycle-program.mjs', import.meta.url))
const programFiles = [addonPath, runtimePath, fixture('loop')]

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

async function runProgram(ending: string): Promise<Ended> {
  const argv = ['--expose-gc', program, ending, ...programFiles]
  try {
    const output = await promisify(execFile)(process.execPath, argv, { timeout: 30_000 })
    return { code: 0, signal: null, ...output }
  } catch (error) {
    return error as Ended
  }
}

test('a process whose event loop hangs ends when it was told to', async (t) => {
  t.is((await runProgram('loop')).code, 7)
})

for (const ending of ['exit', 'idle', 'collect', 'workers']) {
  test(`a process ends cleanly: ${ending}`, async (t) => {
    const { code, stdout, stderr } = await runProgram(ending)
    t.is(code, 0, stderr)
    t.is(stdout, 'done\n')
  })
}

test('a process with runs in flight ends by SIGTERM as any other', async (t) => {
  t.like(await runProgram('sigterm'), { signal: 'SIGTERM' })
})

test('a process with runs in flight ends by an uncaught error as any other', async (t) => {
  const { code, stderr } = await runProgram('throw')
  t.is(code, 1)
  t.regex(stderr, /on purpose/)
})

test('a worker that is terminated with runs in flight leaves the process well', async (t) => {
  const worker = new Worker(program, { argv: ['worker', ...programFiles] })
  await new Promise((resolve) => worker.once('message', resolve))
  await worker.terminate()
  const instance = await openInstance('identity_FP32')
  const { outcomes } = await instance.execute(batchOf([request(Float32Array.of(1))], [[1]])).result
  t.is(outcomes[0]?.kind, 'ok')
  await instance.dispose()
})
