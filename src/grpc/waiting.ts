export interface Interruptions {
  readonly signals: readonly AbortSignal[]
  /** Infinity for no bound. */
  readonly withinMs: number
  /** What it rejects with after that. */
  readonly late: () => Error
}

/** `promise`, unless a signal is aborted or the time is over first; how the promise ends is then of no interest. */
export function interruptible<T>(
  promise: Promise<T>,
  { signals, withinMs, late }: Interruptions,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = Number.isFinite(withinMs) ? setTimeout(() => settle(() => reject(late())), withinMs) : null
    const listeners = signals.map((signal) => ({
      signal,
      listener: (): void => settle(() => reject(signal.reason as Error)),
    }))
    function settle(how: () => void): void {
      if (timer !== null) clearTimeout(timer)
      for (const { signal, listener } of listeners) signal.removeEventListener('abort', listener)
      how()
    }
    for (const { signal, listener } of listeners) signal.addEventListener('abort', listener, { once: true })
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => {
        const reason = error as Error
        settle(() => reject(reason))
      },
    )
    const aborted = listeners.find(({ signal }) => signal.aborted)
    aborted?.listener()
  })
}
