import type { Clock, TimerPrecision } from './types.js'

/** `setTimeout` counts whole milliseconds and may be this late; the rest is polled where it matters. */
const TIMEOUT_SLACK_MS = 2
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/** CLOCK_MONOTONIC in milliseconds, the same clock that the addon stamps its timings with. */
export function monotonicNow(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

/** The clock of a real daemon. */
export function systemClock(): Clock {
  return { now: monotonicNow, setTimer, defer: (callback) => void setImmediate(callback) }
}

function setTimer(atMs: number, callback: () => void, precision: TimerPrecision): () => void {
  let stop: () => void = () => undefined
  const slack = precision === 'fine' ? TIMEOUT_SLACK_MS : 0
  const arm = (): void => {
    const remaining = atMs - monotonicNow()
    if (remaining <= 0) {
      stop = () => undefined
      callback()
    } else if (remaining <= slack) {
      const immediate = setImmediate(arm)
      stop = () => clearImmediate(immediate)
    } else {
      const timeout = setTimeout(arm, Math.min(Math.ceil(remaining - slack), LONGEST_TIMEOUT_MS))
      stop = () => clearTimeout(timeout)
    }
  }
  // Never from inside the call that set it: the caller still holds the state that the callback changes.
  if (atMs - monotonicNow() <= 0) {
    const immediate = setImmediate(callback)
    stop = () => clearImmediate(immediate)
  } else arm()
  return () => stop()
}
