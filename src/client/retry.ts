import { setTimeout as pause } from 'node:timers/promises'
import { CallError } from './call-error.js'

export interface RetryOptions {
  /** From the first failure on. */
  readonly forMs: number
  readonly signal: AbortSignal
  /** Told before each pause. */
  readonly onRetry?: (error: CallError, waitMs: number) => void
}

const FIRST_MS = 250
const LONGEST_MS = 15_000

/**
 * Tries until it succeeds, fails for a reason that will not pass, or has failed for too long. Pauses double
 * and are spread at random, so that the callers that a busy server turned away do not come back together.
 * @throws the last CallError, any other error at once, and the signal's reason
 */
export async function withRetries<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { forMs, signal, onRetry } = options
  let until = Infinity
  for (let backoff = FIRST_MS; ; backoff = Math.min(2 * backoff, LONGEST_MS)) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof CallError) || !error.retryable) throw error
      until = Math.min(until, Date.now() + forMs)
      const wait = Math.max(error.pushbackMs, backoff * (0.5 + Math.random() / 2))
      if (Date.now() + wait > until) throw error
      onRetry?.(error, wait)
      await pause(wait, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}
