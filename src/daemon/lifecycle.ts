/**
 * What the daemon is doing. STARTING: models load, calls about the server are answered. SERVING: requests
 * are. DRAINING: nothing new is let in, what is in flight finishes. STOPPED: everything is released.
 * FAILED: the start did not succeed.
 */
export type DaemonState = 'STARTING' | 'SERVING' | 'DRAINING' | 'STOPPED' | 'FAILED'

const NEXT: Readonly<Record<DaemonState, readonly DaemonState[]>> = {
  STARTING: ['SERVING', 'DRAINING', 'FAILED'],
  SERVING: ['DRAINING'],
  DRAINING: ['STOPPED'],
  STOPPED: [],
  FAILED: [],
}

/** Holds the state and refuses steps that do not exist. */
export class Lifecycle {
  #state: DaemonState = 'STARTING'

  constructor(private readonly onChange: (state: DaemonState) => void = () => undefined) {}

  get state(): DaemonState {
    return this.#state
  }

  /** Moves to `state`; false where it cannot be reached from here. */
  enter(state: DaemonState): boolean {
    if (!NEXT[this.#state].includes(state)) return false
    this.#state = state
    this.onChange(state)
    return true
  }
}
