/** The scheduler's policy from the completed configuration. */
import type { ModelQueuePolicy } from '../../generated/model_config.js'
import { ModelConfig } from '../../generated/model_config.js'
import {
  batchingPolicy,
  type BatchingPolicy,
  DEFAULT_QUEUE_POLICY,
  type QueuePolicy,
} from '../../scheduling/index.js'
import type { ConfigSource } from './source.js'

/** What the server sets for every model. */
export type PolicyDefaults = Partial<
  Pick<BatchingPolicy, 'maxQueuedRequests' | 'maxQueuedBytes' | 'priorityAgeingMilliseconds'>
>

/**
 * @param source the text, which knows whether `allow_timeout_override: false` was written or is only proto3's
 *   default: a request's timeout is honoured unless the text says no
 */
export function readPolicy(
  source: ConfigSource,
  config: ModelConfig,
  defaults: PolicyDefaults,
): BatchingPolicy {
  const choice = config.schedulingChoice
  const maxBatchSize = Math.max(1, config.maxBatchSize)
  if (choice?.$case !== 'dynamicBatching')
    return batchingPolicy({ ...defaults, maxBatchSize, dynamicBatching: false })
  const batching = choice.value
  const levels = Number(batching.priorityLevels)
  const at = 'dynamic_batching'
  const fallback = readQueuePolicy(source, batching.defaultQueuePolicy, `${at}.default_queue_policy`)
  return batchingPolicy({
    ...defaults,
    dynamicBatching: true,
    maxBatchSize,
    preferredBatchSizes: batching.preferredBatchSize,
    maxQueueDelayMicroseconds: Number(batching.maxQueueDelayMicroseconds),
    preserveOrdering: batching.preserveOrdering,
    ...(levels > 0 && {
      priorityLevels: levels,
      defaultPriorityLevel: Number(batching.defaultPriorityLevel),
    }),
    defaultQueuePolicy: fallback,
    queuePolicies: new Map(
      [...batching.priorityQueuePolicy].map(([level, policy]) => [
        Number(level),
        readQueuePolicy(source, policy, `${at}.priority_queue_policy["${level}"]`),
      ]),
    ),
  })
}

function readQueuePolicy(
  source: ConfigSource,
  policy: ModelQueuePolicy | undefined,
  path: string,
): QueuePolicy {
  if (policy === undefined) return DEFAULT_QUEUE_POLICY
  return {
    maxQueueSize: policy.maxQueueSize,
    defaultTimeoutMicroseconds: Number(policy.defaultTimeoutMicroseconds),
    allowTimeoutOverride: policy.allowTimeoutOverride || !source.has(`${path}.allow_timeout_override`),
    timeoutAction: 'REJECT',
  }
}
