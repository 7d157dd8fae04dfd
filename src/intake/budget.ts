/**
 * The bytes that exams may hold together: files as they were sent, and the pixels that they become. Exams
 * take what they need step by step, so the budget also decides who gives way when all of it is taken and
 * nobody can go on. JavaScript's thread only.
 */

import { SentinodeError } from '../errors.js'

/**
 * uploading: needs its client to go on. waiting: complete, for a turn or for room. working: will release
 * what it holds without needing more.
 */
export type ClaimState = 'uploading' | 'waiting' | 'working'

export interface ClaimOptions {
  /** Bytes to begin with. */
  readonly bytes: number
  /**
   * Whether `bytes` are all that the upload will need: it then does not have to give way while it is uploaded. Where
   * others need room that it has kept for long, what has not come of it is taken back, and it grows as others do.
   */
  readonly announced: boolean
  /** Whether an upload that needs more waits while others will give some back; otherwise it gives way. */
  readonly patient: boolean
  /** Called at most once, when the exam has to give way; it must then release its claim soon. */
  readonly onEvict: (error: SentinodeError) => void
}

/** What one exam holds of the budget. */
export interface Claim {
  readonly bytes: number
  state: ClaimState
  /** So much of it is in use; the rest is kept for what was announced. */
  fill(bytes: number): void
  /**
   * Takes more, now or when there is room. Rejects with EXAM_STORE_FULL where this exam is the one to give
   * way, EXAM_TOO_LARGE where it could never fit, or the signal's reason.
   */
  grow(bytes: number, signal: AbortSignal): Promise<void>
  /** Gives back what exceeds `bytes`. */
  shrinkTo(bytes: number): void
  /** Gives everything back. Idempotent. */
  release(): void
}

interface Waiter {
  /** Null for an exam that has not begun. */
  readonly holder: Holder | null
  readonly bytes: number
  readonly grant: () => void
  readonly refuse: (error: Error) => void
}

interface Holder {
  readonly order: number
  readonly options: ClaimOptions
  /** Monotonic milliseconds of its beginning. */
  readonly begun: number
  /** Whether all that it announced is kept for it. */
  promised: boolean
  bytes: number
  filled: number
  state: ClaimState
  evicted: boolean
}

/** So long is room kept for an announced upload that has not come, where others need it. */
const PROMISE_MS = 5000

export class ExamBudget {
  /** In the order in which they began. */
  readonly #holders = new Set<Holder>()
  #waiters: Waiter[] = []
  #used = 0
  #order = 0

  #timer: NodeJS.Timeout | null = null

  /** @param now monotonic milliseconds */
  constructor(
    readonly capacity: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get used(): number {
    return this.#used
  }

  /** Exams that hold a claim. */
  get exams(): number {
    return this.#holders.size
  }

  /** @throws SentinodeError EXAM_STORE_FULL, EXAM_TOO_LARGE */
  open(options: ClaimOptions): Claim {
    this.#requirePossible(options.bytes)
    if (!this.#fits(options.bytes)) this.#withdrawPromises()
    if (this.#waiters.length > 0 || !this.#fits(options.bytes)) throw full()
    return this.#claim(options)
  }

  /** As `open`, waiting for room behind those who wait already. Rejects with the signal's reason. */
  async openWhenRoom(options: ClaimOptions, signal: AbortSignal): Promise<Claim> {
    this.#requirePossible(options.bytes)
    if (this.#waiters.length === 0 && this.#fits(options.bytes)) return this.#claim(options)
    // Taken at the grant: nobody may come between.
    return this.#wait(null, options.bytes, signal, () => this.#claim(options))
  }

  #claim(options: ClaimOptions): Claim {
    const holder: Holder = {
      order: this.#order++,
      options,
      begun: this.now(),
      promised: options.announced,
      bytes: options.bytes,
      filled: 0,
      state: 'uploading',
      evicted: false,
    }
    this.#holders.add(holder)
    this.#used += holder.bytes
    const settle = (): void => this.#settle()
    const give = (bytes: number): void => {
      if (bytes <= 0 || !this.#holders.has(holder)) return
      holder.bytes -= bytes
      this.#used -= bytes
      settle()
    }
    return {
      get bytes() {
        return holder.bytes
      },
      get state() {
        return holder.state
      },
      set state(state) {
        holder.state = state
        settle()
      },
      fill: (bytes) => (holder.filled = bytes),
      grow: (bytes, signal) => this.#grow(holder, bytes, signal),
      shrinkTo: (bytes) => give(holder.bytes - bytes),
      release: () => {
        give(holder.bytes)
        this.#holders.delete(holder)
        settle()
      },
    }
  }

  async #grow(holder: Holder, bytes: number, signal: AbortSignal): Promise<void> {
    if (!this.#holders.has(holder)) throw full()
    this.#requirePossible(holder.bytes + bytes)
    const before = holder.state
    const take = (): void => {
      holder.bytes += bytes
      this.#used += bytes
      holder.state = before
    }
    const ahead = this.#waiters.some((waiter) => waiter.holder !== null && waiter.holder.order < holder.order)
    if (!ahead && this.#fits(bytes)) {
      take()
      return
    }
    if (before === 'working') holder.state = 'waiting'
    await this.#wait(holder, bytes, signal, take)
  }

  /** Exams that have begun wait before those that have not, the older first. */
  #wait<T>(holder: Holder | null, bytes: number, signal: AbortSignal, take: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener('abort', onAbort)
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
      }
      const refuse = (error: Error): void => {
        leave()
        reject(error)
      }
      const onAbort = (): void => {
        refuse(signal.reason as Error)
        this.#settle()
      }
      const grant = (): void => {
        leave()
        resolve(take())
      }
      const waiter: Waiter = { holder, bytes, grant, refuse }
      const rank = (of: Holder | null): number => of?.order ?? Infinity
      const place = this.#waiters.findIndex((other) => rank(other.holder) > rank(holder))
      this.#waiters.splice(place < 0 ? this.#waiters.length : place, 0, waiter)
      signal.addEventListener('abort', onAbort)
      if (signal.aborted) onAbort()
      else this.#settle()
    })
  }

  /** Serves who waits, the first one first; where nothing would ever be given back, somebody gives way. */
  #settle(): void {
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      if (!this.#fits(first.bytes)) this.#withdrawPromises()
      if (this.#fits(first.bytes)) first.grant()
      else if (first.holder === null || !this.#makeWay(first.holder, first)) return
    }
  }

  /**
   * Takes back what is kept for uploads that do not come: an announcement alone keeps nobody out. Looks again while
   * somebody waits and there are promises that are too young for it.
   */
  #withdrawPromises(): void {
    let young = false
    for (const holder of this.#holders) {
      if (!holder.promised || holder.state !== 'uploading') continue
      if (this.now() - holder.begun < PROMISE_MS) young = true
      else {
        holder.promised = false
        this.#used -= Math.max(0, holder.bytes - holder.filled)
        holder.bytes = Math.min(holder.bytes, holder.filled)
      }
    }
    if (!young || this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#settle()
    }, PROMISE_MS).unref()
  }

  /** Nobody's room is taken while somebody is at work, who will give some back. @returns whether to look again */
  #makeWay(holder: Holder, waiter: Waiter): boolean {
    const leaving = this.#sum(({ evicted }) => evicted)
    if (this.#used - leaving + waiter.bytes <= this.capacity) return false
    const uploading = holder.state === 'uploading'
    const others = [...this.#holders].filter((other) => !other.evicted && other !== holder)
    const younger = others.filter(({ order }) => order > holder.order)
    const patient = !uploading || holder.options.patient
    if (patient && others.some(({ state }) => state === 'working')) return false
    // An older upload is finished at the expense of younger ones, so that one of them always is.
    const upload = younger.filter((o) => o.state === 'uploading' && !o.promised).at(-1)
    if (upload !== undefined) this.#evict(upload)
    else if (uploading) waiter.refuse(full())
    else if (others.some(({ state }) => state === 'uploading')) return false
    else {
      // Every exam is complete and waits for room that only another could give.
      const last = younger.at(-1)
      if (last === undefined) waiter.refuse(full())
      else this.#evict(last)
    }
    return true
  }

  #evict(holder: Holder): void {
    holder.evicted = true
    const own = this.#waiters.find((waiter) => waiter.holder === holder)
    own?.refuse(full())
    holder.options.onEvict(full())
  }

  #fits(bytes: number): boolean {
    return this.#used + bytes <= this.capacity
  }

  #sum(which: (holder: Holder) => boolean): number {
    let sum = 0
    for (const holder of this.#holders) if (which(holder)) sum += holder.bytes
    return sum
  }

  #requirePossible(bytes: number): void {
    if (bytes <= this.capacity) return
    throw new SentinodeError(
      'EXAM_TOO_LARGE',
      `expected an exam that holds at most ${this.capacity} bytes, its files and its pixels together; found one that needs ${bytes}`,
    )
  }
}

function full(): SentinodeError {
  return new SentinodeError('EXAM_STORE_FULL', 'the memory for exams is full; retry later')
}
