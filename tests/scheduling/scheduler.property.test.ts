import { fc, testProp } from '@fast-check/ava'
import { isSentinodeError } from '../../src/errors.js'
import { ByteBudget } from '../../src/scheduling/admission.js'
import type { SchedulerObserver } from '../../src/scheduling/observer.js'
import { batchingPolicy, DEFAULT_QUEUE_POLICY } from '../../src/scheduling/policy.js'
import { ModelScheduler } from '../../src/scheduling/scheduler.js'
import { FakeClock, FakeRunner, request, type StartedBatch } from './_support.js'

/** Null mostly, so that most requests are in batches with others. */
function seldom<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value })
}

/** Of even likelihood, unlike fc.double, which prefers the ends. */
function milliseconds(max: number): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: max * 8 }).map((eighths) => eighths / 8)
}

const arrival = fc.record({
  gap: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: milliseconds(20) }),
  rows: fc.constantFrom(1, 1, 1, 2, 4),
  bytes: fc.nat(100),
  bucket: fc.constantFrom('a', 'a', 'a', 'b'),
  priority: fc.integer({ min: 0, max: 4 }),
  deadline: seldom(milliseconds(80)),
  timeout: seldom(fc.integer({ min: 1, max: 60_000 })),
  cancelAfter: seldom(milliseconds(60)),
})

const policies = fc.record({
  maxBatchSize: fc.integer({ min: 4, max: 8 }),
  preferredBatchSizes: fc.subarray([2, 3, 4]),
  maxQueueDelayMicroseconds: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30_000 })),
  preserveOrdering: fc.boolean(),
  dynamicBatching: fc.constantFrom(true, true, true, false),
  priorityLevels: fc.integer({ min: 1, max: 3 }),
  priorityAgeingMilliseconds: fc.constantFrom(0, 5, 50),
  maxQueuedRequests: fc.constantFrom(3, 20, 1000),
  maxQueuedBytes: fc.constantFrom(300, 100_000),
})

const machines = fc.record({
  instances: fc.integer({ min: 1, max: 3 }),
  gather: fc.constantFrom(0, 2),
  lateness: fc.constantFrom(0, 1.5),
  runPerRow: fc.constantFrom(1, 5, 20),
  budget: fc.constantFrom(600, 1_000_000),
  /** Of the requests, every which one fails by itself, breaks its batch, and stops the instance in it. */
  failing: fc.integer({ min: 2, max: 30 }),
  breaking: fc.integer({ min: 2, max: 30 }),
  stopping: fc.integer({ min: 4, max: 60 }),
  /** When the daemon drains, and how long it may take. */
  drain: seldom(fc.tuple(milliseconds(300), milliseconds(100))),
})

/** Counts what an observer is told. */
class Tally implements SchedulerObserver {
  enqueued = 0
  batches = 0
  split = 0
  readonly ends = { shed: 0, expired: 0, cancelled: 0, failed: 0, success: 0 }

  onEnqueue(): void {
    this.enqueued += 1
  }
  onShed(): void {
    this.ends.shed += 1
  }
  onExpired(): void {
    this.ends.expired += 1
  }
  onCancelled(): void {
    this.ends.cancelled += 1
  }
  onFailed(): void {
    this.ends.failed += 1
  }
  onSuccess(): void {
    this.ends.success += 1
  }
  onBatch(): void {
    this.batches += 1
  }
  onSplit(): void {
    this.split += 1
  }
}

interface Ending {
  readonly end: string
  readonly at: number
}

const CODES: Readonly<Record<string, keyof Tally['ends']>> = {
  QUEUE_FULL: 'shed',
  REQUEST_TOO_LARGE: 'shed',
  SHUTTING_DOWN: 'shed',
  DEADLINE_EXCEEDED: 'expired',
  CANCELLED: 'cancelled',
}

function kindOf(end: string): keyof Tally['ends'] {
  return end.startsWith('result') ? 'success' : (CODES[end] ?? 'failed')
}

testProp(
  'whatever arrives, and however it ends, nothing is lost, repeated, mixed, overfilled, late or left behind',
  [fc.array(arrival, { minLength: 1, maxLength: 60, size: 'max' }), policies, machines],
  async (t, arrivals, options, machine) => {
    const clock = new FakeClock(machine.lateness)
    const breaks = (payload: number): boolean => payload % machine.breaking === 1
    const fails = (payload: number): boolean => payload % machine.failing === 1
    const stops = (payload: number): boolean => payload % machine.stopping === 3
    const runners = Array.from(
      { length: machine.instances },
      (_, index) =>
        new FakeRunner(`r${index}`, clock, {
          gather: machine.gather,
          run: (rows) => 1 + rows * machine.runPerRow,
          fails,
          breaks: (payloads) => payloads.some(breaks),
          stops: (payloads) => payloads.some(stops),
        }),
    )
    const budget = new ByteBudget(machine.budget)
    const defaultQueuePolicy = { ...DEFAULT_QUEUE_POLICY, defaultTimeoutMicroseconds: 70_000 }
    const policy = batchingPolicy({ ...options, defaultQueuePolicy })
    const observer = new Tally()
    const scheduler = new ModelScheduler({ policy, runners, budget, clock, observer })
    const delay = policy.dynamicBatching ? policy.maxQueueDelayMicroseconds / 1000 : 0

    const enqueuedAt = new Map<number, number>()
    const expiry = new Map<number, number>()
    const deadlines = new Map<number, number>()
    const cancelledAt = new Map<number, number>()
    const answers = new Map<number, Ending[]>()
    const released: number[] = []
    const started = (): Set<number> =>
      new Set(runners.flatMap((runner) => runner.started.flatMap(({ payloads }) => payloads)))
    let draining = false
    const check = (): void => {
      const { queuedRequests, queuedBytes } = scheduler.stats()
      t.true(queuedRequests <= policy.maxQueuedRequests, 'the queue is bounded')
      t.true(queuedBytes <= policy.maxQueuedBytes && budget.used <= budget.capacity, 'in bytes as well')
      const wait = scheduler.expectedWait(1)
      t.true(Number.isFinite(wait) && wait >= 0)
      if (queuedRequests === 0 || runners.every(({ held }) => held > 0)) return
      const dispatched = started()
      const waiting = [...enqueuedAt].filter(
        ([payload]) =>
          !dispatched.has(payload) &&
          !answers.get(payload)?.length &&
          (expiry.get(payload) ?? 0) > clock.now(),
      )
      const oldest = Math.min(...waiting.map(([, at]) => at))
      t.true(
        clock.now() <= oldest + (draining ? 0 : delay),
        'no instance is idle while a request waits that may go',
      )
    }
    const drained: boolean[] = []
    if (machine.drain !== null) {
      const [after, within] = machine.drain
      const drain = (): void => {
        draining = true
        void scheduler.drain(clock.now() + within).then((inTime) => drained.push(inTime))
      }
      clock.setTimer(clock.now() + after, drain, 'fine')
    }

    for (const [payload, { gap, cancelAfter, deadline, timeout, ...rest }] of arrivals.entries()) {
      await clock.advance(gap, check)
      const controller = new AbortController()
      const now = clock.now()
      if (cancelAfter !== null) {
        const cancel = (): void => {
          cancelledAt.set(payload, clock.now())
          controller.abort()
        }
        clock.setTimer(now + cancelAfter, cancel, 'fine')
      }
      const ends: Ending[] = []
      answers.set(payload, ends)
      enqueuedAt.set(payload, now)
      deadlines.set(payload, deadline === null ? Infinity : now + deadline)
      expiry.set(
        payload,
        Math.min(deadlines.get(payload) ?? 0, now + Math.min(70, (timeout ?? Infinity) / 1000)),
      )
      const options = {
        ...rest,
        deadline: deadlines.get(payload) ?? Infinity,
        timeoutMicroseconds: timeout,
        signal: controller.signal,
      }
      scheduler.submit(request(payload, options)).then(
        ({ result }) => {
          ends.push({ end: result, at: clock.now() })
          released.push(payload)
        },
        (error: unknown) => {
          const end = isSentinodeError(error) ? error.code : String(error)
          ends.push({ end, at: clock.now() })
          if (kindOf(end) === 'shed') enqueuedAt.delete(payload)
        },
      )
    }
    await clock.advance(20_000, check)

    const batches = runners.flatMap((runner) => runner.started).sort((a, b) => a.startedAt - b.startedAt)
    const failed = ({ payloads, ran }: StartedBatch): boolean =>
      payloads.some((payload) => breaks(payload) || stops(payload)) || ran?.payloads.every(fails) === true
    for (const [payload, { length }] of arrivals.map(
      (_, payload) => [payload, answers.get(payload) ?? []] as const,
    ))
      t.is(length, 1, `request ${payload} is answered once`)
    for (const [payload, [ending]] of answers) {
      if (!ending) continue
      const own = batches.filter(({ payloads }) => payloads.includes(payload))
      const [first, second, ...more] = own
      t.is(more.length, 0, 'no request is given to more than two batches')
      if (first && second) {
        t.true(failed(first), 'and to a second only after one failed')
        t.deepEqual(second.payloads, [payload], 'in which it is alone')
        t.true(second.startedAt >= (first.ran?.at ?? Infinity))
      }
      const { end, at } = ending
      const last = own.at(-1)
      const ran = last?.ran?.payloads.includes(payload) === true ? last.ran.at : Infinity
      if (end.startsWith('result')) t.is(end, `result ${payload}`, 'answers are the own ones')
      if (kindOf(end) === 'failed')
        t.true(breaks(payload) || stops(payload) || fails(payload), 'errors as well')
      if (end === 'DEADLINE_EXCEEDED' && !(first && failed(first)))
        t.is(ran, Infinity, 'what expired was not run')
      const cancelled = cancelledAt.get(payload) ?? Infinity
      t.true(at <= cancelled, 'who cancels is answered at once')
      // What runs may end late, and what expires while its batch is gathered is told with the batch.
      const due = own.length < 2 ? (expiry.get(payload) ?? 0) : (deadlines.get(payload) ?? 0)
      const taken = last !== undefined && due <= last.startedAt + machine.gather
      if (ran >= due && !taken)
        t.true(at <= due + machine.lateness, `request ${payload} is answered by its time`)
    }
    for (const batch of batches) {
      t.true(batch.rows <= policy.maxBatchSize, 'no batch over the limit')
      t.true(policy.dynamicBatching || batch.payloads.length === 1, 'and none at all where requests go alone')
      t.is(new Set(batch.payloads.map((payload) => arrivals[payload]?.bucket)).size, 1, 'no mixing of shapes')
      for (const deadline of batch.deadlines)
        t.true(deadline > batch.startedAt, 'nothing that expired is dispatched')
    }
    if (policy.preserveOrdering)
      t.deepEqual(
        released,
        released.toSorted((a, b) => a - b),
        'results keep their order',
      )
    t.true(
      runners.every(({ mostHeld }) => mostHeld <= 2),
      'no instance holds more than two batches',
    )

    const ends = { shed: 0, expired: 0, cancelled: 0, failed: 0, success: 0 }
    for (const [ending] of answers.values()) if (ending) ends[kindOf(ending.end)] += 1
    t.deepEqual(observer.ends, ends, 'the counters tell what the callers were told')
    const splits = batches.filter(({ payloads }, index) => {
      const later = batches.slice(index + 1)
      return (
        payloads.length > 1 && later.some((other) => other.payloads.some((one) => payloads.includes(one)))
      )
    })
    t.true(observer.split >= splits.length, 'and every batch that was run again')
    t.is(drained.length, machine.drain === null ? 0 : 1)
    t.is(budget.used, 0)
    const idle = { queuedRequests: 0, queuedBytes: 0, pendingRequests: 0, dispatchedRequests: 0 }
    t.deepEqual(scheduler.stats(), idle)
    t.is(clock.timers, 0, 'no timer is left behind')
  },
  { numRuns: 300 },
)

testProp(
  'under a flood of the highest priority a lower request starts within its ageing time and a bounded backlog',
  [fc.integer({ min: 2, max: 4 }), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 10 })],
  async (t, level, ageing, backlog) => {
    const clock = new FakeClock()
    const run = 4
    const runner = new FakeRunner('r', clock, { run: () => run })
    const scheduler = new ModelScheduler({
      policy: batchingPolicy({
        priorityLevels: 4,
        priorityAgeingMilliseconds: ageing,
        maxQueuedRequests: 10_000,
      }),
      runners: [runner],
      budget: new ByteBudget(1e9),
      clock,
    })
    const flood = (): void => void scheduler.submit(request(1, { priority: 1 }))
    for (let index = 0; index < backlog; index++) flood()
    let served = NaN
    const arrived = clock.now()
    void scheduler.submit(request(2, { priority: level })).then(() => (served = clock.now()))
    // Twice what the instance can serve, for as long as it takes.
    const overtaking = Math.floor(((level - 1) * ageing) / 2) + 1
    const bound = (backlog + overtaking + 3) * run
    while (Number.isNaN(served) && clock.now() - arrived <= bound) {
      flood()
      await clock.advance(2)
    }
    t.true(served - arrived <= bound, `served after ${served - arrived} ms, bound ${bound} ms`)
  },
  { numRuns: 30 },
)
