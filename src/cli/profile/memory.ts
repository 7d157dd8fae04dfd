import { readFileSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

function statusBytes(field: 'VmHWM' | 'VmRSS'): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(match?.[1] ?? 0) * 1024
}

/**
 * Starts to watch the process's peak resident set. The returned function tells by how many bytes it has
 * risen over what was resident at the start.
 */
export function watchPeakMemory(): () => number {
  try {
    // Forgets the peak of the past (proc(5)), which the start of the program set.
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // A sandbox may keep this file from us; the earlier peak then hides part of the rise.
  }
  const before = statusBytes('VmRSS')
  return () => Math.max(0, statusBytes('VmHWM') - before)
}

const GARBAGE_BYTES = 16 * 2 ** 20

/** Told of every result that is done with, collects them whenever they come to more than a few megabytes. */
export function collectGarbage<R>(bytes: (result: R) => number): (result: R) => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void
  let garbage = 0
  return (result) => {
    garbage += bytes(result)
    if (garbage < GARBAGE_BYTES) return
    garbage = 0
    collect({ type: 'minor' })
  }
}
