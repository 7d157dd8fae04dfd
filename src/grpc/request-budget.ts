import type { Rounds } from './rounds.js'

/** Bytes that one address, or one connection of it, holds of the budget. */
export interface Share {
  bytes: number
}

/** A message that is to be received, as the budget sees it. */
export interface Transfer {
  /** What it takes once it is here. */
  readonly bytes: number
  /** What its sender may have sent before it is read: bounded by its flow control window. */
  readonly held: number
  /** Whether it may be charged as it arrives; a compressed message takes all of its room at once. */
  readonly growable: boolean
  /** Of its connection and its address; the budget counts in them. */
  readonly shares: readonly Share[]
  /** Monotonic milliseconds, Infinity for none. */
  readonly deadline: number
  /** It may be read, or read on; called only where it had to wait. */
  readonly onGrant: () => void
  /** It may not be read on for now. */
  readonly onHold: () => void
  /** It has to give way: it must be refused and released. */
  readonly onEvict: () => void
}

/** A call's share of the budget. */
export interface Reservation {
  /** Whether it may be read. */
  readonly granted: boolean
  /** Bytes of the message that arrived since the last time. */
  arrived(bytes: number): void
  /** The message is here. */
  complete(): void
  /** Gives everything back; idempotent. */
  release(): void
}

/**
 * waiting: unread. promised: all of it is charged ahead. growing: charged as it arrives. complete: all is here.
 */
type State = 'waiting' | 'promised' | 'growing' | 'complete' | 'released'

interface Entry {
  readonly transfer: Transfer
  state: State
  charged: number
  arrived: number
  /** Milliseconds for which others have waited while it was promised room. */
  envied: number
  held: boolean
}

/** What a growing message is charged ahead of its bytes. */
const STEP = 256 * 1024
/** So long may room be kept for bytes that have not come while others wait for room. */
const PROMISE_MS = 1000
/** Shares that are as large as each other to a factor of two count as equal. */
const SHARE_UNIT = 64 * 1024

/**
 * Bytes of messages that may be in memory at once. A message that is announced is promised all of its room, so that
 * what was begun can be finished; but promises are bounded together, and where others wait a promise lasts for a
 * second, after which the message is charged as it arrives. So an announcement alone keeps nobody out. Messages
 * that grow slowly may together hold half of the capacity: beyond it the one with the most to come gives way.
 *
 * Who does not fit waits, unread. Every second grant goes to the oldest that waits, so that none waits for ever; the
 * others to whose connection and address hold least, then to the earliest deadline. The waiting room is bounded by
 * the bytes that waiting streams may have sent. JavaScript's thread only.
 */
export class RequestBudget {
  readonly #waiters = new Set<Entry>()
  readonly #promises = new Set<Entry>()
  readonly #growing = new Set<Entry>()
  #used = 0
  #waiting = 0
  #promisedBytes = 0
  #growingBytes = 0
  #oldestNext = false

  /** @param rounds looks at promises while somebody waits */
  constructor(
    readonly capacity: number,
    readonly waitingCapacity: number,
    private readonly rounds: Rounds,
  ) {}

  get used(): number {
    return this.#used
  }

  /** Bytes that waiting streams may hold. */
  get waiting(): number {
    return this.#waiting
  }

  /** Takes bytes that are in memory already, whether they fit or not. Returns how to give them back, once. */
  charge(bytes: number): () => void {
    this.#used += bytes
    let released = false
    return () => {
      if (released) return
      released = true
      this.#used -= bytes
      this.#grant()
    }
  }

  /** Reserves room for a message, now or later. Null when the waiting room is full: shed the call. */
  reserve(transfer: Transfer): Reservation | null {
    const entry: Entry = { transfer, state: 'waiting', charged: 0, arrived: 0, envied: 0, held: false }
    if (this.#waiters.size === 0 && this.#fits(entry)) this.#promise(entry)
    else {
      if (this.#waiting + transfer.held > this.waitingCapacity) return null
      if (this.#waiters.size === 0) this.rounds.add(this)
      this.#waiters.add(entry)
      this.#waiting += transfer.held
    }
    return {
      get granted() {
        return entry.state !== 'waiting' && !entry.held
      },
      arrived: (bytes) => {
        entry.arrived += bytes
        if (entry.state === 'growing') this.#grow(entry)
      },
      complete: () => this.#complete(entry),
      release: () => this.#release(entry),
    }
  }

  /** Of the rounds. */
  look(ms: number): void {
    if (this.#waiters.size === 0) {
      this.rounds.remove(this)
      return
    }
    for (const entry of this.#promises) if ((entry.envied += ms) >= PROMISE_MS) this.#withdraw(entry)
    this.#grant()
  }

  #fits({ transfer: { bytes } }: Entry): boolean {
    if (this.#used + bytes > this.capacity) return false
    return this.#promisedBytes === 0 || this.#promisedBytes + bytes <= this.capacity / 4
  }

  #promise(entry: Entry): void {
    entry.state = 'promised'
    this.#promises.add(entry)
    this.#promisedBytes += entry.transfer.bytes
    this.#charge(entry, entry.transfer.bytes)
  }

  #charge(entry: Entry, bytes: number): void {
    entry.charged += bytes
    this.#used += bytes
    for (const share of entry.transfer.shares) share.bytes += bytes
  }

  /** Takes a promise back, but for what has arrived. */
  #withdraw(entry: Entry): void {
    this.#leavePromises(entry)
    if (!entry.transfer.growable) {
      entry.transfer.onEvict()
      return
    }
    entry.state = 'growing'
    this.#growing.add(entry)
    const kept = Math.min(entry.charged, entry.arrived + STEP)
    this.#charge(entry, kept - entry.charged)
    this.#growingBytes += kept
    this.#makeWay()
  }

  #leavePromises(entry: Entry): void {
    if (this.#promises.delete(entry)) this.#promisedBytes -= entry.transfer.bytes
  }

  #grow(entry: Entry): void {
    const more = Math.min(entry.transfer.bytes, entry.arrived + STEP) - entry.charged
    if (entry.arrived < entry.charged || more <= 0) return
    if (this.#used + more > this.capacity) {
      if (!entry.held) entry.transfer.onHold()
      entry.held = true
      return
    }
    this.#charge(entry, more)
    this.#growingBytes += more
    this.#makeWay()
  }

  /** Where messages that grow hold too much, the one of which most is still to come is given up. */
  #makeWay(): void {
    while (this.#growingBytes > this.capacity / 2 && this.#growing.size > 1) {
      const [first, ...others] = this.#growing
      if (first === undefined) return
      const left = ({ transfer, arrived }: Entry): number => transfer.bytes - arrived
      const last = others.reduce((most, entry) => (left(entry) > left(most) ? entry : most), first)
      const { onEvict } = last.transfer
      this.#release(last)
      onEvict()
    }
  }

  #complete(entry: Entry): void {
    if (entry.state !== 'promised' && entry.state !== 'growing') return
    this.#leavePromises(entry)
    if (this.#growing.delete(entry)) this.#growingBytes -= entry.charged
    // What is here counts, whether it fits or not.
    this.#charge(entry, entry.transfer.bytes - entry.charged)
    entry.state = 'complete'
    entry.held = false
    this.#grant()
  }

  #release(entry: Entry): void {
    if (entry.state === 'released') return
    if (this.#waiters.delete(entry)) this.#waiting -= entry.transfer.held
    this.#leavePromises(entry)
    if (this.#growing.delete(entry)) this.#growingBytes -= entry.charged
    entry.state = 'released'
    this.#charge(entry, -entry.charged)
    this.#grant()
  }

  /** Those that have begun come before those that have not. */
  #grant(): void {
    for (const entry of this.#growing) {
      if (!entry.held) continue
      const more = Math.min(entry.transfer.bytes, entry.arrived + STEP) - entry.charged
      if (this.#used + more > this.capacity) return
      entry.held = false
      this.#grow(entry)
      entry.transfer.onGrant()
    }
    while (this.#waiters.size > 0) {
      const next = this.#next()
      if (next === null || !this.#fits(next)) return
      this.#oldestNext = !this.#oldestNext
      this.#waiters.delete(next)
      this.#waiting -= next.transfer.held
      this.#promise(next)
      next.transfer.onGrant()
    }
  }

  #next(): Entry | null {
    let best: Entry | null = null
    for (const entry of this.#waiters) {
      if (this.#oldestNext) return entry
      if (best === null || comesBefore(entry, best)) best = entry
    }
    return best
  }
}

/** The smaller share first, then the earlier deadline, then who came first. */
function comesBefore({ transfer: a }: Entry, { transfer: b }: Entry): boolean {
  const shares = largest(a) - largest(b)
  return shares !== 0 ? shares < 0 : a.deadline < b.deadline
}

/** Of the shares with this message, on a scale of powers of two. */
function largest({ shares, bytes }: Transfer): number {
  return shares.reduce(
    (most, share) => Math.max(most, Math.ceil(Math.log2((share.bytes + bytes) / SHARE_UNIT + 1))),
    0,
  )
}
