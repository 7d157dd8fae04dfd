import { Worker } from 'node:worker_threads'
import { SentinodeError } from '../../errors.js'
import { Slots } from '../slots.js'
import type { ReportJob, Written } from './report.js'

/** Starts a thread on thread.ts. From sources, as tests run, it needs the loader that the process has. */
function spawnThread(): Worker {
  const compiled = import.meta.url.endsWith('.js')
  if (compiled) return new Worker(new URL('./thread.js', import.meta.url))
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const entry = JSON.stringify(new URL('./thread.ts', import.meta.url).href)
  const code = `import(${loader}).then(({ register }) => { register(); return import(${entry}) })`
  return new Worker(code, { eval: true, execArgv: [] })
}

/**
 * Writes reports on a thread of its own: pictures take longer than other callers should wait. The thread is
 * started when first needed, kept, and replaced when it dies. What it works on is the program's own.
 */
export class ReportWriter {
  readonly #slot = new Slots(1)
  #worker: Worker | null = null

  /** Rejects with REPORT_INCOMPLETE, INTERNAL where the thread died, and the signal's reason. */
  write(job: ReportJob, signal: AbortSignal): Promise<Uint8Array> {
    return this.#slot.during(signal, () => this.#perform(this.#worker ?? this.#start(), job, signal))
  }

  /** Ends the thread; what it was doing rejects. */
  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = spawnThread()
    // A thread that dies while it is idle must not take the daemon with it.
    worker.on('error', () => undefined)
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = null
    })
    return (this.#worker = worker)
  }

  #perform(worker: Worker, job: ReportJob, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let died: Error | null = null
      const settle = (): void => {
        worker.off('message', onMessage)
        worker.off('error', onError)
        worker.off('exit', onExit)
        signal.removeEventListener('abort', onAbort)
        worker.unref()
      }
      const onMessage = (message: Written): void => {
        settle()
        if (message.kind === 'done') resolve(message.bytes)
        else reject(revived(message.error))
      }
      const onError = (error: Error): void => void (died = error)
      const onExit = (): void => {
        settle()
        if (signal.aborted) reject(signal.reason as Error)
        else reject(new SentinodeError('INTERNAL', 'the thread that wrote a report died', { cause: died }))
      }
      const onAbort = (): void => void worker.terminate()
      worker.ref()
      worker.on('message', onMessage)
      worker.on('error', onError)
      worker.on('exit', onExit)
      signal.addEventListener('abort', onAbort)
      worker.postMessage(job)
      if (signal.aborted) onAbort()
    })
  }
}

function revived(error: Extract<Written, { kind: 'failed' }>['error']): Error {
  return error instanceof Error ? error : new SentinodeError(error.code, error.message)
}
