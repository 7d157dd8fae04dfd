/** Exams on several threads. */

import { Worker } from 'node:worker_threads'
import type { WorkerAnswer, WorkerSetup } from './worker.js'

/**
 * Simulates exams and writes their files. Which thread makes an exam changes nothing in it.
 * @param onExam called after each, in the order in which they are done
 * @returns in the order of `indices`
 * @throws what the first thread that fails threw; the others are ended
 */
export async function simulateOnThreads(
  indices: readonly number[],
  jobs: number,
  setup: WorkerSetup,
  onExam: (done: number) => void,
): Promise<WorkerAnswer[]> {
  const answers = new Map<number, WorkerAnswer>()
  const workers: Worker[] = []
  const left = [...indices]
  const run = () =>
    new Promise<void>((resolve, reject) => {
      const worker = startThread(setup)
      workers.push(worker)
      const next = () => {
        const index = left.shift()
        if (index === undefined) resolve()
        else worker.postMessage(index)
      }
      worker.on('message', (answer: WorkerAnswer) => {
        answers.set(answer.index, answer)
        onExam(answers.size)
        next()
      })
      worker.on('error', reject)
      worker.on('exit', (code) => reject(new Error(`a simulation thread ended with code ${String(code)}`)))
      next()
    })
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, indices.length) }, run))
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  return indices.flatMap((index) => answers.get(index) ?? [])
}

/** From sources, as tests run, a thread needs the loader that the process has. */
function startThread(workerData: WorkerSetup): Worker {
  const compiled = import.meta.url.endsWith('.js')
  if (compiled) return new Worker(new URL('./worker.js', import.meta.url), { workerData })
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const entry = JSON.stringify(new URL('./worker.ts', import.meta.url).href)
  const code = `import(${loader}).then(({ register }) => { register(); return import(${entry}) })`
  return new Worker(code, { eval: true, execArgv: [], workerData })
}
