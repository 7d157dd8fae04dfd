import { Fifo, type FifoNode } from './fifo.js'

/** A waiting request, as far as queueing is concerned. */
export interface Queued {
  /** Counts up with arrival. */
  readonly sequence: number
  readonly rows: number
  readonly bytes: number
  readonly bucket: string
  /** 1 is the highest. */
  readonly level: number
  /** The service order: see `rankOf`. */
  readonly rank: number
  readonly enqueuedAt: number
}

/**
 * Strict priority with ageing, as one number that never changes while a request waits: its arrival plus
 * (level - 1) times the ageing time; the smallest is served first. A request at level L is therefore only
 * ever overtaken by requests of a level l < L that arrive within (L - l) times the ageing time after it,
 * so what it waits for is bounded whatever arrives later, and within a level the order is that of arrival.
 */
export function rankOf(level: number, enqueuedAt: number, ageingMilliseconds: number): number {
  return enqueuedAt + (level - 1) * ageingMilliseconds
}

export function isServedBefore(a: Queued, b: Queued): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank
  return a.level !== b.level ? a.level < b.level : a.sequence < b.sequence
}

/** What the batching decision may see of a queue. */
export interface QueueView<E extends Queued> {
  readonly size: number
  /** The oldest request of each level that has any. */
  heads(): Iterable<E>
  /** The buckets with at least the rows that the queue was made to watch for. */
  fillableBuckets(): Iterable<string>
  /** Rows that wait in a bucket. */
  rowsOf(bucket: string): number
  /** The requests of a bucket in the order of service. */
  inBucket(bucket: string): Iterable<E>
}

interface Bucket<E> {
  readonly levels: Map<number, Fifo<E>>
  rows: number
}

interface Place<E> {
  readonly level: FifoNode<E>
  readonly bucket: FifoNode<E>
}

/**
 * The waiting requests of one model, by level and by shape bucket. Entering and leaving, from anywhere,
 * take constant time; a bucket or a level exists only while someone waits in it.
 */
export class RequestQueue<E extends Queued> implements QueueView<E> {
  readonly #levels = new Map<number, Fifo<E>>()
  readonly #levelSizes = new Map<number, number>()
  readonly #buckets = new Map<string, Bucket<E>>()
  readonly #fillable = new Set<string>()
  readonly #places = new Map<E, Place<E>>()
  readonly #watchedRows: number
  #bytes = 0
  #rows = 0

  /** @param watchedRows rows from which a bucket is listed by `fillableBuckets` */
  constructor(watchedRows: number) {
    this.#watchedRows = watchedRows
  }

  get size(): number {
    return this.#places.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Over all levels and buckets. */
  get rows(): number {
    return this.#rows
  }

  sizeOf(level: number): number {
    return this.#levelSizes.get(level) ?? 0
  }

  has(entry: E): boolean {
    return this.#places.has(entry)
  }

  /** Entries must come with non-decreasing `enqueuedAt`, each once. */
  add(entry: E): void {
    let bucket = this.#buckets.get(entry.bucket)
    if (!bucket) this.#buckets.set(entry.bucket, (bucket = { levels: new Map(), rows: 0 }))
    this.#places.set(entry, {
      level: fifo(this.#levels, entry.level).push(entry),
      bucket: fifo(bucket.levels, entry.level).push(entry),
    })
    this.#levelSizes.set(entry.level, this.sizeOf(entry.level) + 1)
    this.#bytes += entry.bytes
    this.#countRows(entry.bucket, bucket, entry.rows)
  }

  /** Whether it was there. */
  remove(entry: E): boolean {
    const place = this.#places.get(entry)
    const bucket = this.#buckets.get(entry.bucket)
    if (!place || !bucket) return false
    this.#places.delete(entry)
    leave(this.#levels, entry.level, place.level)
    leave(bucket.levels, entry.level, place.bucket)
    const left = this.sizeOf(entry.level) - 1
    if (left === 0) this.#levelSizes.delete(entry.level)
    else this.#levelSizes.set(entry.level, left)
    this.#bytes -= entry.bytes
    this.#countRows(entry.bucket, bucket, -entry.rows)
    return true
  }

  *all(): Iterable<E> {
    yield* this.#places.keys()
  }

  *heads(): Iterable<E> {
    for (const level of this.#levels.values()) if (level.head) yield level.head.value
  }

  fillableBuckets(): Iterable<string> {
    return this.#fillable
  }

  rowsOf(bucket: string): number {
    return this.#buckets.get(bucket)?.rows ?? 0
  }

  *inBucket(bucket: string): Iterable<E> {
    const cursors = [...(this.#buckets.get(bucket)?.levels.values() ?? [])].map((level) => level.head)
    for (;;) {
      let first = -1
      let entry: E | null = null
      for (const [index, cursor] of cursors.entries()) {
        if (cursor && (!entry || isServedBefore(cursor.value, entry))) {
          first = index
          entry = cursor.value
        }
      }
      if (!entry) return
      cursors[first] = cursors[first]?.next ?? null
      yield entry
    }
  }

  #countRows(name: string, bucket: Bucket<E>, change: number): void {
    this.#rows += change
    bucket.rows += change
    if (bucket.rows >= this.#watchedRows) this.#fillable.add(name)
    else this.#fillable.delete(name)
    if (bucket.rows === 0) this.#buckets.delete(name)
  }
}

function fifo<E>(levels: Map<number, Fifo<E>>, level: number): Fifo<E> {
  let list = levels.get(level)
  if (!list) levels.set(level, (list = new Fifo()))
  return list
}

function leave<E>(levels: Map<number, Fifo<E>>, level: number, node: FifoNode<E>): void {
  const list = levels.get(level)
  list?.remove(node)
  if (!list?.head) levels.delete(level)
}
