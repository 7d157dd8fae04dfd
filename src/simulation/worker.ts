/** A thread that simulates the exams it is told to, one after the other. */

import { parentPort, workerData } from 'node:worker_threads'
import { simulateExam } from './exam.js'
import { writeExam, type ExamFiles, type FileOptions } from './files.js'
import { RISK } from './risk/parameters.js'

/** What a worker is started with. */
export interface WorkerSetup extends FileOptions {
  readonly seed: number
}

/** What it answers to the index of an exam. */
export interface WorkerAnswer extends ExamFiles {
  readonly index: number
}

const setup = workerData as WorkerSetup

parentPort?.on('message', (index: number) => {
  void simulate(index)
})

/** A failure is not caught: it ends the worker, and its pool says why. */
async function simulate(index: number): Promise<void> {
  const files = await writeExam(simulateExam(setup.seed, index, RISK), setup)
  parentPort?.postMessage({ index, ...files } satisfies WorkerAnswer)
}
