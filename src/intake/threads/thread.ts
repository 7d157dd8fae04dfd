/** The entry of a thread: jobs in, results out. */

import { parentPort } from 'node:worker_threads'
import { isSentinodeError } from '../../errors.js'
import type { FromThread, Job, ToThread } from './messages.js'
import { runRead } from './read.js'
import { runReport } from './report.js'

/** The job was given up; nobody waits for how it ends. */
class Stopped extends Error {}

const port = parentPort
let onRoom: ((granted: boolean) => void) | null = null

port?.on('message', (message: ToThread) => {
  if (message.kind === 'room') onRoom?.(message.granted)
  else void perform(message.job, message.stop)
})

async function perform(job: Job, stop: Int32Array): Promise<void> {
  try {
    if (job.kind === 'report') {
      finish(runReport(job), [])
      return
    }
    const check = (): void => {
      if (Atomics.load(stop, 0) !== 0) throw new Stopped()
    }
    const read = await runRead(job, { check, reserve })
    finish(read, [read.volume.samples.buffer as ArrayBuffer])
  } catch (error) {
    post({ kind: 'failed', error: portable(error) })
  }
}

async function reserve(bytes: number): Promise<void> {
  post({ kind: 'reserve', bytes })
  const granted = await new Promise<boolean>((resolve) => (onRoom = resolve))
  if (!granted) throw new Stopped()
}

function finish(result: Extract<FromThread, { kind: 'done' }>['result'], transfer: ArrayBuffer[]): void {
  port?.postMessage({ kind: 'done', result } satisfies FromThread, transfer)
}

function post(message: FromThread): void {
  port?.postMessage(message)
}

function portable(error: unknown): Extract<FromThread, { kind: 'failed' }>['error'] {
  if (isSentinodeError(error)) return { code: error.code, message: error.message }
  return error instanceof Error ? error : new Error('a value that is no error was thrown')
}
