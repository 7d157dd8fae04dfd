/**
 * Long work on the thread that answers everyone. It is written as a generator that yields after each piece (some
 * ten thousand steps, well under a millisecond) and run in slices, between which the event loop turns.
 */
export type Sliced<T> = Generator<undefined, T, undefined>

/** Elements or bytes that one piece looks at. */
export const PIECE = 65_536

/** Of all work together, for each turn of the event loop: what everybody else waits for. */
const SLICE_MS = 4

/** To its end, at once: where the work is known to be short, or nobody waits. */
export function runAtOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

/**
 * The first piece is run at once, so that short work costs nothing more. Rejects with what the work throws, or with
 * the signal's reason between two slices.
 */
export function inSlices<T>(work: Sliced<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    /** Whether that was the last piece. Nothing escapes it. */
    const piece = (): boolean => {
      try {
        signal?.throwIfAborted()
        const step = work.next()
        if (step.done !== true) return false
        resolve(step.value)
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
      return true
    }
    if (!piece()) begin(piece)
  })
}

type Piece = () => boolean

const waiting: Piece[] = []

function begin(piece: Piece): void {
  waiting.push(piece)
  if (waiting.length === 1) setImmediate(turn)
}

/** One slice for whoever waits longest, who then goes to the end: long work does not hold up shorter. */
function turn(): void {
  const end = performance.now() + SLICE_MS
  for (let piece = waiting[0]; piece !== undefined; piece = waiting[0]) {
    let done = false
    while (!done && performance.now() < end) done = piece()
    waiting.shift()
    if (!done) waiting.push(piece)
    if (performance.now() >= end) break
  }
  if (waiting.length > 0) setImmediate(turn)
}
