import type { BatchingPolicy } from './policy.js'
import { isServedBefore, type Queued, type QueueView } from './queue.js'

/** The instance that would take the next batch. */
export type InstanceView =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'busy'
      /** When its running batch should be done; null where nothing is known about such batches yet. */
      readonly idleAt: number | null
      /** How long before that a batch has to be closed so that it is gathered in time. */
      leadFor(bucket: string, rows: number): number
    }

export type Decision<E> =
  | { readonly kind: 'dispatch'; readonly batch: readonly E[] }
  /** Nothing to do before this time unless a request arrives or leaves, or a batch ends. */
  | { readonly kind: 'wait'; readonly until: number }

interface Candidate<E> {
  readonly batch: readonly E[]
  /** It will not become a better batch by waiting: it has a preferred size, is above them all, or cannot grow. */
  readonly complete: boolean
}

/**
 * The batching decision: which requests should be closed into a batch now, if any. It changes nothing and
 * remembers nothing. Requests that expired must have left the queue before.
 *
 * - An idle instance gets a batch at once; only `maxQueueDelayMicroseconds` can hold it back, until the
 *   batch is complete or its oldest request has waited that long.
 * - A busy instance gets its next batch at once if that is complete, else as late as its gather allows:
 *   whoever arrives until then still gets in. Without an estimate, when the running batch is done.
 * - A batch is taken from the one bucket whose first request is to be served first; the others keep their
 *   places.
 *
 * The cost is that of the batch, the levels in use and, while a delay holds requests back, the buckets
 * that can fill a batch; never that of the queue.
 */
export function decide<E extends Queued>(
  queue: QueueView<E>,
  policy: BatchingPolicy,
  instance: InstanceView,
  now: number,
): Decision<E> {
  if (queue.size === 0) return { kind: 'wait', until: Infinity }
  const candidate = choose(queue, policy, now)
  if (typeof candidate === 'number') return { kind: 'wait', until: candidate }
  if (instance.kind === 'idle') return { kind: 'dispatch', batch: candidate.batch }

  if (instance.idleAt === null) return { kind: 'wait', until: Infinity }
  if (candidate.complete) return { kind: 'dispatch', batch: candidate.batch }
  const closeAt = instance.idleAt - instance.leadFor(bucketOf(candidate.batch), rowsOf(candidate.batch))
  return closeAt <= now ? { kind: 'dispatch', batch: candidate.batch } : { kind: 'wait', until: closeAt }
}

/** The batch to form next, or the time until which the delay holds every request back. */
function choose<E extends Queued>(
  queue: QueueView<E>,
  policy: BatchingPolicy,
  now: number,
): Candidate<E> | number {
  const delay = policy.dynamicBatching ? policy.maxQueueDelayMicroseconds / 1000 : 0
  let first: E | null = null
  let firstDue: E | null = null
  let nextDue = Infinity
  for (const head of queue.heads()) {
    const dueAt = head.enqueuedAt + delay
    nextDue = Math.min(nextDue, dueAt)
    if (!first || isServedBefore(head, first)) first = head
    if (dueAt <= now && (!firstDue || isServedBefore(head, firstDue))) firstDue = head
  }
  if (first && delay === 0) return compose(queue, policy, first.bucket, false)
  // A complete batch goes without waiting, and no bucket's first request is served before `first`.
  const complete = first === firstDue ? null : firstComplete(queue, policy)
  const leader = complete?.batch[0]
  if (complete && leader && (!firstDue || isServedBefore(leader, firstDue))) return complete
  return firstDue ? compose(queue, policy, firstDue.bucket, true) : nextDue
}

/** Of the buckets that can give a complete batch, the batch that is to be served first. */
function firstComplete<E extends Queued>(queue: QueueView<E>, policy: BatchingPolicy): Candidate<E> | null {
  let first: Candidate<E> | null = null
  for (const bucket of queue.fillableBuckets()) {
    const candidate = compose(queue, policy, bucket, false)
    const [leader] = candidate.batch
    const [best] = first?.batch ?? []
    if (candidate.complete && leader && (!best || isServedBefore(leader, best))) first = candidate
  }
  return first
}

/**
 * The longest run of a bucket's requests, in the order of service, that fits; cut back to the largest
 * preferred size that it passes exactly, unless the delay has passed and all must go.
 */
function compose<E extends Queued>(
  queue: QueueView<E>,
  policy: BatchingPolicy,
  bucket: string,
  overdue: boolean,
): Candidate<E> {
  const batch: E[] = []
  let rows = 0
  let preferred = 0
  for (const entry of queue.inBucket(bucket)) {
    if (batch.length > 0 && (!policy.dynamicBatching || rows + entry.rows > policy.maxBatchSize)) break
    batch.push(entry)
    rows += entry.rows
    if (policy.preferredBatchSizes.includes(rows)) preferred = batch.length
    if (rows >= policy.maxBatchSize) break
  }
  if (preferred > 0 && !overdue) return { batch: batch.slice(0, preferred), complete: true }
  const largest = policy.preferredBatchSizes.at(-1) ?? Infinity
  const full = !policy.dynamicBatching || queue.rowsOf(bucket) >= policy.maxBatchSize
  return { batch, complete: full || rows > largest }
}

function bucketOf(batch: readonly Queued[]): string {
  return batch[0]?.bucket ?? ''
}

function rowsOf(batch: readonly Queued[]): number {
  return batch.reduce((sum, entry) => sum + entry.rows, 0)
}
