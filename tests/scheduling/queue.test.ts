import { fc, testProp } from '@fast-check/ava'
import test from 'ava'
import { ExpiryIndex } from '../../src/scheduling/expiry.js'
import { isServedBefore, rankOf, RequestQueue, type Queued } from '../../src/scheduling/queue.js'
import { ReleaseOrder } from '../../src/scheduling/release-order.js'

const WATCHED = 4

const operations = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('add' as const),
        gap: fc.nat(50),
        rows: fc.integer({ min: 1, max: 3 }),
        bytes: fc.nat(100),
        bucket: fc.constantFrom('a', 'b', 'c'),
        level: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), which: fc.nat(1000) }) },
  ),
  { minLength: 1, maxLength: 60 },
)

testProp('a queue agrees with a plain list after any arrivals and departures', [operations], (t, steps) => {
  const queue = new RequestQueue<Queued>(WATCHED)
  let list: Queued[] = []
  let now = 0
  for (const [sequence, step] of steps.entries()) {
    if (step.kind === 'add') {
      now += step.gap
      const { rows, bytes, bucket, level } = step
      const entry = { sequence, rows, bytes, bucket, level, enqueuedAt: now, rank: rankOf(level, now, 100) }
      queue.add(entry)
      list.push(entry)
    } else if (list.length > 0) {
      const entry = list[step.which % list.length]
      if (!entry) continue
      t.true(queue.remove(entry))
      t.false(queue.remove(entry), 'it is gone')
      list = list.filter((other) => other !== entry)
    }
    t.is(queue.size, list.length)
    t.is(queue.bytes, sum(list.map(({ bytes }) => bytes)))
    for (const level of [1, 2, 3]) {
      const waiting = list.filter((entry) => entry.level === level)
      t.is(queue.sizeOf(level), waiting.length)
      t.is(
        [...queue.heads()].find((head) => head.level === level),
        waiting[0],
      )
    }
    for (const bucket of ['a', 'b', 'c']) {
      const waiting = list.filter((entry) => entry.bucket === bucket)
      t.is(queue.rowsOf(bucket), sum(waiting.map(({ rows }) => rows)))
      t.is([...queue.fillableBuckets()].includes(bucket), queue.rowsOf(bucket) >= WATCHED)
      const expected = waiting.sort((a, b) => a.rank - b.rank || a.level - b.level || a.sequence - b.sequence)
      t.deepEqual([...queue.inBucket(bucket)], expected)
    }
  }
})

testProp(
  'the order of service is the order of arrival within a level, and ages across levels',
  [fc.nat(5000), fc.nat(5000), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.nat(1000)],
  (t, first, gap, level, otherLevel, ageing) => {
    const entry = (sequence: number, at: number, own: number): Queued => {
      return {
        sequence,
        rows: 1,
        bytes: 0,
        bucket: 'a',
        level: own,
        enqueuedAt: at,
        rank: rankOf(own, at, ageing),
      }
    }
    const early = entry(0, first, level)
    const late = entry(1, first + gap, otherLevel)
    const overtakes = otherLevel < level && gap <= (level - otherLevel) * ageing
    t.is(isServedBefore(late, early), overtakes)
    t.is(isServedBefore(early, late), !overtakes)
  },
)

testProp(
  'the next to expire is always the earliest of those that still wait',
  [
    fc.array(fc.record({ expiry: fc.oneof(fc.nat(100), fc.constant(Infinity)), leaves: fc.boolean() }), {
      maxLength: 200,
    }),
  ],
  (t, entries) => {
    const waiting = new Set<{ readonly expiry: number }>()
    const index = new ExpiryIndex<{ readonly expiry: number }>((entry) => waiting.has(entry))
    for (const { expiry, leaves } of entries) {
      const entry = { expiry }
      waiting.add(entry)
      index.add(entry)
      if (leaves) waiting.delete(entry)
      t.is(index.next(), Math.min(Infinity, ...[...waiting].map((other) => other.expiry)))
    }
    const expected = [...waiting].map((other) => other.expiry).filter((expiry) => expiry <= 50)
    const taken: number[] = []
    for (let entry = index.takeExpired(50); entry; entry = index.takeExpired(50)) taken.push(entry.expiry)
    t.deepEqual(
      taken,
      expected.sort((a, b) => a - b),
    )
  },
)

test('requests that left do not pile up among those that may expire', (t) => {
  const waiting = new Set<{ readonly expiry: number }>()
  let asked = 0
  const index = new ExpiryIndex<{ readonly expiry: number }>((entry) => {
    asked += 1
    return waiting.has(entry)
  })
  for (let expiry = 0; expiry < 10_000; expiry++) index.add({ expiry })
  asked = 0
  t.is(index.next(), Infinity)
  t.true(asked < 200, `the stale ones were swept out on the way, ${asked} were left`)
})

testProp(
  'answers are released in the order of arrival, each once, and none is held by one that left',
  [
    fc
      .array(fc.boolean(), { minLength: 1, maxLength: 30 })
      .chain((leaves) =>
        fc.tuple(fc.constant(leaves), fc.shuffledSubarray([...leaves.keys()], { minLength: leaves.length })),
      ),
  ],
  (t, [leaves, readiness]) => {
    const order = new ReleaseOrder()
    const tickets = leaves.map(() => order.enter())
    const released: number[] = []
    const finished = new Set<number>()
    for (const place of readiness) {
      const ticket = tickets[place]
      if (!ticket) continue
      finished.add(place)
      if (leaves[place]) order.leave(ticket)
      else order.finish(ticket, () => void released.push(place))
      const firstOpen = leaves.findIndex((_, index) => !finished.has(index))
      const free = [...leaves.keys()].slice(0, firstOpen < 0 ? undefined : firstOpen)
      t.deepEqual(
        released,
        free.filter((index) => !leaves[index]),
      )
    }
  },
)

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
