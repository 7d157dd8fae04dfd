/** Something that is looked at now and then while it is under way. */
export interface Watched {
  /** `ms`: since the last look, without the time for which this process was held up itself. */
  look(ms: number): void
}

/**
 * One timer for everything that has to be looked at a few times a second: a timer for each call would cost more
 * than the look. A process that was held up finds its timer due before it has read what arrived meanwhile, so the
 * event loop reads first, and a long gap counts as a short one: peers are not blamed for it. It keeps no process
 * alive.
 */
export class Rounds {
  readonly #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | null = null
  #last = 0

  constructor(private readonly everyMs: number) {}

  add(watched: Watched): void {
    this.#watched.add(watched)
    if (this.#timer !== null) return
    this.#last = performance.now()
    this.#timer = setInterval(() => setImmediate(() => this.#look()).unref(), this.everyMs).unref()
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched)
  }

  #look(): void {
    const now = performance.now()
    const ms = Math.min(now - this.#last, 2 * this.everyMs)
    this.#last = now
    for (const watched of this.#watched) watched.look(ms)
    if (this.#watched.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}
