/**
 * Finds runs that hang. A thread in a library cannot be interrupted, and nobody else would notice: callers wait,
 * and a drain does. What a hang is, is decided here, with the clock; what follows from it, in the scheduler.
 */
import { SentinodeError } from '../errors.js'
import { Alarm } from './alarm.js'
import type { Expectation } from './estimates.js'
import type { BatchResult, Clock, HungRun, RunningBatch, RunStage } from './types.js'

/** How many times as long as such runs took. A machine that swaps or is shared is slow, and nothing hangs. */
const FACTOR = 50
const LEAST_MS = 60_000
/** Where nothing was measured yet: a first run may prepare much that later ones have. */
const UNMEASURED_MS = 600_000
/** Of runs before a model is ready, in which a provider may build what it runs. */
export const WARMUP_MS = 1_800_000
const LOOK_MS = 1000

/**
 * Milliseconds from a run's begin after which it hangs.
 *
 * @param fixed where the operator has set them
 * @param expected how long such runs took, null where none was seen
 */
export function runBound(fixed: number | null, expected: Expectation | null): number {
  if (fixed !== null) return fixed
  return expected ? Math.max(LEAST_MS, FACTOR * (expected.gather + expected.run)) : UNMEASURED_MS
}

export function hung(milliseconds: number, stage: RunStage): SentinodeError {
  const seconds = Math.round(milliseconds / 1000)
  return new SentinodeError(
    'RUN_TIMEOUT',
    `the run did not end within ${seconds} s (stage: ${stage}); its copy of the model is out of service`,
  )
}

export interface WatchOptions<F> {
  readonly clock: Clock
  /** What runs now. What waits behind a run is not watched. */
  readonly running: () => Iterable<F>
  readonly boundOf: (run: F) => number
  /** Told at each look for as long as the run is among those that run. */
  readonly onHung: (run: F, milliseconds: number) => void
}

/**
 * Looks once a second at what runs. Time counts as it is seen to pass, two looks at most at a time: a process
 * that was stopped (SIGSTOP, a suspended machine), or whose event loop was busy, has not seen its runs end, and
 * they do not hang for it.
 */
export class Watchdog<F extends object> {
  readonly #options: WatchOptions<F>
  readonly #alarm: Alarm
  #seen = new Map<F, number>()
  #looked = 0
  #awake = false

  constructor(options: WatchOptions<F>) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => this.#look())
  }

  /** Something runs. */
  wake(): void {
    if (this.#awake) return
    this.#awake = true
    this.#looked = this.#options.clock.now()
    this.#alarm.set(this.#looked + LOOK_MS, 'coarse')
  }

  /** Nothing runs any more. */
  rest(): void {
    this.#awake = false
    this.#seen.clear()
    this.#alarm.off()
  }

  #look(): void {
    const now = this.#options.clock.now()
    const passed = Math.min(now - this.#looked, 2 * LOOK_MS)
    this.#looked = now
    const seen = new Map<F, number>()
    for (const run of this.#options.running()) {
      const before = this.#seen.get(run)
      seen.set(run, before === undefined ? 0 : before + passed)
    }
    this.#seen = seen
    this.#alarm.set(now + LOOK_MS, 'coarse')
    for (const [run, milliseconds] of [...seen])
      if (milliseconds > this.#options.boundOf(run)) this.#options.onHung(run, milliseconds)
  }
}

export interface SingleWatch {
  readonly clock: Clock
  /** Milliseconds that the run may take. */
  readonly bound: number
  readonly onHung: (run: HungRun) => void
}

/** Waits for a run of one request that no scheduler watches. Rejects with RUN_TIMEOUT where it hangs. */
export function watched<R>(
  run: RunningBatch<R>,
  who: { readonly instance: string; readonly rows: number },
  { clock, bound, onHung }: SingleWatch,
): Promise<BatchResult<R>> {
  return new Promise((resolve, reject) => {
    const watchdog = new Watchdog({
      clock,
      running: () => [run],
      boundOf: () => bound,
      onHung: (_, milliseconds) => {
        watchdog.rest()
        const stage = run.stage?.() ?? 'run'
        onHung({ ...who, stage, requests: 1, milliseconds, instancesLeft: 0 })
        reject(hung(milliseconds, stage))
      },
    })
    watchdog.wake()
    run.done.finally(() => watchdog.rest()).then(resolve, reject)
  })
}
