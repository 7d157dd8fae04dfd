import { SentinodeError } from '../errors.js'

/** What one priority level's queue accepts, and for how long. */
export interface QueuePolicy {
  /** Requests that may wait at this level; 0 leaves it to the model's own bound. */
  readonly maxQueueSize: number
  /** Longest wait in the queue; 0 for no limit. */
  readonly defaultTimeoutMicroseconds: number
  /** Whether a request's own `timeout` counts. It can shorten the default, never lengthen it. */
  readonly allowTimeoutOverride: boolean
  /** What happens once the timeout has passed. Triton's other action, DELAY, is not offered. */
  readonly timeoutAction: 'REJECT'
}

/** How the requests of one model are queued and batched. Build it with `batchingPolicy`. */
export interface BatchingPolicy {
  /** False: every request runs alone, as in Triton without `dynamic_batching`. */
  readonly dynamicBatching: boolean
  /** Rows of a batch, >= 1; also the rows of a single request. */
  readonly maxBatchSize: number
  /** Ascending, each within 1 and maxBatchSize. Empty: the largest batch is the only preferred one. */
  readonly preferredBatchSizes: readonly number[]
  /** How long an idle instance may wait for a preferred batch; 0 never makes it wait. */
  readonly maxQueueDelayMicroseconds: number
  /** Results are released in the order of arrival. */
  readonly preserveOrdering: boolean
  /** Level 1 is the highest. */
  readonly priorityLevels: number
  /** The level of a request that names none, or one that does not exist. */
  readonly defaultPriorityLevel: number
  /** A request yields to one level higher only if that arrives within this time after it. */
  readonly priorityAgeingMilliseconds: number
  readonly defaultQueuePolicy: QueuePolicy
  /** Levels with a policy of their own. */
  readonly queuePolicies: ReadonlyMap<number, QueuePolicy>
  /** Requests that may wait, over all levels. */
  readonly maxQueuedRequests: number
  /** Bytes that waiting requests may hold, over all levels. */
  readonly maxQueuedBytes: number
}

export const DEFAULT_QUEUE_POLICY: QueuePolicy = Object.freeze({
  maxQueueSize: 0,
  defaultTimeoutMicroseconds: 0,
  allowTimeoutOverride: true,
  timeoutAction: 'REJECT',
})

const DEFAULTS: BatchingPolicy = {
  dynamicBatching: true,
  maxBatchSize: 1,
  preferredBatchSizes: [],
  maxQueueDelayMicroseconds: 0,
  preserveOrdering: false,
  priorityLevels: 1,
  defaultPriorityLevel: 1,
  priorityAgeingMilliseconds: 1000,
  defaultQueuePolicy: DEFAULT_QUEUE_POLICY,
  queuePolicies: new Map(),
  maxQueuedRequests: 1024,
  maxQueuedBytes: 1024 ** 3,
}

/**
 * Completes and checks a policy. Without a level of its own named, the default priority is the middle
 * level, so that there is room on both sides.
 * @throws SentinodeError INVALID_OPTION naming the option, what was expected and what was found.
 */
export function batchingPolicy(options: Partial<BatchingPolicy>): BatchingPolicy {
  const levels = options.priorityLevels ?? DEFAULTS.priorityLevels
  const policy: BatchingPolicy = {
    ...DEFAULTS,
    defaultPriorityLevel: Math.ceil(levels / 2),
    ...options,
    preferredBatchSizes: [...new Set(options.preferredBatchSizes ?? [])].sort((a, b) => a - b),
  }
  integer('maxBatchSize', policy.maxBatchSize, 1)
  for (const size of policy.preferredBatchSizes) integer('preferredBatchSizes', size, 1, policy.maxBatchSize)
  number('maxQueueDelayMicroseconds', policy.maxQueueDelayMicroseconds)
  integer('priorityLevels', policy.priorityLevels, 1)
  integer('defaultPriorityLevel', policy.defaultPriorityLevel, 1, policy.priorityLevels)
  number('priorityAgeingMilliseconds', policy.priorityAgeingMilliseconds)
  integer('maxQueuedRequests', policy.maxQueuedRequests, 1)
  integer('maxQueuedBytes', policy.maxQueuedBytes, 1)
  queuePolicy('defaultQueuePolicy', policy.defaultQueuePolicy)
  for (const [level, own] of policy.queuePolicies) {
    integer('queuePolicies', level, 1, policy.priorityLevels)
    queuePolicy(`queuePolicies[${level}]`, own)
  }
  return Object.freeze(policy)
}

/** The fewest rows that can make a complete batch. */
export function smallestCompleteBatch(policy: BatchingPolicy): number {
  return policy.preferredBatchSizes[0] ?? policy.maxBatchSize
}

/** The level that a request's `priority` means: 0 and levels that do not exist mean the default. */
export function levelFor(policy: BatchingPolicy, priority: number): number {
  const exists = Number.isInteger(priority) && priority >= 1 && priority <= policy.priorityLevels
  return exists ? priority : policy.defaultPriorityLevel
}

export function queuePolicyFor(policy: BatchingPolicy, level: number): QueuePolicy {
  return policy.queuePolicies.get(level) ?? policy.defaultQueuePolicy
}

/** How long a request may wait, in milliseconds; Infinity for no limit. */
export function queueTimeout(policy: QueuePolicy, requestMicroseconds: number | null): number {
  const standard = policy.defaultTimeoutMicroseconds || Infinity
  const own = policy.allowTimeoutOverride && requestMicroseconds ? requestMicroseconds : Infinity
  return Math.min(standard, own) / 1000
}

function queuePolicy(name: string, policy: QueuePolicy): void {
  integer(`${name}.maxQueueSize`, policy.maxQueueSize, 0)
  number(`${name}.defaultTimeoutMicroseconds`, policy.defaultTimeoutMicroseconds)
}

function integer(name: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `between ${least} and ${most}`
    throw new SentinodeError('INVALID_OPTION', `${name}: expected an integer ${range}, found ${value}`)
  }
}

function number(name: string, value: number): void {
  if (!Number.isFinite(value) || value < 0)
    throw new SentinodeError('INVALID_OPTION', `${name}: expected a number of at least 0, found ${value}`)
}
