// What the scheduler itself costs in CPU time: a submission, a decision, and a request's whole way past an instance
// that does nothing, with 1, 100 and 10,000 requests waiting.
//   npm run bench:scheduler [-- --json]
import { decide } from '../../src/scheduling/decide.js'
import { batchingPolicy, ByteBudget, ModelScheduler, type BatchRunner } from '../../src/scheduling/index.js'
import { rankOf, RequestQueue, type Queued } from '../../src/scheduling/queue.js'
import { median } from '../lib/stats.js'
import { report } from '../lib/table.js'

const DEPTHS = [1, 100, 10_000]
const BUCKETS = 8
const ROUNDS = 15
const policy = batchingPolicy({ maxBatchSize: 8, priorityLevels: 2, maxQueuedRequests: 1_000_000 })

/** Of this process: what other programs do on the machine is left out. */
function cpuNanoseconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

function submission(index: number, signal: AbortSignal | null) {
  return {
    id: '',
    payload: index,
    rows: 1,
    bytes: 100,
    bucket: `shape ${index % BUCKETS}`,
    priority: 1 + (index % 2),
    timeoutMicroseconds: null,
    // Ever later, as callers with the same timeout have it.
    deadline: 1e12 + index,
    signal,
  }
}

function newScheduler(runner: BatchRunner<number, null>): ModelScheduler<number, null> {
  return new ModelScheduler({ policy, runners: [runner], budget: new ByteBudget(1e12) })
}

/** Nanoseconds of one submission into a queue of this depth. */
async function submitting(depth: number): Promise<number> {
  const scheduler = newScheduler({
    name: 'stuck',
    start: () => ({ done: new Promise(() => undefined), cancel: () => undefined }),
  })
  const outcomes: Promise<unknown>[] = []
  const submit = (index: number): void => {
    outcomes.push(scheduler.submit(submission(index, null)).catch(() => undefined))
  }
  for (let index = 0; index < depth; index++) submit(index)
  await new Promise((resolve) => setImmediate(resolve))
  const count = 2000
  const begin = cpuNanoseconds()
  for (let index = 0; index < count; index++) submit(depth + index)
  const nanoseconds = (cpuNanoseconds() - begin) / count
  void scheduler.close()
  return nanoseconds
}

/** Nanoseconds of one decision over a queue of this depth. */
function deciding(depth: number): number {
  const queue = new RequestQueue<Queued>(policy.maxBatchSize)
  for (let sequence = 0; sequence < depth; sequence++) {
    const level = 1 + (sequence % 2)
    const bucket = `shape ${sequence % BUCKETS}`
    const rank = rankOf(level, sequence, policy.priorityAgeingMilliseconds)
    queue.add({ sequence, rows: 1, bytes: 100, bucket, level, rank, enqueuedAt: sequence })
  }
  const count = 20_000
  const begin = cpuNanoseconds()
  for (let index = 0; index < count; index++) decide(queue, policy, { kind: 'idle' }, 1e6)
  return (cpuNanoseconds() - begin) / count
}

/** Nanoseconds of a request from submission to answer, with this many submitted at once. */
async function passing(depth: number): Promise<number> {
  const scheduler = newScheduler({
    name: 'instant',
    start: (entries) => {
      const now = performance.now()
      const timings = { gatherStart: now, gatherEnd: now, runStart: now, runEnd: now, scatterEnd: now }
      const outcomes = entries.map(() => ({ kind: 'ok', result: null }) as const)
      return { done: Promise.resolve({ outcomes, rows: entries.length, timings }), cancel: () => undefined }
    },
  })
  const repeats = Math.ceil(10_000 / depth)
  const begin = cpuNanoseconds()
  for (let repeat = 0; repeat < repeats; repeat++) {
    const signal = new AbortController().signal
    await Promise.all(
      Array.from({ length: depth }, (_, index) =>
        scheduler.submit(submission(index, depth === 1 ? signal : null)),
      ),
    )
  }
  return (cpuNanoseconds() - begin) / (repeats * depth)
}

const table = [['waiting', 'submit ns', 'decide ns', 'whole way ns']]
const results = []
for (const depth of DEPTHS) {
  const rounds: (readonly [number, number, number])[] = []
  for (let round = 0; round < ROUNDS; round++)
    rounds.push([await submitting(depth), deciding(depth), await passing(depth)])
  const [submit, decision, way] = [0, 1, 2].map((place) =>
    median(rounds.slice(3).map((round) => round[place] ?? NaN)),
  )
  results.push({ waiting: depth, submit_ns: submit, decide_ns: decision, whole_way_ns: way })
  table.push([depth, submit, decision, way].map((value) => (value ?? NaN).toFixed(0)))
}
report(table, results)
