import test from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import { DurationEstimates } from '../../src/scheduling/estimates.js'
import {
  batchingPolicy,
  DEFAULT_QUEUE_POLICY,
  levelFor,
  type BatchingPolicy,
} from '../../src/scheduling/policy.js'
import type { BatchTimings } from '../../src/scheduling/types.js'

test('a policy is completed with defaults that bound the queue and hold nothing back', (t) => {
  const policy = batchingPolicy({ maxBatchSize: 8, preferredBatchSizes: [8, 2, 8] })
  t.deepEqual(policy.preferredBatchSizes, [2, 8])
  t.is(policy.maxQueueDelayMicroseconds, 0)
  t.true(Number.isFinite(policy.maxQueuedRequests) && Number.isFinite(policy.maxQueuedBytes))
  t.true(policy.defaultQueuePolicy.allowTimeoutOverride)
  t.throws(() => Object.assign(policy, { maxBatchSize: 9 }), { instanceOf: TypeError })
})

test('options that cannot be meant are refused by name, with what was expected and found', (t) => {
  const bad: readonly [Partial<BatchingPolicy>, RegExp][] = [
    [{ maxBatchSize: 0 }, /^maxBatchSize: expected an integer of at least 1, found 0/],
    [{ maxBatchSize: 2.5 }, /^maxBatchSize/],
    [
      { maxBatchSize: 4, preferredBatchSizes: [5] },
      /^preferredBatchSizes: expected an integer between 1 and 4, found 5/,
    ],
    [{ maxQueueDelayMicroseconds: -1 }, /^maxQueueDelayMicroseconds/],
    [{ maxQueueDelayMicroseconds: NaN }, /^maxQueueDelayMicroseconds/],
    [{ priorityLevels: 2, defaultPriorityLevel: 3 }, /^defaultPriorityLevel/],
    [{ priorityAgeingMilliseconds: Infinity }, /^priorityAgeingMilliseconds/],
    [{ maxQueuedRequests: 0 }, /^maxQueuedRequests/],
    [{ maxQueuedBytes: 0 }, /^maxQueuedBytes/],
    [{ queuePolicies: new Map([[2, DEFAULT_QUEUE_POLICY]]) }, /^queuePolicies/],
    [
      { defaultQueuePolicy: { ...DEFAULT_QUEUE_POLICY, maxQueueSize: -1 } },
      /^defaultQueuePolicy\.maxQueueSize/,
    ],
  ]
  for (const [options, message] of bad) {
    const error = t.throws(() => batchingPolicy(options), { message }, JSON.stringify(options))
    t.true(isSentinodeError(error) && error.code === 'INVALID_OPTION')
  }
})

test('priority 0, and levels that do not exist, mean the default level', (t) => {
  const policy = batchingPolicy({ priorityLevels: 5, defaultPriorityLevel: 4 })
  t.deepEqual(
    [0, 1, 5, 6, -1, 1.5].map((priority) => levelFor(policy, priority)),
    [4, 1, 5, 4, 4, 4],
  )
})

function took(gather: number, run: number): BatchTimings {
  return {
    gatherStart: 0,
    gatherEnd: gather,
    runStart: gather,
    runEnd: gather + run,
    scatterEnd: gather + run,
  }
}

test('durations are expected as they were seen, later ones weighing more', (t) => {
  const estimates = new DurationEstimates()
  t.is(estimates.expect('a', 4), null)
  estimates.observe('a', 4, took(2, 10))
  t.deepEqual(estimates.expect('a', 4), { gather: 2, run: 10, deviation: 0 })
  for (let index = 0; index < 50; index++) estimates.observe('a', 4, took(2, 30))
  const learnt = estimates.expect('a', 4)
  t.true(Math.abs((learnt?.run ?? 0) - 30) < 0.1 && (learnt?.deviation ?? 9) < 0.1)
  t.is(estimates.expect('b', 4), null)
})

test('for other numbers of rows the nearest known is taken in proportion', (t) => {
  const estimates = new DurationEstimates()
  estimates.observe('a', 1, took(1, 10))
  estimates.observe('a', 8, took(4, 40))
  t.is(estimates.expect('a', 2)?.run, 20)
  t.is(estimates.expect('a', 6)?.run, 30)
})

test('the memory of durations is bounded, however many shapes are asked for', (t) => {
  const estimates = new DurationEstimates()
  for (let index = 0; index < 10_000; index++) {
    estimates.observe('often', 1, took(0, 5))
    estimates.observe(`shape ${index}`, 1, took(0, 1))
  }
  t.is(estimates.expect('shape 0', 1), null)
  t.is(estimates.expect('shape 9999', 1)?.run, 1)
  t.is(estimates.expect('often', 1)?.run, 5)
})
