import { fc, testProp } from '@fast-check/ava'
import { isSentinodeError } from '../../src/errors.js'
import { ByteBudget } from '../../src/scheduling/admission.js'
import { batchingPolicy, DEFAULT_QUEUE_POLICY } from '../../src/scheduling/policy.js'
import { ModelScheduler } from '../../src/scheduling/scheduler.js'
import { FakeClock, FakeRunner, request } from './_support.js'

const arrival = fc.record({
  gap: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.double({ min: 0, max: 20, noNaN: true })),
  rows: fc.integer({ min: 1, max: 4 }),
  bytes: fc.nat(100),
  bucket: fc.constantFrom('a', 'b', 'c'),
  priority: fc.integer({ min: 0, max: 4 }),
  deadline: fc.option(fc.double({ min: 0, max: 80, noNaN: true }), { nil: null }),
  timeout: fc.option(fc.integer({ min: 1, max: 60_000 }), { nil: null }),
  cancelAfter: fc.option(fc.double({ min: 0, max: 60, noNaN: true }), { nil: null, freq: 4 }),
})

const policies = fc.record({
  maxBatchSize: fc.integer({ min: 4, max: 8 }),
  preferredBatchSizes: fc.subarray([2, 3, 4]),
  maxQueueDelayMicroseconds: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30_000 })),
  preserveOrdering: fc.boolean(),
  dynamicBatching: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
  priorityLevels: fc.integer({ min: 1, max: 3 }),
  priorityAgeingMilliseconds: fc.constantFrom(0, 5, 50),
  maxQueuedRequests: fc.constantFrom(3, 20, 1000),
  maxQueuedBytes: fc.constantFrom(150, 100_000),
})

const machines = fc.record({
  instances: fc.integer({ min: 1, max: 3 }),
  gather: fc.constantFrom(0, 2),
  lateness: fc.constantFrom(0, 1.5),
  runPerRow: fc.constantFrom(1, 5),
  budget: fc.constantFrom(300, 1_000_000),
  failing: fc.integer({ min: 2, max: 30 }),
  breaking: fc.integer({ min: 2, max: 30 }),
})

testProp(
  'whatever arrives, and however it ends, nothing is lost, repeated, mixed, overfilled or left behind',
  [fc.array(arrival, { minLength: 1, maxLength: 40 }), policies, machines],
  async (t, arrivals, options, machine) => {
    const clock = new FakeClock(machine.lateness)
    const runners = Array.from(
      { length: machine.instances },
      (_, index) =>
        new FakeRunner(`r${index}`, clock, {
          gather: machine.gather,
          run: (rows) => 1 + rows * machine.runPerRow,
          fails: (payload) => payload % machine.failing === 1,
          breaks: (payloads) => payloads.some((payload) => payload % machine.breaking === 1),
        }),
    )
    const budget = new ByteBudget(machine.budget)
    const defaultQueuePolicy = { ...DEFAULT_QUEUE_POLICY, defaultTimeoutMicroseconds: 70_000 }
    const policy = batchingPolicy({ ...options, defaultQueuePolicy })
    const scheduler = new ModelScheduler({ policy, runners, budget, clock })
    const delay = policy.dynamicBatching ? policy.maxQueueDelayMicroseconds / 1000 : 0

    const enqueuedAt = new Map<number, number>()
    const answers = new Map<number, string[]>()
    const released: number[] = []
    const started = (): Set<number> =>
      new Set(runners.flatMap((runner) => runner.started.flatMap(({ payloads }) => payloads)))
    const check = (): void => {
      const { queuedRequests, queuedBytes } = scheduler.stats()
      t.true(queuedRequests <= policy.maxQueuedRequests, 'the queue is bounded')
      t.true(queuedBytes <= policy.maxQueuedBytes && budget.used <= budget.capacity, 'in bytes as well')
      if (queuedRequests === 0 || runners.every(({ held }) => held > 0)) return
      const dispatched = started()
      const waiting = [...enqueuedAt].filter(
        ([payload]) => !dispatched.has(payload) && !answers.get(payload)?.length,
      )
      const oldest = Math.min(...waiting.map(([, at]) => at))
      t.true(clock.now() < oldest + delay, 'no instance is idle while a request waits that may go')
    }

    for (const [payload, { gap, cancelAfter, deadline, timeout, ...rest }] of arrivals.entries()) {
      await clock.advance(gap, check)
      const controller = new AbortController()
      if (cancelAfter !== null) clock.setTimer(clock.now() + cancelAfter, () => controller.abort(), 'fine')
      const ends: string[] = []
      answers.set(payload, ends)
      enqueuedAt.set(payload, clock.now())
      const options = {
        ...rest,
        deadline: deadline === null ? Infinity : clock.now() + deadline,
        timeoutMicroseconds: timeout,
        signal: controller.signal,
      }
      scheduler.submit(request(payload, options)).then(
        ({ result }) => {
          ends.push(result)
          released.push(payload)
        },
        (error: unknown) => {
          const code = isSentinodeError(error) ? error.code : String(error)
          ends.push(code)
          if (code === 'QUEUE_FULL' || code === 'REQUEST_TOO_LARGE') enqueuedAt.delete(payload)
        },
      )
    }
    await clock.advance(10_000, check)

    const batches = runners.flatMap((runner) => runner.started)
    const given = batches.flatMap(({ payloads }) => payloads)
    t.is(new Set(given).size, given.length, 'no request is given to two batches')
    for (const [payload, ends] of answers)
      t.is(ends.length, 1, `request ${payload} is answered once: ${ends.join()}`)
    for (const batch of batches) {
      t.true(batch.rows <= policy.maxBatchSize, 'no batch over the limit')
      t.true(policy.dynamicBatching || batch.payloads.length === 1, 'and none at all where requests go alone')
      t.is(new Set(batch.payloads.map((payload) => arrivals[payload]?.bucket)).size, 1, 'no mixing of shapes')
      for (const deadline of batch.deadlines)
        t.true(deadline > batch.startedAt, 'nothing that expired is dispatched')
    }
    const ran = new Set(batches.flatMap((batch) => batch.ran?.payloads ?? []))
    for (const [payload, [end]] of answers) {
      if (end === 'DEADLINE_EXCEEDED') t.false(ran.has(payload), 'what expired was not run')
      if (end?.startsWith('result'))
        t.true(ran.has(payload) && end === `result ${payload}`, 'and answers are the own ones')
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
