import test, { type ExecutionContext } from 'ava'
import { isSentinodeError, SentinodeError, type ErrorCode } from '../../src/errors.js'
import { ByteBudget } from '../../src/scheduling/admission.js'
import { batchingPolicy, DEFAULT_QUEUE_POLICY, type BatchingPolicy } from '../../src/scheduling/policy.js'
import { ModelScheduler } from '../../src/scheduling/scheduler.js'
import type { BatchRunner, Completion, Outcome } from '../../src/scheduling/types.js'
import { FakeClock, FakeRunner, request, type FakeRunnerOptions } from './_support.js'

interface Setup {
  readonly clock: FakeClock
  readonly runners: readonly FakeRunner[]
  readonly runner: FakeRunner
  readonly budget: ByteBudget
  readonly scheduler: ModelScheduler<number, string>
}

function setup(
  policy: Partial<BatchingPolicy>,
  options: Partial<FakeRunnerOptions> & { runners?: number; budget?: number } = {},
): Setup {
  const clock = new FakeClock()
  const runners = Array.from(
    { length: options.runners ?? 1 },
    (_, index) => new FakeRunner(`r${index}`, clock, { run: () => 10, ...options }),
  )
  const budget = new ByteBudget(options.budget ?? 1_000_000)
  const scheduler = new ModelScheduler({ policy: batchingPolicy(policy), runners, budget, clock })
  const [runner] = runners
  if (!runner) throw new Error('no runner')
  return { clock, runners, runner, budget, scheduler }
}

/** Collects how each request ends, in the order in which they end. */
function record(answers: string[], payload: number, completion: Promise<Completion<string>>): void {
  completion.then(
    ({ result }) => answers.push(result),
    (error: unknown) => answers.push(`${payload} ${isSentinodeError(error) ? error.code : String(error)}`),
  )
}

function batches(runner: FakeRunner): readonly (readonly number[])[] {
  return runner.started.map(({ payloads }) => payloads)
}

async function rejects(t: ExecutionContext, promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await t.throwsAsync(promise)
  t.true(isSentinodeError(error), String(error))
  if (isSentinodeError(error)) t.is(error.code, code, error.message)
}

/** Runs one batch of each size, so that the scheduler knows how long they take. */
async function teach({ clock, scheduler }: Setup, sizes: readonly number[]): Promise<void> {
  for (const size of sizes) {
    const done = Array.from({ length: size }, () => scheduler.submit(request(0)))
    await clock.advance(100)
    await Promise.all(done)
  }
}

test('a request comes back with its result, its batch and where its time went', async (t) => {
  const { clock, scheduler } = setup({ maxBatchSize: 8 }, { gather: 2 })
  const first = scheduler.submit(request(1, { rows: 3 }))
  const second = scheduler.submit(request(2, { rows: 2 }))
  await clock.advance(20)
  const timings = { gatherStart: 1000, gatherEnd: 1002, runStart: 1002, runEnd: 1012, scatterEnd: 1012 }
  t.deepEqual(await first, { result: 'result 1', batchRows: 5, enqueuedAt: 1000, timings })
  t.is((await second).result, 'result 2')
})

test('a burst within one turn of the event loop makes one batch', async (t) => {
  const { clock, runner, scheduler } = setup({ maxBatchSize: 4 })
  const done = [1, 2, 3, 4, 5].map((payload) => scheduler.submit(request(payload)))
  await clock.settle()
  t.deepEqual(batches(runner), [[1, 2, 3, 4]])
  await clock.advance(50)
  await Promise.all(done)
})

test('an idle instance does not wait; a configured delay makes it wait, and no longer', async (t) => {
  const prompt = setup({ maxBatchSize: 4 })
  void prompt.scheduler.submit(request(1))
  await prompt.clock.settle()
  t.deepEqual(batches(prompt.runner), [[1]])

  const delayed = setup({ maxBatchSize: 4, maxQueueDelayMicroseconds: 5000 })
  void delayed.scheduler.submit(request(1))
  await delayed.clock.advance(4.9)
  t.deepEqual(batches(delayed.runner), [])
  void delayed.scheduler.submit(request(2))
  await delayed.clock.advance(0.1)
  t.deepEqual(batches(delayed.runner), [[1, 2]])
})

test('while a batch runs the next is closed as late as its gather allows', async (t) => {
  const context = setup({ maxBatchSize: 8 }, { gather: 3, run: () => 50 })
  const { clock, runner, scheduler } = context
  await teach(context, [1, 2])
  const done = [scheduler.submit(request(1))]
  await clock.settle()
  const began = clock.now()
  done.push(scheduler.submit(request(2)))
  await clock.advance(40)
  done.push(scheduler.submit(request(3)))
  await clock.advance(80)
  await Promise.all(done)
  const [, , running, next] = runner.started
  t.deepEqual(running?.payloads, [1])
  t.deepEqual(next?.payloads, [2, 3], 'who arrives late still gets in')
  // It runs until 53 ms after it began; gathering takes 3 ms.
  const closed = (next?.startedAt ?? 0) - began
  t.true(closed <= 50 && closed >= 45, `closed ${closed} ms after the running batch began`)
  t.is(next?.ran?.at, began + 53, 'the instance did not pause between the two')
})

test('while a batch runs a full one is closed at once', async (t) => {
  const context = setup({ maxBatchSize: 2 }, { gather: 3, run: () => 50 })
  await teach(context, [1])
  const { clock, runner, scheduler } = context
  for (const payload of [1, 2, 3, 4]) void scheduler.submit(request(payload))
  await clock.settle()
  t.deepEqual(batches(runner).slice(1), [
    [1, 2],
    [3, 4],
  ])
})

test('the batch after a gathered one is closed by when that will end, not by when it was closed', async (t) => {
  const context = setup({ maxBatchSize: 2 }, { gather: 3, run: () => 50 })
  await teach(context, [1, 2])
  const { clock, runner, scheduler } = context
  for (const payload of [1, 2, 3, 4]) void scheduler.submit(request(payload))
  await clock.advance(60)
  void scheduler.submit(request(5))
  await clock.advance(30)
  void scheduler.submit(request(6))
  await clock.advance(100)
  t.deepEqual(batches(runner).slice(2), [
    [1, 2],
    [3, 4],
    [5, 6],
  ])
})

test('a request whose timer is late is not run either', async (t) => {
  const clock = new FakeClock(20)
  const runner = new FakeRunner('r', clock, { run: () => 10 })
  const budget = new ByteBudget(1000)
  const scheduler = new ModelScheduler({ policy: batchingPolicy({}), runners: [runner], budget, clock })
  const answers: string[] = []
  record(answers, 1, scheduler.submit(request(1)))
  await clock.settle()
  record(answers, 2, scheduler.submit(request(2, { deadline: clock.now() + 9 })))
  await clock.advance(10)
  t.deepEqual(answers, ['2 DEADLINE_EXCEEDED', 'result 1'])
  t.deepEqual(batches(runner), [[1]])
})

test('an instance of which nothing is known gets its next batch when it is done', async (t) => {
  const { clock, runner, scheduler } = setup({ maxBatchSize: 8 }, { run: () => 50 })
  void scheduler.submit(request(1))
  await clock.advance(1)
  void scheduler.submit(request(2))
  await clock.advance(48)
  t.deepEqual(batches(runner), [[1]])
  await clock.advance(1)
  t.deepEqual(batches(runner), [[1], [2]])
})

test('how long a request would wait follows from what runs, what is gathered and what waits', async (t) => {
  const context = setup({ maxBatchSize: 2 }, { runners: 2, run: () => 40 })
  const { clock, scheduler } = context
  t.is(scheduler.expectedWait(1), 0, 'nothing is known yet')
  await teach(context, [2, 2])
  t.is(scheduler.expectedWait(2), 20, 'two rows take 40 ms, and there are two instances')
  const done = Array.from({ length: 12 }, (_, payload) => scheduler.submit(request(payload)))
  await clock.advance(10)
  // Each instance runs for 30 ms more and then a gathered batch of 40 ms; 4 rows wait.
  t.is(scheduler.expectedWait(0), 70 + 40)
  t.is(scheduler.expectedWait(4), 70 + 80)
  await clock.advance(200)
  await Promise.all(done)
  t.is(scheduler.expectedWait(0), 0)
})

test('an instance never holds more than two batches', async (t) => {
  const context = setup({ maxBatchSize: 1 })
  await teach(context, [1])
  const { clock, runner, scheduler } = context
  const done = Array.from({ length: 20 }, (_, index) => scheduler.submit(request(index)))
  await clock.settle()
  t.is(runner.started.length - 1, 2)
  t.is(scheduler.stats().pendingRequests, 19, 'one runs')
  await clock.advance(500)
  await Promise.all(done)
  t.is(runner.mostHeld, 2)
})

test('requests go to idle instances in turn, then to the one that is free first', async (t) => {
  const context = setup({ maxBatchSize: 1 }, { runners: 3 })
  const { clock, runners, scheduler } = context
  await teach(context, [1])
  await teach(context, [1])
  await teach(context, [1])
  t.deepEqual(
    runners.map(({ started }) => started.length),
    [1, 1, 1],
  )
  for (const payload of [1, 2, 3]) {
    void scheduler.submit(request(payload))
    await clock.advance(2)
  }
  void scheduler.submit(request(4))
  await clock.settle()
  t.deepEqual(
    runners.map((runner) => batches(runner).slice(1)),
    [[[1], [4]], [[2]], [[3]]],
  )
})

test('an expired request leaves the queue at its time and is never run', async (t) => {
  const { clock, runner, scheduler, budget } = setup({ maxBatchSize: 1 }, { run: () => 100 })
  const running = scheduler.submit(request(1))
  await clock.advance(1)
  const answers: string[] = []
  record(answers, 2, scheduler.submit(request(2, { deadline: clock.now() + 20 })))
  record(answers, 3, scheduler.submit(request(3, { timeoutMicroseconds: 30_000 })))
  await clock.advance(19)
  t.deepEqual(answers, [])
  await clock.advance(1)
  t.deepEqual(answers, ['2 DEADLINE_EXCEEDED'])
  await clock.advance(10)
  t.deepEqual(answers, ['2 DEADLINE_EXCEEDED', '3 DEADLINE_EXCEEDED'])
  t.is(scheduler.stats().queuedRequests, 0)
  t.is(budget.used, 10, 'only the running one holds bytes')
  await clock.advance(100)
  await running
  t.deepEqual(batches(runner), [[1]])
})

test('a request expires at its time in a gathered batch too, behind a run of any length', async (t) => {
  let run = 10
  const context = setup({ maxBatchSize: 2 }, { run: () => run })
  await teach(context, [2])
  run = 500
  const { clock, runner, scheduler, budget } = context
  const done = [1, 2].map((payload) => scheduler.submit(request(payload)))
  const answers: string[] = []
  record(answers, 3, scheduler.submit(request(3, { timeoutMicroseconds: 20_000 })))
  record(answers, 4, scheduler.submit(request(4)))
  await clock.settle()
  t.is(runner.started.length, 3, 'closed into a batch at once')
  await clock.advance(19)
  t.deepEqual(answers, [])
  await clock.advance(1)
  t.deepEqual(answers, ['3 DEADLINE_EXCEEDED'])
  t.deepEqual([...(runner.started.at(-1)?.cancelled ?? [])], [0], 'its rows leave the batch')
  t.is(budget.used, 40, 'the instance still refers to its bytes')
  await clock.advance(2000)
  await Promise.all(done)
  t.deepEqual(answers, ['3 DEADLINE_EXCEEDED', 'result 4'])
  t.deepEqual(runner.started.at(-1)?.ran?.payloads, [4])
  t.is(budget.used, 0)
})

test('a request that expires in the gathered batch is not run, its neighbours are', async (t) => {
  const context = setup({ maxBatchSize: 2 }, { run: () => 50 })
  await teach(context, [2])
  const { clock, runner, scheduler } = context
  const done = [1, 2].map((payload) => scheduler.submit(request(payload)))
  const answers: string[] = []
  record(answers, 3, scheduler.submit(request(3, { deadline: clock.now() + 20 })))
  record(answers, 4, scheduler.submit(request(4)))
  await clock.advance(200)
  await Promise.all(done)
  t.deepEqual(answers, ['3 DEADLINE_EXCEEDED', 'result 4'])
  t.deepEqual(runner.started.at(-1)?.ran?.payloads, [4])
})

test('a deadline that has passed is refused at the door', async (t) => {
  const { clock, runner, scheduler } = setup({ maxBatchSize: 1 })
  await rejects(t, scheduler.submit(request(1, { deadline: clock.now() })), 'DEADLINE_EXCEEDED')
  await clock.advance(50)
  t.deepEqual(batches(runner), [])
})

test('a request can shorten the default timeout, not lengthen it, and not at all where the policy says so', async (t) => {
  const wait = async (allowTimeoutOverride: boolean, timeoutMicroseconds: number | null): Promise<number> => {
    const queuePolicy = { ...DEFAULT_QUEUE_POLICY, defaultTimeoutMicroseconds: 30_000, allowTimeoutOverride }
    const { clock, scheduler } = setup({ defaultQueuePolicy: queuePolicy }, { run: () => 1000 })
    void scheduler.submit(request(1))
    await clock.settle()
    const start = clock.now()
    let ended = NaN
    scheduler.submit(request(2, { timeoutMicroseconds })).catch(() => (ended = clock.now() - start))
    await clock.advance(100)
    return ended
  }
  t.is(await wait(true, null), 30)
  t.is(await wait(true, 0), 30)
  t.is(await wait(true, 10_000), 10)
  t.is(await wait(true, 90_000), 30)
  t.is(await wait(false, 10_000), 30)
})

test('a cancelled request leaves the queue at once', async (t) => {
  const { clock, runner, scheduler, budget } = setup({ maxBatchSize: 1 }, { run: () => 100 })
  const running = scheduler.submit(request(1))
  await clock.advance(1)
  const controller = new AbortController()
  const waiting = scheduler.submit(request(2, { signal: controller.signal }))
  t.is(budget.used, 20)
  controller.abort()
  t.is(budget.used, 10)
  t.is(scheduler.stats().queuedRequests, 0)
  await rejects(t, waiting, 'CANCELLED')
  await clock.advance(200)
  await running
  t.deepEqual(batches(runner), [[1]])
})

test('a running request that is cancelled is answered at once and its run told, its neighbour is served', async (t) => {
  const { clock, runner, scheduler, budget } = setup({ maxBatchSize: 2 }, { run: () => 100 })
  const controller = new AbortController()
  const neighbour = scheduler.submit(request(1))
  const gone = scheduler.submit(request(2, { signal: controller.signal }))
  await clock.advance(10)
  controller.abort()
  await rejects(t, gone, 'CANCELLED')
  t.deepEqual([...(runner.started[0]?.cancelled ?? [])], [1])
  t.is(budget.used, 20, 'the batch holds its bytes until it is done')
  await clock.advance(100)
  t.is((await neighbour).result, 'result 1')
  t.is(budget.used, 0)
})

test('a caller that is gone before it asks is not admitted', async (t) => {
  const { clock, runner, scheduler } = setup({})
  await rejects(t, scheduler.submit(request(1, { signal: AbortSignal.abort() })), 'CANCELLED')
  await clock.advance(10)
  t.deepEqual(batches(runner), [])
})

test('the queue is bounded in requests, per level and in all', async (t) => {
  const queuePolicies = new Map([[2, { ...DEFAULT_QUEUE_POLICY, maxQueueSize: 1 }]])
  const { scheduler } = setup({
    maxQueuedRequests: 3,
    priorityLevels: 2,
    defaultPriorityLevel: 1,
    queuePolicies,
  })
  void scheduler.submit(request(1, { priority: 2 }))
  await rejects(t, scheduler.submit(request(2, { priority: 2 })), 'QUEUE_FULL')
  void scheduler.submit(request(3))
  void scheduler.submit(request(4, { priority: 7 }))
  await rejects(t, scheduler.submit(request(5)), 'QUEUE_FULL')
  t.is(scheduler.stats().queuedRequests, 3)
})

test('requests that have expired do not keep others out of a full queue', async (t) => {
  const { clock, scheduler } = setup({ maxQueuedRequests: 1 }, { run: () => 1000 })
  void scheduler.submit(request(1))
  await clock.settle()
  const answers: string[] = []
  record(answers, 2, scheduler.submit(request(2, { deadline: clock.now() + 5 })))
  // The clock has moved on, and the timer has not rung yet.
  clock.now = () => 1006
  record(answers, 3, scheduler.submit(request(3)))
  await clock.settle()
  t.deepEqual(answers, ['2 DEADLINE_EXCEEDED'])
  t.is(scheduler.stats().queuedRequests, 1)
})

test('the queue is bounded in bytes, per model and over all models', async (t) => {
  const { scheduler, budget, clock } = setup({ maxQueuedBytes: 100 }, { budget: 150 })
  void scheduler.submit(request(1, { bytes: 60 }))
  await rejects(t, scheduler.submit(request(2, { bytes: 60 })), 'QUEUE_FULL')
  await rejects(t, scheduler.submit(request(3, { bytes: 101 })), 'REQUEST_TOO_LARGE')
  t.is(budget.used, 60)

  const other = new ModelScheduler({
    policy: batchingPolicy({ maxQueuedBytes: 1000 }),
    runners: [new FakeRunner('other', clock, { run: () => 1 })],
    budget,
    clock,
  })
  await rejects(t, other.submit(request(4, { bytes: 91 })), 'QUEUE_FULL')
  await rejects(t, other.submit(request(5, { bytes: 151 })), 'REQUEST_TOO_LARGE')
  const fits = other.submit(request(6, { bytes: 90 }))
  await clock.advance(50)
  await fits
  t.is(budget.used, 0)
})

test('a request of more rows than a batch may have is refused', async (t) => {
  const { scheduler, budget } = setup({ maxBatchSize: 4 })
  for (const rows of [0, 5, 1.5, NaN])
    await rejects(t, scheduler.submit(request(1, { rows })), 'INVALID_REQUEST')
  t.is(budget.used, 0)
})

test('answers keep the order of arrival where that was promised', async (t) => {
  const run = (rows: number): number => (rows === 2 ? 100 : 10)
  for (const preserveOrdering of [true, false]) {
    const { clock, scheduler } = setup(
      { maxBatchSize: 2, preserveOrdering, dynamicBatching: false },
      { run, runners: 2 },
    )
    const answers: string[] = []
    record(answers, 1, scheduler.submit(request(1, { rows: 2 })))
    record(answers, 2, scheduler.submit(request(2)))
    record(answers, 3, scheduler.submit(request(3)))
    await clock.advance(99)
    t.deepEqual(answers, preserveOrdering ? [] : ['result 2', 'result 3'])
    await clock.advance(1)
    t.is(answers.length, 3)
    if (preserveOrdering) t.deepEqual(answers, ['result 1', 'result 2', 'result 3'])
  }
})

test('an answer that waits for its turn can be cancelled, and holds up nobody', async (t) => {
  const run = (rows: number): number => (rows === 2 ? 100 : 10)
  const policy = { maxBatchSize: 2, preserveOrdering: true, dynamicBatching: false }
  const { clock, scheduler } = setup(policy, { run, runners: 3 })
  const controller = new AbortController()
  const answers: string[] = []
  record(answers, 1, scheduler.submit(request(1, { rows: 2 })))
  record(answers, 2, scheduler.submit(request(2, { signal: controller.signal })))
  record(answers, 3, scheduler.submit(request(3)))
  await clock.advance(50)
  controller.abort()
  await clock.settle()
  t.deepEqual(answers, ['2 CANCELLED'])
  await clock.advance(50)
  t.deepEqual(answers, ['2 CANCELLED', 'result 1', 'result 3'])
})

test('a failing request fails alone, and so does the one that breaks its batch', async (t) => {
  const breaks = (payloads: readonly number[]): boolean => payloads.includes(3)
  const { clock, runner, scheduler, budget } = setup(
    { maxBatchSize: 2 },
    { fails: (payload) => payload === 2, breaks },
  )
  const answers: string[] = []
  for (const payload of [1, 2, 3, 4, 5]) record(answers, payload, scheduler.submit(request(payload)))
  await clock.advance(100)
  t.deepEqual(answers, ['result 1', '2 Error: failed 2', 'result 5', '3 INTERNAL', 'result 4'])
  t.deepEqual(
    batches(runner),
    [[1, 2], [3, 4], [5], [3], [4]],
    'the fifth was gathered before the batch broke',
  )
  t.is(budget.used, 0)
})

test('a batch that failed is run again one by one, in order, before what came later, once', async (t) => {
  const breaks = (payloads: readonly number[]): boolean => payloads.some((payload) => payload < 3)
  const { clock, runner, scheduler, budget } = setup({ maxBatchSize: 4, preserveOrdering: true }, { breaks })
  const answers: string[] = []
  for (const payload of [1, 2, 3, 4]) record(answers, payload, scheduler.submit(request(payload)))
  await clock.advance(1)
  for (const payload of [5, 6]) record(answers, payload, scheduler.submit(request(payload)))
  await clock.advance(10)
  t.deepEqual(answers, [])
  t.is(budget.used, 60, 'they hold their bytes until they have run')
  t.is(scheduler.stats().pendingRequests, 5, 'one runs, three wait again, two wait')
  await clock.advance(100)
  t.deepEqual(batches(runner), [[1, 2, 3, 4], [1], [2], [3], [4], [5, 6]])
  t.deepEqual(answers, ['1 INTERNAL', '2 INTERNAL', 'result 3', 'result 4', 'result 5', 'result 6'])
  t.is(budget.used, 0)
})

test('who is gone or too late by the time its turn comes again is not run again', async (t) => {
  const { clock, runner, scheduler, budget } = setup(
    { maxBatchSize: 4 },
    { breaks: (payloads) => payloads.length > 1 },
  )
  const controller = new AbortController()
  const answers: string[] = []
  record(answers, 1, scheduler.submit(request(1)))
  record(answers, 2, scheduler.submit(request(2, { signal: controller.signal })))
  // It was in time for the run that failed: its queue timeout is kept.
  record(answers, 3, scheduler.submit(request(3, { timeoutMicroseconds: 5_000 })))
  record(answers, 4, scheduler.submit(request(4, { deadline: clock.now() + 15 })))
  await clock.advance(12)
  controller.abort()
  await clock.settle()
  t.deepEqual(answers, ['2 CANCELLED'])
  t.is(budget.used, 40, 'it is gathered already')
  await clock.advance(3)
  t.deepEqual(answers, ['2 CANCELLED', '4 DEADLINE_EXCEEDED'], 'at its deadline')
  await clock.advance(100)
  t.deepEqual(answers, ['2 CANCELLED', '4 DEADLINE_EXCEEDED', 'result 1', 'result 3'])
  t.deepEqual(
    runner.started.map(({ ran }) => ran?.payloads),
    [[1, 2, 3, 4], [1], [], [3]],
  )
  t.is(budget.used, 0)
})

test('what a request itself did wrong is not tried again; a batch that an instance dropped is', async (t) => {
  const clock = new FakeClock()
  const timings = { gatherStart: 0, gatherEnd: 0, runStart: 0, runEnd: 0, scatterEnd: 0 }
  const failed = (code: ErrorCode): Outcome<string> => ({
    kind: 'failed',
    error: new SentinodeError(code, 'no'),
  })
  const sizes: number[] = []
  const respond = (first: Outcome<string>[], alone: Outcome<string>): BatchRunner<number, string> => ({
    name: 'r',
    start: (entries) => {
      sizes.push(entries.length)
      const outcomes = entries.length === 1 ? [alone] : first
      return { done: Promise.resolve({ outcomes, rows: 0, timings }), cancel: () => undefined }
    },
  })
  const ends = async (runner: BatchRunner<number, string>): Promise<string[]> => {
    const budget = new ByteBudget(100)
    const policy = batchingPolicy({ maxBatchSize: 2 })
    const scheduler = new ModelScheduler({ policy, runners: [runner], budget, clock })
    const answers: string[] = []
    for (const payload of [1, 2]) record(answers, payload, scheduler.submit(request(payload)))
    await clock.settle()
    t.is(budget.used, 0)
    return answers
  }
  const memory = respond([failed('INVALID_REQUEST'), failed('MEMORY_LIMIT')], failed('MEMORY_LIMIT'))
  t.deepEqual(await ends(memory), ['1 INVALID_REQUEST', '2 MEMORY_LIMIT'])
  t.deepEqual(sizes.splice(0), [2, 1])
  const stopped = respond([{ kind: 'cancelled' }, { kind: 'cancelled' }], { kind: 'ok', result: 'well' })
  t.deepEqual(await ends(stopped), ['well', 'well'])
  t.deepEqual(sizes.splice(0), [2, 1, 1])
  const gone = respond([{ kind: 'cancelled' }, { kind: 'cancelled' }], { kind: 'cancelled' })
  t.deepEqual(await ends(gone), ['1 MODEL_NOT_READY', '2 MODEL_NOT_READY'])
})

test('an instance that throws, or answers for too few, fails the batch with INTERNAL', async (t) => {
  const clock = new FakeClock()
  const timings = { gatherStart: 0, gatherEnd: 0, runStart: 0, runEnd: 0, scatterEnd: 0 }
  const broken: BatchRunner<number, string>[] = [
    {
      name: 'throws',
      start: () => {
        throw new Error('no')
      },
    },
    {
      name: 'short',
      start: () => ({ done: Promise.resolve({ outcomes: [], rows: 1, timings }), cancel: () => undefined }),
    },
  ]
  for (const runner of broken) {
    const budget = new ByteBudget(100)
    const scheduler = new ModelScheduler({ policy: batchingPolicy({}), runners: [runner], budget, clock })
    const failing = scheduler.submit(request(1))
    await Promise.all([rejects(t, failing, 'INTERNAL'), clock.settle()])
    t.is(budget.used, 0)
  }
})

test('draining admits no more, does not wait for fuller batches, and answers the rest', async (t) => {
  const { clock, scheduler, runner } = setup({ maxBatchSize: 8, maxQueueDelayMicroseconds: 1e6 })
  const answers: string[] = []
  record(answers, 1, scheduler.submit(request(1)))
  await clock.advance(5)
  t.deepEqual(batches(runner), [])
  const drained = scheduler.drain(clock.now() + 1000)
  await rejects(t, scheduler.submit(request(2)), 'SHUTTING_DOWN')
  await clock.advance(10)
  t.true(await drained)
  t.deepEqual(answers, ['result 1'])
  t.is(clock.timers, 0, 'no timer is left behind')
})

test('draining waits for a request that was announced, and lets it in', async (t) => {
  const { clock, scheduler, runner } = setup({ maxBatchSize: 8, maxQueueDelayMicroseconds: 1e6 })
  const [coming, never] = [scheduler.expect(), scheduler.expect()]
  const drained: boolean[] = []
  void scheduler.drain(clock.now() + 1000).then((inTime) => drained.push(inTime))
  await clock.advance(500)
  t.deepEqual(drained, [])
  t.throws(() => scheduler.expect(), { message: /shutting down/ })
  const answers: string[] = []
  record(answers, 1, scheduler.submit({ ...request(1), expected: coming }))
  await rejects(t, scheduler.submit({ ...request(2), expected: coming }), 'SHUTTING_DOWN')
  await clock.advance(100)
  t.deepEqual(answers, ['result 1'], 'and it waits for no fuller batch')
  t.deepEqual(drained, [], 'the other one is still to come')
  never.settle()
  await clock.settle()
  t.deepEqual(drained, [true])
  t.deepEqual(batches(runner), [[1]])
})

test('several requests may be announced at once, also without saying how many', async (t) => {
  const { clock, scheduler } = setup({})
  const [two, many] = [scheduler.expect(2), scheduler.expect(Infinity)]
  const drained: boolean[] = []
  void scheduler.drain(clock.now() + 1000).then((inTime) => drained.push(inTime))
  const answers: string[] = []
  record(answers, 1, scheduler.submit({ ...request(1), expected: two }))
  record(answers, 2, scheduler.submit({ ...request(2), expected: two }))
  await rejects(t, scheduler.submit({ ...request(3), expected: two }), 'SHUTTING_DOWN')
  for (const i of [4, 5, 6]) record(answers, i, scheduler.submit({ ...request(i), expected: many }))
  await clock.advance(100)
  t.is(answers.length, 5)
  t.deepEqual(drained, [], 'there may be more')
  many.settle()
  await clock.settle()
  t.deepEqual(drained, [true])
})

test('draining waits for what was announced until its deadline only', async (t) => {
  const { clock, scheduler } = setup({})
  const late = scheduler.expect()
  const drained = scheduler.drain(clock.now() + 50)
  await clock.advance(50)
  t.false(await drained)
  await rejects(t, scheduler.submit({ ...request(1), expected: late }), 'SHUTTING_DOWN')
})

test('what is not done when the drain ends is rejected and its run cancelled', async (t) => {
  const { clock, scheduler, runner, budget } = setup({ maxBatchSize: 1 }, { run: () => 100 })
  const answers: string[] = []
  record(answers, 1, scheduler.submit(request(1)))
  record(answers, 2, scheduler.submit(request(2)))
  await clock.settle()
  const drained = scheduler.drain(clock.now() + 50)
  await clock.advance(50)
  t.deepEqual(answers.sort(), ['1 SHUTTING_DOWN', '2 SHUTTING_DOWN'])
  t.deepEqual([...(runner.started[0]?.cancelled ?? [])], [0])
  await clock.advance(50)
  t.false(await drained)
  t.is(budget.used, 0)
  t.deepEqual(batches(runner), [[1]])
})

test('a scheduler with nothing to do closes at once, as often as asked', async (t) => {
  const { clock, scheduler } = setup({})
  t.true(await scheduler.drain(clock.now() + 1000))
  await scheduler.close()
  t.is(clock.timers, 0)
})

test('the observer hears of every request exactly once', async (t) => {
  const clock = new FakeClock()
  const heard: string[] = []
  const scheduler = new ModelScheduler({
    policy: batchingPolicy({ maxBatchSize: 2, maxQueuedRequests: 4 }),
    runners: [new FakeRunner('r', clock, { run: () => 10, fails: (payload) => payload === 2 })],
    budget: new ByteBudget(1000),
    clock,
    observer: {
      onEnqueue: (rows, bytes) => heard.push(`enqueue ${rows} ${bytes}`),
      onShed: (reason) => heard.push(`shed ${reason}`),
      onExpired: (stage, waited) => heard.push(`expired ${stage} ${waited}`),
      onCancelled: (stage, waited) => heard.push(`cancelled ${stage} ${waited}`),
      onFailed: (error, waited) => heard.push(`failed ${error.message} ${waited}`),
      onSuccess: ({ rows, enqueuedAt, finishedAt, late }) =>
        heard.push(`success ${rows} ${finishedAt - enqueuedAt} ${late}`),
      onBatch: ({ requests, rows }) => heard.push(`batch ${requests} ${rows}`),
      onSplit: (requests) => heard.push(`split ${requests}`),
    },
  })
  const controller = new AbortController()
  const all = Promise.allSettled([
    scheduler.submit(request(1, { deadline: clock.now() + 5 })),
    scheduler.submit(request(2)),
    scheduler.submit(request(3, { deadline: clock.now() + 4 })),
    scheduler.submit(request(4, { signal: controller.signal })),
    scheduler.submit(request(5)),
  ])
  await clock.advance(5)
  controller.abort()
  await clock.advance(20)
  await all
  t.deepEqual(heard, [
    ...Array.from({ length: 4 }, () => 'enqueue 1 10'),
    'shed queue_full',
    'expired queue 4',
    'cancelled queue 5',
    'batch 2 2',
    'success 1 10 true',
    'failed failed 2 10',
  ])
})
