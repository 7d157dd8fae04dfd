import { Slots } from '../slots.js'
import type { ReadExam, ReadJob } from './messages.js'
import { Reader, type Ending, type JobHooks } from './process.js'

/** Readers that one exam may use up: who kills readers at random hits an honest exam twice only rarely. */
const ATTEMPTS = 3

export interface ReaderEvents {
  /** A reader has ended, and is replaced when the next one is needed. */
  readonly onEnd?: (why: Ending) => void
  /** Told once, where the kernel filters no system calls. */
  readonly onUnfiltered?: () => void
}

/**
 * Reads exams in processes of their own, with bounds on their memory and time and without a network: whatever an
 * exam does to the code that takes it to pieces, the daemon has other callers to answer. Readers are started when
 * first needed, kept, and replaced when they end.
 */
export class ExamReaders {
  readonly #slots: Slots
  readonly #idle: Reader[] = []
  readonly #all = new Set<Reader>()
  #closed = false
  #warned = false

  constructor(
    readers: number,
    private readonly events: ReaderEvents = {},
  ) {
    this.#slots = new Slots(readers)
  }

  /**
   * The exam's memory is the caller's, to be released.
   * Rejects as `readExam` and `readMask` do, with EXAM_TOO_LARGE, EXAM_TOO_COSTLY, EXAM_READER_DIED,
   * REPORT_INCOMPLETE, the hooks' errors and the signal's reason.
   */
  read(job: ReadJob, { signal, reserve }: JobHooks): Promise<ReadExam> {
    return this.#slots.during(signal, async () => {
      let held = 0
      for (let attempt = 1; ; attempt++) {
        let asked = 0
        const reader = await this.#take()
        const outcome = await reader.run(job, {
          signal,
          // What a reader that died was granted is the exam's still.
          reserve: async (bytes) => {
            asked += bytes
            if (asked > held) await reserve(asked - held)
            held = Math.max(held, asked)
          },
        })
        if (reader.alive) this.#idle.push(reader)
        if ('exam' in outcome) return outcome.exam
        if (!outcome.again || attempt === ATTEMPTS || this.#closed) throw outcome.error
      }
    })
  }

  /** Processes that live now. */
  get pids(): number[] {
    return [...this.#all].flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
  }

  /** Ends the readers; what they were doing rejects. */
  async close(): Promise<void> {
    this.#closed = true
    const readers = [...this.#all]
    for (const reader of readers) reader.kill('abandoned')
    await Promise.all(readers.map(({ ended }) => ended))
  }

  async #take(): Promise<Reader> {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.alive) return idle
    }
    const reader = await Reader.start()
    this.#all.add(reader)
    void reader.ended.then(() => {
      this.#all.delete(reader)
      const at = this.#idle.indexOf(reader)
      if (at >= 0) this.#idle.splice(at, 1)
      if (!this.#closed) this.events.onEnd?.(reader.ending ?? 'died')
    })
    if (!reader.filtered && !this.#warned) {
      this.#warned = true
      this.events.onUnfiltered?.()
    }
    return reader
  }
}
