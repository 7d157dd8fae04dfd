import { constants } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
type ShutdownSignal = (typeof SIGNALS)[number]

export interface ShutdownOptions {
  /** Stops the daemon; called once, at the first signal. */
  readonly stop: (signal: ShutdownSignal) => Promise<void>
  /** Milliseconds that `stop` may take. */
  readonly limitMs: number
  readonly exit: (code: number) => void
  /** Told of the second signal, before it forces the exit. */
  readonly onForce: (signal: ShutdownSignal) => void
  /** Told, before the exit, that `stop` took longer than it may. */
  readonly onLate: () => void
  /** Told, before the exit, what `stop` rejected with. */
  readonly onFailure: (error: unknown) => void
}

/**
 * The first SIGTERM or SIGINT drains and exits 0, or 1 where draining fails or does not end in time; a second
 * one exits at once with 128 and its number, as a shell reports a process that a signal ended. Returns a
 * function that takes the handlers off again.
 */
export function handleSignals(options: ShutdownOptions): () => void {
  let stopping = false
  const onSignal = (signal: ShutdownSignal): void => {
    if (stopping) {
      options.onForce(signal)
      options.exit(128 + constants.signals[signal])
      return
    }
    stopping = true
    const late = setTimeout(() => {
      options.onLate()
      options.exit(1)
    }, options.limitMs)
    options
      .stop(signal)
      .then(
        () => 0,
        (error: unknown) => {
          options.onFailure(error)
          return 1
        },
      )
      .then((code) => {
        clearTimeout(late)
        options.exit(code)
      }, options.onFailure)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}
