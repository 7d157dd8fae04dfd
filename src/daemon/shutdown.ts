import { constants } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
type ShutdownSignal = (typeof SIGNALS)[number]

export interface ShutdownOptions {
  /** Stops the daemon; called once, at the first signal. */
  readonly stop: (signal: ShutdownSignal) => Promise<void>
  readonly exit: (code: number) => void
  /** Told of the second signal, before it forces the exit. */
  readonly onForce: (signal: ShutdownSignal) => void
}

/**
 * The first SIGTERM or SIGINT drains and exits 0 (1 where draining fails); a second one exits at once with
 * 128 and its number, as a shell reports a process that a signal ended. Returns a function that takes the
 * handlers off again.
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
    options.stop(signal).then(
      () => options.exit(0),
      () => options.exit(1),
    )
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}
