/**
 * A process (or a worker) that ends in the way that its argument names, with work in flight. Plain
 * JavaScript on the addon alone: worker threads take no TypeScript here.
 * Arguments: ending, addon, ONNX Runtime library, network.
 */
import { createRequire } from 'node:module'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'

const [ending, ...files] = process.argv.slice(2)
const [addonFile, library, network] = files

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function openInstance() {
  const addon = createRequire(import.meta.url)(addonFile)
  addon.loadRuntime(library)
  const session = await addon.createSession({
    modelPath: network,
    modelBytes: null,
    provider: 'cpu',
    deviceId: 0,
    providerOptions: {},
    threads: 1,
    graphOptimization: 'all',
    allowSpinning: false,
    cpuMemoryArena: true,
  })
  const pending = new Map()
  const native = session.createInstance({ slots: 2 }, (id) => pending.get(id)())
  return { native, pending }
}

/** Resolves when the batch is done. */
function execute({ native, pending }, iterations) {
  const inputs = [new Uint8Array(16), new Uint8Array(BigInt64Array.of(BigInt(iterations)).buffer)]
  const requests = [{ inputs, rows: 1, deadline: Infinity }]
  const id = native.execute({ requests, shapes: [[1, 4], [1]], batched: true, outputs: [0] })
  return new Promise((resolve) => pending.set(id, resolve))
}

async function startRuns() {
  for (let i = 0; i < 2; i++) {
    const instance = await openInstance()
    for (let k = 0; k < 4; k++) void execute(instance, 1e12)
  }
  await pause(30)
}

async function endWorkers() {
  const workers = [1, 2].map(() => new Worker(fileURLToPath(import.meta.url), { argv: ['worker', ...files] }))
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
  await Promise.all(workers.map((worker) => worker.terminate()))
}

switch (ending) {
  case 'exit':
    await startRuns()
    console.log('done')
    process.exit(0)
    break
  case 'throw':
    await startRuns()
    setTimeout(() => {
      throw new Error('on purpose')
    })
    break
  case 'loop':
    // The event loop itself hangs, with a signal that nobody can take note of.
    process.on('SIGTERM', () => undefined)
    createRequire(import.meta.url)(addonFile).exitAfter(200, 7)
    for (;;);
  case 'sigterm':
    await startRuns()
    process.kill(process.pid, 'SIGTERM')
    break
  case 'idle': {
    // Neither disposed nor exited: an idle instance must not hold the process.
    const instance = await openInstance()
    await execute(instance, 5)
    console.log('done')
    break
  }
  case 'collect':
    for (let i = 0; i < 20; i++) {
      const instance = await openInstance()
      await execute(instance, 5)
      globalThis.gc()
      await pause(1)
    }
    console.log('done')
    break
  case 'workers':
    // This thread never loads the addon, so the loader could unmap it with the last worker.
    await endWorkers()
    await endWorkers()
    console.log('done')
    break
  case 'worker':
    await startRuns()
    if (!isMainThread) parentPort.postMessage('running')
    break
  default:
    throw new Error('no such ending')
}
