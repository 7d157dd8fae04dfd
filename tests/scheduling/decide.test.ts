import test from 'ava'
import { decide, type InstanceView } from '../../src/scheduling/decide.js'
import { batchingPolicy, smallestCompleteBatch, type BatchingPolicy } from '../../src/scheduling/policy.js'
import { rankOf, RequestQueue, type Queued, type QueueView } from '../../src/scheduling/queue.js'

const idle: InstanceView = { kind: 'idle' }

function busy(idleAt: number | null, lead = 0): InstanceView {
  return { kind: 'busy', idleAt, leadFor: () => lead }
}

interface Arrival {
  readonly at?: number
  readonly rows?: number
  readonly bucket?: string
  readonly level?: number
}

/** Sequence numbers are those of the arrivals' places in the list. */
function queueOf(policy: BatchingPolicy, arrivals: readonly Arrival[]): RequestQueue<Queued> {
  const queue = new RequestQueue<Queued>(smallestCompleteBatch(policy))
  for (const [sequence, { at = 0, rows = 1, bucket = 'a', level = 1 }] of arrivals.entries()) {
    const rank = rankOf(level, at, policy.priorityAgeingMilliseconds)
    queue.add({ sequence, rows, bucket, level, rank, enqueuedAt: at, bytes: 1 })
  }
  return queue
}

/** The sequence numbers dispatched, or the time to wait for. */
function outcome(
  options: Partial<BatchingPolicy>,
  arrivals: readonly Arrival[],
  instance: InstanceView,
  now: number,
): readonly number[] | number {
  const policy = batchingPolicy(options)
  const decision = decide(queueOf(policy, arrivals), policy, instance, now)
  return decision.kind === 'wait' ? decision.until : decision.batch.map(({ sequence }) => sequence)
}

test('an empty queue waits for whatever comes', (t) => {
  t.is(outcome({ maxBatchSize: 8 }, [], idle, 0), Infinity)
})

test('an idle instance gets what is there at once', (t) => {
  t.deepEqual(outcome({ maxBatchSize: 8 }, [{}, {}, {}], idle, 0), [0, 1, 2])
})

test('a batch stops at the largest size, in rows', (t) => {
  t.deepEqual(
    outcome({ maxBatchSize: 4 }, [{ rows: 2 }, { rows: 1 }, { rows: 2 }, { rows: 1 }], idle, 0),
    [0, 1],
  )
  t.deepEqual(outcome({ maxBatchSize: 4 }, [{}, {}, {}, {}, {}], idle, 0), [0, 1, 2, 3])
})

test('without dynamic batching every request goes alone, and no delay applies', (t) => {
  const options = { maxBatchSize: 8, dynamicBatching: false, maxQueueDelayMicroseconds: 5000 }
  t.deepEqual(outcome(options, [{ rows: 3 }, { rows: 3 }], idle, 0), [0])
})

test('a request of another shape between two others does not end their batch', (t) => {
  const arrivals = [{ bucket: 'a' }, { bucket: 'b' }, { bucket: 'a' }]
  t.deepEqual(outcome({ maxBatchSize: 8 }, arrivals, idle, 0), [0, 2])
})

test('a delay holds an idle instance back until the oldest request has waited that long', (t) => {
  const options = { maxBatchSize: 4, maxQueueDelayMicroseconds: 3000 }
  const arrivals = [{ at: 10 }, { at: 12 }]
  t.is(outcome(options, arrivals, idle, 12), 13)
  t.deepEqual(outcome(options, arrivals, idle, 13), [0, 1])
})

test('a full batch does not wait for the delay, even behind an older request of another shape', (t) => {
  const options = { maxBatchSize: 2, maxQueueDelayMicroseconds: 3000 }
  t.deepEqual(outcome(options, [{ at: 0, bucket: 'b' }, { at: 1 }, { at: 1 }], idle, 1), [1, 2])
})

test('once its delay has passed the older request goes before a full batch of another shape', (t) => {
  const options = { maxBatchSize: 2, maxQueueDelayMicroseconds: 3000 }
  t.deepEqual(outcome(options, [{ at: 0, bucket: 'b' }, { at: 1 }, { at: 1 }], idle, 3), [0])
})

test('of two full batches the one whose first request is served first goes', (t) => {
  const options = { maxBatchSize: 2, maxQueueDelayMicroseconds: 3000, priorityLevels: 2 }
  const arrivals = [
    { bucket: 'low', level: 2, at: 0 },
    { bucket: 'low', level: 2, at: 0 },
    { bucket: 'high', level: 1, at: 1 },
    { bucket: 'high', level: 1, at: 1 },
  ]
  t.deepEqual(outcome(options, arrivals, idle, 1), [2, 3])
})

test('the largest preferred size that is there goes at once and leaves the rest', (t) => {
  const options = { maxBatchSize: 8, preferredBatchSizes: [4, 2], maxQueueDelayMicroseconds: 3000 }
  t.is(outcome(options, [{}], idle, 0), 3)
  t.deepEqual(outcome(options, [{}, {}, {}], idle, 0), [0, 1])
  t.deepEqual(outcome(options, [{}, {}, {}, {}, {}], idle, 0), [0, 1, 2, 3])
})

test('when the delay has passed everything that fits goes, preferred or not', (t) => {
  const options = { maxBatchSize: 8, preferredBatchSizes: [2], maxQueueDelayMicroseconds: 3000 }
  t.deepEqual(outcome(options, [{}, {}, {}], idle, 3), [0, 1, 2])
})

test('higher priority is served first, within a bucket and between buckets', (t) => {
  const options = { maxBatchSize: 2, priorityLevels: 3 }
  t.deepEqual(outcome(options, [{ level: 3 }, { level: 2, at: 5 }, { level: 1, at: 6 }], idle, 6), [2, 1])
  t.deepEqual(outcome(options, [{ level: 2 }, { level: 1, at: 5, bucket: 'b' }], idle, 6), [1])
})

test('a request of a lower level yields only to those that arrive within the ageing time', (t) => {
  const options = { maxBatchSize: 1, priorityLevels: 3, priorityAgeingMilliseconds: 100 }
  t.deepEqual(
    outcome(
      options,
      [
        { level: 2, at: 0 },
        { level: 1, at: 100 },
      ],
      idle,
      100,
    ),
    [1],
  )
  t.deepEqual(
    outcome(
      options,
      [
        { level: 2, at: 0 },
        { level: 1, at: 101 },
      ],
      idle,
      101,
    ),
    [0],
  )
  t.deepEqual(
    outcome(
      options,
      [
        { level: 3, at: 0 },
        { level: 1, at: 200 },
      ],
      idle,
      200,
    ),
    [1],
  )
  t.deepEqual(
    outcome(
      options,
      [
        { level: 3, at: 0 },
        { level: 1, at: 201 },
      ],
      idle,
      201,
    ),
    [0],
  )
})

test('a busy instance gets a part-filled batch no earlier than its gather needs', (t) => {
  t.is(outcome({ maxBatchSize: 8 }, [{}, {}], busy(50, 5), 44), 45)
  t.deepEqual(outcome({ maxBatchSize: 8 }, [{}, {}], busy(50, 5), 45), [0, 1])
})

test('a busy instance gets a full or preferred batch at once', (t) => {
  t.deepEqual(outcome({ maxBatchSize: 2 }, [{}, {}, {}], busy(50, 5), 0), [0, 1])
  t.deepEqual(outcome({ maxBatchSize: 8, preferredBatchSizes: [2] }, [{}, {}, {}], busy(50, 5), 0), [0, 1])
  t.deepEqual(outcome({ maxBatchSize: 4 }, [{ rows: 3 }, { rows: 2 }], busy(50, 5), 0), [0], 'it cannot grow')
})

test('a batch above every preferred size waits for none', (t) => {
  const options = { maxBatchSize: 8, preferredBatchSizes: [2, 4], maxQueueDelayMicroseconds: 20_000 }
  t.deepEqual(outcome(options, [{ rows: 5 }], idle, 0), [0])
  t.deepEqual(outcome(options, [{ rows: 3 }, { rows: 3 }], idle, 0), [0, 1])
  t.deepEqual(outcome(options, [{ rows: 3 }, { rows: 3 }], busy(50, 5), 0), [0, 1])
  t.is(outcome(options, [{ rows: 3 }], idle, 0), 20, 'it can still become four')
})

test('a busy instance of which nothing is known gets its next batch when it is done', (t) => {
  t.is(outcome({ maxBatchSize: 2 }, [{}, {}], busy(null), 0), Infinity)
})

test('the delay also counts for the next batch of a busy instance', (t) => {
  const options = { maxBatchSize: 8, maxQueueDelayMicroseconds: 20_000 }
  t.is(outcome(options, [{ at: 0 }], busy(10), 10), 20)
})

test('a decision looks at no more requests with ten thousand waiting than with twenty', (t) => {
  const looked = [20, 10_000].map((depth) => {
    const policy = batchingPolicy({ maxBatchSize: 8, priorityLevels: 2, maxQueueDelayMicroseconds: 3000 })
    const arrivals = Array.from({ length: depth }, (_, index) => ({ level: 1 + (index % 2), at: index / 10 }))
    const queue = queueOf(policy, arrivals)
    let count = 0
    function* counted<T>(items: Iterable<T>): Iterable<T> {
      for (const item of items) {
        count += 1
        yield item
      }
    }
    const view: QueueView<Queued> = {
      size: queue.size,
      heads: () => counted(queue.heads()),
      fillableBuckets: () => counted(queue.fillableBuckets()),
      rowsOf: (bucket) => queue.rowsOf(bucket),
      inBucket: (bucket) => counted(queue.inBucket(bucket)),
    }
    t.is(decide(view, policy, idle, 5000).kind, 'dispatch')
    return count
  })
  t.is(looked[0], looked[1])
  t.true((looked[0] ?? Infinity) < 20)
})
