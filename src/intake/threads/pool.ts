import type { Worker } from 'node:worker_threads'
import { SentinodeError } from '../../errors.js'
import { Slots } from '../slots.js'
import type { FromThread, Job, ReadExam, ReadJob, ReportJob, ResultOf, ToThread } from './messages.js'
import { spawnThread } from './spawn.js'

/** A thread in the middle of something that does not stop (one frame is never that long) is ended by force. */
const STOP_MS = 5_000

export interface JobHooks {
  /** Gives the job up; its thread is free again when the promise has settled. */
  readonly signal: AbortSignal
  /** Asked for bytes before a volume is allocated; a rejection is the job's. */
  readonly reserve: (bytes: number) => Promise<void>
}

/** Threads that do one job each at a time; started when first needed, kept, replaced when they die. */
class ThreadPool {
  readonly #slots: Slots
  readonly #idle: Worker[] = []
  readonly #all = new Set<Worker>()

  constructor(threads: number) {
    this.#slots = new Slots(threads)
  }

  async run<J extends Job>(job: J, hooks: JobHooks): Promise<ResultOf<J>> {
    const leave = await this.#slots.take(hooks.signal)
    try {
      const worker = this.#idle.pop() ?? this.#start()
      worker.ref()
      const { result, usable } = await perform(worker, job, hooks)
      worker.unref()
      if (usable) this.#idle.push(worker)
      return await result
    } finally {
      leave()
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((worker) => worker.terminate()))
  }

  #start(): Worker {
    const worker = spawnThread()
    this.#all.add(worker)
    // A thread that dies while it is idle must not take the daemon with it.
    worker.on('error', () => undefined)
    worker.once('exit', () => {
      this.#all.delete(worker)
      const at = this.#idle.indexOf(worker)
      if (at >= 0) this.#idle.splice(at, 1)
    })
    return worker
  }
}

interface Performed<T> {
  readonly result: Promise<T>
  /** Whether the thread lives and is free. */
  readonly usable: boolean
}

/** Resolves once the thread has let go of everything the job gave it. */
function perform<J extends Job>(worker: Worker, job: J, hooks: JobHooks): Promise<Performed<ResultOf<J>>> {
  const { signal } = hooks
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const send = (message: ToThread): void => worker.postMessage(message)
  return new Promise((resolve) => {
    let failure: Error | null = null
    let force: NodeJS.Timeout | null = null
    const settle = (result: Promise<ResultOf<J>>, usable: boolean): void => {
      worker.off('message', onMessage)
      worker.off('error', onError)
      worker.off('exit', onExit)
      signal.removeEventListener('abort', onAbort)
      if (force !== null) clearTimeout(force)
      result.catch(() => undefined)
      resolve({ result, usable })
    }
    const giveUp = (error: Error): void => {
      failure ??= error
      Atomics.store(stop, 0, 1)
      send({ kind: 'room', granted: false })
      force ??= setTimeout(() => void worker.terminate(), STOP_MS)
    }
    const onAbort = (): void => giveUp(signal.reason as Error)
    const onMessage = (message: FromThread): void => {
      if (message.kind === 'reserve') {
        hooks.reserve(message.bytes).then(
          () => send({ kind: 'room', granted: true }),
          (error: unknown) => giveUp(error as Error),
        )
      } else if (failure !== null) settle(Promise.reject(failure), true)
      else if (message.kind === 'done') settle(Promise.resolve(message.result as ResultOf<J>), true)
      else settle(Promise.reject(revived(message.error)), true)
    }
    let died: Error | null = null
    const onError = (error: Error): void => void (died = error)
    const onExit = (): void => {
      settle(Promise.reject(failure ?? causeOfDeath(died)), false)
    }
    worker.on('message', onMessage)
    worker.on('error', onError)
    worker.on('exit', onExit)
    signal.addEventListener('abort', onAbort)
    send({ kind: 'begin', job, stop })
    if (signal.aborted) onAbort()
  })
}

function causeOfDeath(died: Error | null): SentinodeError {
  if (died !== null && 'code' in died && died.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new SentinodeError(
      'EXAM_TOO_LARGE',
      'the headers of the exam need more memory than is given to one',
    )
  }
  return new SentinodeError('INTERNAL', 'a thread that read an exam died', { cause: died })
}

function revived(error: Extract<FromThread, { kind: 'failed' }>['error']): Error {
  return error instanceof Error ? error : new SentinodeError(error.code, error.message)
}

/**
 * Reads exams and writes reports off JavaScript's main thread: headers, codecs and pictures take seconds for
 * a large exam, in which the daemon has other callers to answer.
 */
export class ExamThreads {
  readonly #readers: ThreadPool
  /** Apart from the readers: reports give room back that reading waits for. */
  readonly #writer = new ThreadPool(1)

  constructor(readers: number) {
    this.#readers = new ThreadPool(readers)
  }

  /** The samples of the volume are the caller's; see `releaseMemory`. */
  read(job: ReadJob, hooks: JobHooks): Promise<ReadExam> {
    return this.#readers.run(job, hooks)
  }

  report(job: ReportJob, signal: AbortSignal): Promise<Uint8Array> {
    return this.#writer.run(job, { signal, reserve: () => Promise.resolve() })
  }

  /** Ends the threads; what they were doing rejects. */
  async close(): Promise<void> {
    await Promise.all([this.#readers.close(), this.#writer.close()])
  }
}
