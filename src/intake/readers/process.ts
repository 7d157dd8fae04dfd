import type { ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import { apart, mapAndClose } from '../../apart/index.js'
import { SentinodeError } from '../../errors.js'
import { Board } from './board.js'
import {
  SAMPLE_TYPES,
  TOO_MUCH_MEMORY,
  type FromReader,
  type ReadExam,
  type ReadJob,
  type ReadParts,
  type ToReader,
} from './messages.js'
import { spawnReader } from './spawn.js'
import { tooCostly, watch } from './watch.js'

/** A reader in the middle of something that does not stop is killed. */
const STOP_MS = 2_000
/** A busy machine may take its time; what takes longer is not coming. */
const START_MS = 60_000
/** A killed process that still is not gone waits for a file server; nobody waits for it. */
const GONE_MS = 5_000
/** What decoders of large frames have taken is not given back: a reader that holds more is replaced. */
const MOST_RESIDENT = 384 * 2 ** 20

export interface JobHooks {
  /** Gives the job up; its reader has let go of it when the promise has settled. */
  readonly signal: AbortSignal
  /** Asked for bytes before a volume is allocated; a rejection is the job's. */
  readonly reserve: (bytes: number) => Promise<void>
}

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Why a reader was ended, or ended itself; a label of metrics. */
export type Ending = 'died' | 'stalled' | 'costly' | 'memory' | 'abandoned' | 'large'

/** `again`: the reader ended for reasons that need not be the exam's. */
export type Outcome = { readonly exam: ReadExam } | { readonly error: Error; readonly again: boolean }

/** A process that reads one exam at a time. */
export class Reader {
  /** Whether the kernel filters its system calls. */
  filtered = false
  readonly #child: ChildProcess
  readonly #socket: number
  readonly #board: Board
  /** Resolves to how it ended. Never rejects. */
  readonly ended: Promise<Ended>
  #alive = true
  #ending: Ending | null = null

  private constructor() {
    const { child, socket } = spawnReader()
    this.#child = child
    this.#socket = socket
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }))
      // Where it was never started; other errors are followed by its end.
      child.on('error', () => child.pid === undefined && resolve({ code: null, signal: null }))
    })
    void this.ended.then(() => {
      this.#alive = false
      closeSync(socket)
    })
    const page = apart().createMemory(Board.BYTES)
    apart().send(socket, page)
    this.#board = new Board(mapAndClose(page, Board.BYTES))
  }

  /** Rejects with INTERNAL where the process does not come up. */
  static async start(): Promise<Reader> {
    const reader = new Reader()
    const child = reader.#child
    const timer = setTimeout(() => reader.kill('died'), START_MS)
    const ready = new Promise<FromReader>((resolve) => child.once('message', resolve))
    const first = await Promise.race([ready, reader.ended.then(() => null)])
    clearTimeout(timer)
    if (first?.kind !== 'ready') {
      reader.kill('died')
      throw new SentinodeError('INTERNAL', 'a process that reads exams did not start')
    }
    reader.filtered = first.filtered
    reader.#rest()
    return reader
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get alive(): boolean {
    return this.#alive && this.#ending === null
  }

  /** Why it ended, null while it lives. */
  get ending(): Ending | null {
    return this.#ending ?? (this.#alive ? null : 'died')
  }

  kill(why: Ending): void {
    this.#ending ??= why
    // Whoever ends it waits for that.
    this.#child.ref()
    this.#child.kill('SIGKILL')
  }

  /** The daemon's end waits for no reader that has nothing to do. */
  #rest(): void {
    this.#child.unref()
    this.#child.channel?.unref()
  }

  #send(message: ToReader): void {
    // Where it does not arrive the process has ended, which `ended` tells.
    this.#child.send(message, () => undefined)
  }

  /** Where it does not arrive the process has ended, or listens no more: it is ended, and `ended` tells. */
  #pass(descriptor: number): void {
    try {
      apart().send(this.#socket, descriptor)
    } catch {
      this.kill('died')
    }
  }

  /** Resolves once the reader has let go of everything that the job gave it. */
  async run(job: ReadJob, hooks: JobHooks): Promise<Outcome> {
    this.#child.ref()
    this.#child.channel?.ref()
    this.#board.clear()
    const work = new Work()
    try {
      if (job.exam.kind === 'upload' && job.exam.files.length > 0) this.#pass(job.exam.fd)
      return await this.#perform(job, hooks, work)
    } finally {
      work.close()
      this.#rest()
    }
  }

  #perform(job: ReadJob, { signal, reserve }: JobHooks, work: Work): Promise<Outcome> {
    return new Promise((resolve) => {
      let failure: Error | null = null
      let waiting = false
      let settled = false
      const timers: NodeJS.Timeout[] = []
      const settle = (outcome: Outcome): void => {
        settled = true
        unwatch()
        timers.forEach(clearTimeout)
        this.#child.off('message', onMessage)
        signal.removeEventListener('abort', onAbort)
        resolve(outcome)
      }
      const end = (why: Ending): void => {
        this.kill(why)
        timers.push(setTimeout(() => settle(this.#outcomeOfDeath(failure, null)), GONE_MS))
      }
      const giveUp = (error: Error): void => {
        if (failure !== null) return
        failure = error
        this.#board.stop()
        this.#send({ kind: 'room', granted: false })
        timers.push(setTimeout(() => end('abandoned'), STOP_MS))
      }
      const onAbort = (): void => giveUp(signal.reason as Error)
      const grant = async (bytes: number): Promise<void> => {
        waiting = true
        await reserve(bytes)
        if (failure !== null || settled) return
        this.#pass(work.addMemory(bytes))
        waiting = false
        this.#send({ kind: 'room', granted: true })
      }
      const onMessage = (message: FromReader): void => {
        if (message.kind === 'reserve') grant(message.bytes).catch(giveUp)
        else if (message.kind !== 'ready') {
          if (message.residentBytes > MOST_RESIDENT) this.kill('large')
          settle(outcomeOf(message, failure, work))
        }
      }
      const unwatch = watch(
        {
          pid: this.#child.pid ?? 0,
          board: this.#board,
          reserved: () => work.bytes,
          waiting: () => waiting,
        },
        (why) => {
          if (why === 'costly') failure ??= tooCostly()
          end(why)
        },
      )
      this.#child.on('message', onMessage)
      signal.addEventListener('abort', onAbort)
      void this.ended.then((how) => settle(this.#outcomeOfDeath(failure, how)))
      this.#send({ kind: 'begin', job })
      if (signal.aborted) onAbort()
    })
  }

  #outcomeOfDeath(failure: Error | null, how: Ended | null): Outcome {
    if (failure !== null) return { error: failure, again: false }
    if (how !== null && isOutOfMemory(how)) {
      this.#ending ??= 'memory'
      return { error: new SentinodeError('EXAM_TOO_LARGE', TOO_MUCH_MEMORY), again: false }
    }
    const message = 'the process that read the exam ended before it had read it; others were tried'
    return { error: new SentinodeError('EXAM_READER_DIED', message), again: true }
  }
}

/** V8 aborts, or traps, where it gets no more memory; Node then exits as a shell would say that it was aborted. */
function isOutOfMemory({ code, signal }: Ended): boolean {
  return code === 134 || signal === 'SIGABRT' || signal === 'SIGTRAP' || signal === 'SIGILL'
}

/** Shared memory that one job was given. */
class Work {
  readonly #memories: { readonly descriptor: number; readonly bytes: number }[] = []

  get bytes(): number {
    return this.#memories.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** @returns its descriptor @throws SentinodeError EXAM_STORE_FULL */
  addMemory(bytes: number): number {
    try {
      const descriptor = apart().createMemory(bytes)
      this.#memories.push({ descriptor, bytes })
      return descriptor
    } catch (cause) {
      throw new SentinodeError('EXAM_STORE_FULL', 'this machine has no memory for the exam; retry later', {
        cause,
      })
    }
  }

  /** The samples of what was read, where the reader has put them, and what gives their memory back. */
  take({
    type,
    length,
  }: ReadParts['samples']): Pick<ReadExam, 'release'> & { samples: ReadExam['volume']['samples'] } {
    const memory = length === 0 ? undefined : this.#memories.at(-1)
    const buffer = memory === undefined ? new ArrayBuffer(0) : apart().map(memory.descriptor, memory.bytes)
    return { samples: new SAMPLE_TYPES[type](buffer, 0, length), release: () => apart().unmap(buffer) }
  }

  close(): void {
    for (const { descriptor } of this.#memories.splice(0)) closeSync(descriptor)
  }
}

function outcomeOf(
  message: Extract<FromReader, { kind: 'done' | 'failed' }>,
  failure: Error | null,
  work: Work,
): Outcome {
  if (failure !== null) return { error: failure, again: false }
  if (message.kind === 'failed') {
    const { error } = message
    return {
      error: error instanceof Error ? error : new SentinodeError(error.code, error.message),
      again: false,
    }
  }
  const { volume, samples, mask, origin } = message.read
  try {
    const taken = work.take(samples)
    return {
      exam: { volume: { ...volume, samples: taken.samples }, mask, origin, release: taken.release },
    }
  } catch (cause) {
    return {
      error: new SentinodeError('INTERNAL', 'what a reader has read cannot be taken over', { cause }),
      again: false,
    }
  }
}
