import test from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import { ByteBudget } from '../../src/scheduling/admission.js'
import { batchingPolicy } from '../../src/scheduling/policy.js'
import { ModelScheduler } from '../../src/scheduling/scheduler.js'
import type { BatchResult, Clock, HungRun } from '../../src/scheduling/types.js'
import { runBound, watched, Watchdog } from '../../src/scheduling/watchdog.js'
import { FakeClock, FakeRunner, request } from './_support.js'

const MINUTE = 60_000

test('a run may take many times what such runs took, a minute at least, or what the operator says', (t) => {
  t.is(runBound(null, { gather: 1, run: 9, deviation: 0 }), MINUTE)
  t.is(runBound(null, { gather: 1000, run: 9000, deviation: 0 }), 500_000)
  t.is(runBound(null, null), 10 * MINUTE)
  t.is(runBound(2000, { gather: 1000, run: 9000, deviation: 0 }), 2000)
})

/** A clock that leaps, as it does for a process that was stopped. */
function leapingClock(): Clock & { leap: (milliseconds: number) => void; readonly timers: number } {
  let now = 0
  let due: (() => void) | null = null
  return {
    now: () => now,
    setTimer: (_, callback) => {
      due = callback
      return () => (due = null)
    },
    defer: (callback) => callback(),
    leap: (milliseconds) => {
      now += milliseconds
      const callback = due
      due = null
      callback?.()
    },
    get timers() {
      return due === null ? 0 : 1
    },
  }
}

test('a process that was stopped for an hour finds no run that hangs', (t) => {
  const clock = leapingClock()
  const run = {}
  const hung: number[] = []
  const watchdog = new Watchdog({
    clock,
    running: () => [run],
    boundOf: () => MINUTE,
    onHung: (_, milliseconds) => void hung.push(milliseconds),
  })
  watchdog.wake()
  clock.leap(1000)
  for (let i = 0; i < 10; i++) clock.leap(60 * MINUTE)
  t.deepEqual(hung, [])
  for (let i = 0; i < 39; i++) clock.leap(1000)
  t.deepEqual(hung, [])
  for (let i = 0; i < 2; i++) clock.leap(1000)
  t.deepEqual(hung, [61_000])
  watchdog.rest()
  t.is(clock.timers, 0)
})

test('each run has its own time', (t) => {
  const clock = leapingClock()
  let run = {}
  const hung: object[] = []
  const watchdog = new Watchdog({
    clock,
    running: () => [run],
    boundOf: () => 5000,
    onHung: (which) => void hung.push(which),
  })
  watchdog.wake()
  for (let i = 0; i < 10; i++) {
    run = {}
    for (let k = 0; k < 5; k++) clock.leap(1000)
  }
  t.deepEqual(hung, [])
  for (let k = 0; k < 2; k++) clock.leap(1000)
  t.deepEqual(hung, [run])
})

test('a single run that hangs is told of once, with its stage, and rejected', async (t) => {
  const clock = leapingClock()
  const told: HungRun[] = []
  const run = {
    done: new Promise<BatchResult<string>>(() => undefined),
    cancel: () => undefined,
    stage: () => 'gather' as const,
  }
  const watch = { clock, bound: 2000, onHung: (hung: HungRun) => void told.push(hung) }
  const waiting = watched(run, { instance: 'a', rows: 3 }, watch)
  for (let k = 0; k < 8; k++) clock.leap(1000)
  await t.throwsAsync(waiting, { message: /within 3 s \(stage: gather\)/ })
  t.deepEqual(told, [
    { instance: 'a', rows: 3, stage: 'gather', requests: 1, milliseconds: 3000, instancesLeft: 0 },
  ])
  t.is(clock.timers, 0)
})

interface Ended {
  readonly payload: number
  readonly how: string
}

/** A model with an instance for each of `runs`, and how its requests end. */
function model(runs: readonly ((rows: number) => number)[]) {
  const clock = new FakeClock()
  const runners = runs.map((run, i) => new FakeRunner(`r${i}`, clock, { run }))
  const budget = new ByteBudget(1000)
  const hung: HungRun[] = []
  const ended: Ended[] = []
  const scheduler = new ModelScheduler<number, string>({
    policy: batchingPolicy({ maxBatchSize: 1, dynamicBatching: false }),
    runners,
    budget,
    clock,
    onHung: (run) => void hung.push(run),
  })
  const submit = (payload: number): void => {
    scheduler.submit(request(payload)).then(
      ({ result }) => ended.push({ payload, how: result }),
      (error: unknown) => ended.push({ payload, how: isSentinodeError(error) ? error.code : String(error) }),
    )
  }
  return { clock, runners, budget, hung, ended, scheduler, submit }
}

test('the only instance hangs: everybody is told, nothing is admitted any more, and the drain ends', async (t) => {
  let seconds = 700
  const { clock, runners, budget, hung, ended, scheduler, submit } = model([() => seconds * 1000])
  for (const payload of [1, 2, 3]) submit(payload)
  await clock.advance(602_000)
  t.deepEqual(
    hung.map(({ instance, requests, rows, instancesLeft }) => [instance, requests, rows, instancesLeft]),
    [['r0', 1, 1, 0]],
  )
  t.deepEqual(ended, [
    { payload: 1, how: 'RUN_TIMEOUT' },
    { payload: 2, how: 'MODEL_NOT_READY' },
    { payload: 3, how: 'MODEL_NOT_READY' },
  ])
  t.deepEqual([...(runners[0]?.started[0]?.cancelled ?? [])], [0], 'it is told to end all the same')
  submit(4)
  await clock.settle()
  t.is(ended.at(-1)?.how, 'MODEL_NOT_READY')
  t.is(scheduler.expectedWait(1), 0)
  t.true(await scheduler.drain(clock.now() + 1000))
  t.is(budget.used, 10, 'what the instance may still read')
  seconds = 0
  await clock.advance(800_000)
  t.is(budget.used, 0)
  t.is(ended.length, 4)
  t.is(hung.length, 1)
  t.is(clock.timers, 0)
})

test('one of two instances hangs: what waited behind it is run by the other, and so is all that comes', async (t) => {
  let slow = 0
  const { clock, runners, budget, hung, ended, submit, scheduler } = model([
    () => (slow++ === 3 ? Infinity : 2000),
    () => 2000,
  ])
  for (let payload = 0; payload < 6; payload++) submit(payload)
  await clock.advance(20_000)
  t.is(ended.length, 6)
  for (let payload = 6; payload < 10; payload++) submit(payload)
  await clock.advance(50_000)
  t.is(hung.length, 0, 'fifty times two seconds')
  await clock.advance(60_000)
  t.deepEqual(
    hung.map(({ instance, instancesLeft }) => [instance, instancesLeft]),
    [['r0', 1]],
  )
  await clock.advance(10_000)
  const given = runners.map(({ started }) => new Set(started.flatMap(({ payloads }) => payloads)))
  const moved = [...(given[0] ?? [])].filter((payload) => given[1]?.has(payload))
  t.is(moved.length, 1, 'what waited behind the run that hung')
  const late = ended.filter(({ payload }) => payload >= 6)
  t.is(late.length, 4)
  t.is(late.filter(({ how }) => how === 'RUN_TIMEOUT').length, 1)
  t.is(late.filter(({ how, payload }) => how === `result ${payload}`).length, 3)
  const before = runners[0]?.started.length
  for (let payload = 10; payload < 20; payload++) submit(payload)
  await clock.advance(60_000)
  t.is(ended.length, 20)
  t.is(runners[0]?.started.length, before)
  t.is(budget.used, 10, "the hung run's own")
  t.true(await scheduler.drain(clock.now() + 1000))
})
