import { readFileSync, writeFileSync } from 'node:fs'

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
