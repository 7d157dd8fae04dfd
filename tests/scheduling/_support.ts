import type {
  BatchEntry,
  BatchResult,
  BatchRunner,
  Clock,
  Outcome,
  RunningBatch,
  SubmitOptions,
  TimerPrecision,
} from '../../src/scheduling/types.js'

interface FakeTimer {
  readonly at: number
  readonly order: number
  readonly callback: () => void
}

/** A clock that moves only when told. Timers that are due ring in order, the coarse ones late. */
export class FakeClock implements Clock {
  readonly #lateness: number
  #now = 1000
  #order = 0
  #timers: FakeTimer[] = []
  #deferred: (() => void)[] = []

  constructor(lateness = 0) {
    this.#lateness = lateness
  }

  now(): number {
    return this.#now
  }

  setTimer(atMs: number, callback: () => void, precision: TimerPrecision): () => void {
    const at = atMs + (precision === 'coarse' ? this.#lateness : 0)
    const timer = { at, callback, order: this.#order++ }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback)
  }

  get timers(): number {
    return this.#timers.length
  }

  /** Runs what was deferred and lets promises settle, until nothing is left to do at this time. */
  async settle(): Promise<void> {
    do {
      for (const callback of this.#deferred.splice(0)) callback()
      await new Promise((resolve) => setImmediate(resolve))
    } while (this.#deferred.length > 0)
  }

  /** @param between called after each step of time, once everything has settled */
  async advance(milliseconds: number, between: () => void = () => undefined): Promise<void> {
    const end = this.#now + milliseconds
    await this.settle()
    for (;;) {
      const [next] = this.#timers
        .filter(({ at }) => at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)
      if (!next) break
      this.#now = Math.max(this.#now, next.at)
      this.#timers = this.#timers.filter((other) => other !== next)
      next.callback()
      await this.settle()
      between()
    }
    this.#now = end
    await this.settle()
    between()
  }
}

export interface StartedBatch {
  readonly runner: string
  readonly startedAt: number
  readonly payloads: readonly number[]
  readonly rows: number
  readonly deadlines: readonly number[]
  readonly cancelled: Set<number>
  /** When and with which payloads it ran; null until then. */
  ran: { readonly at: number; readonly payloads: readonly number[] } | null
}

export interface FakeRunnerOptions {
  /** Milliseconds that a run takes. */
  readonly run: (rows: number) => number
  readonly gather?: number
  /** Payloads that fail by themselves. */
  readonly fails?: (payload: number) => boolean
  /** A whole batch that rejects. */
  readonly breaks?: (payloads: readonly number[]) => boolean
  /** A batch that the instance drops when it is to end, as one that is disposed of does. */
  readonly stops?: (payloads: readonly number[]) => boolean
}

interface Job {
  readonly batch: StartedBatch
  readonly entries: readonly BatchEntry<number>[]
  readonly resolve: (result: BatchResult<string>) => void
  readonly reject: (error: Error) => void
}

/** An instance as the native one behaves: gathers at once, runs one batch after the other. */
export class FakeRunner implements BatchRunner<number, string> {
  readonly name: string
  readonly started: StartedBatch[] = []
  /** The most batches that it ever held at a time. */
  mostHeld = 0
  held = 0
  readonly #clock: Clock
  readonly #options: FakeRunnerOptions
  /** Gathered or being gathered; the first one runs. */
  readonly #jobs: Job[] = []

  constructor(name: string, clock: Clock, options: FakeRunnerOptions) {
    this.name = name
    this.#clock = clock
    this.#options = options
  }

  start(entries: readonly BatchEntry<number>[]): RunningBatch<string> {
    const batch: StartedBatch = {
      runner: this.name,
      startedAt: this.#clock.now(),
      payloads: entries.map(({ payload }) => payload),
      rows: entries.reduce((sum, { rows }) => sum + rows, 0),
      deadlines: entries.map(({ deadline }) => deadline),
      cancelled: new Set(),
      ran: null,
    }
    this.started.push(batch)
    this.held += 1
    this.mostHeld = Math.max(this.mostHeld, this.held)
    const done = new Promise<BatchResult<string>>((resolve, reject) => {
      this.#jobs.push({ batch, entries, resolve, reject })
      if (this.#jobs.length === 1) this.#runNext()
    })
    return { done, cancel: (index) => void batch.cancelled.add(index) }
  }

  #runNext(): void {
    const [job] = this.#jobs
    if (!job) return
    const gathered = job.batch.startedAt + (this.#options.gather ?? 0)
    this.#clock.setTimer(Math.max(gathered, this.#clock.now()), () => this.#run(job), 'fine')
  }

  #run({ batch, entries, resolve, reject }: Job): void {
    const runStart = this.#clock.now()
    const outcomes = entries.map(({ deadline, payload }, index): Outcome<string> => {
      if (batch.cancelled.has(index)) return { kind: 'cancelled' }
      if (deadline <= runStart) return { kind: 'expired' }
      if (this.#options.fails?.(payload)) return { kind: 'failed', error: new Error(`failed ${payload}`) }
      return { kind: 'ok', result: `result ${payload}` }
    })
    const live = entries.filter((_, index) => !['cancelled', 'expired'].includes(outcomes[index]?.kind ?? ''))
    batch.ran = { at: runStart, payloads: live.map(({ payload }) => payload) }
    const rows = live.reduce((sum, entry) => sum + entry.rows, 0)
    const runEnd = rows > 0 ? runStart + this.#options.run(batch.rows) : runStart
    const gatherStart = batch.startedAt
    const gatherEnd = gatherStart + (this.#options.gather ?? 0)
    const timings = { gatherStart, gatherEnd, runStart, runEnd, scatterEnd: runEnd }
    this.#clock.setTimer(
      runEnd,
      () => {
        this.held -= 1
        this.#jobs.shift()
        this.#runNext()
        const { stops, breaks } = this.#options
        if (stops?.(batch.payloads)) resolve({ outcomes: dropped(outcomes), rows, timings })
        else if (breaks?.(batch.payloads)) reject(new Error('the batch broke'))
        else resolve({ outcomes, rows, timings })
      },
      'fine',
    )
  }
}

function dropped(outcomes: readonly Outcome<string>[]): Outcome<string>[] {
  return outcomes.map((outcome) => (outcome.kind === 'expired' ? outcome : { kind: 'cancelled' }))
}

export function request(
  payload: number,
  options: Partial<SubmitOptions<number>> = {},
): SubmitOptions<number> {
  return {
    id: `r${payload}`,
    payload,
    rows: 1,
    bytes: 10,
    bucket: 'a',
    priority: 0,
    timeoutMicroseconds: null,
    deadline: Infinity,
    signal: null,
    ...options,
  }
}
