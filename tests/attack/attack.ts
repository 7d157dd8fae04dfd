/**
 * What an attack is and what is promised under it. An attack runs against a daemon process while honest
 * clients use it; what they and the probes saw is held against the promise.
 */
import { answeredShare, sentOf, type HonestLoad } from './honest.js'
import type { Probes } from './probes.js'
import type { Target } from './target.js'

/** Promised while an attack runs. docs/robustness.md lists them; a test compares the two. */
export interface Promised {
  /** Least share of honest requests, of each kind, that are answered; others are refused with a code, in time. */
  readonly answered: number
  /** Longest that a probe (/livez, gRPC health) takes, in milliseconds. */
  readonly probeMs: number
  /** Most that the daemon's resident memory grows above what it was before, at its peak. */
  readonly growthBytes: number
}

export interface Attack {
  readonly name: string
  /** One sentence for the table. */
  readonly what: string
  readonly promised: Promised
  /** Work of the attacker's that would hold up the honest clients of the same process; done beforehand. */
  readonly prepare?: () => void
  /** Attacks until the signal aborts, then lets go of everything. Must not throw for what the daemon does. */
  run(target: Target, signal: AbortSignal): Promise<void>
}

export interface Seen {
  readonly name: string
  readonly honest: HonestLoad
  readonly probes: Probes
  readonly growthBytes: number
  /** Whether the daemon's process is still there. */
  readonly alive: boolean
  /** Milliseconds from the attack's end until an honest request was answered. */
  readonly recoveryMs: number
  /** What broke the promise; empty where it was kept. */
  readonly broken: readonly string[]
}

/** An honest request is answered again at most this long after an attack ended. */
export const RECOVERY_MS = 5000

export function judge(
  { promised }: Attack,
  { honest, probes, growthBytes, alive, recoveryMs }: Omit<Seen, 'name' | 'broken'>,
): string[] {
  if (!alive) return ['the daemon ended']
  const broken: string[] = []
  for (const [kind, seen] of Object.entries(honest)) {
    const lost = [...new Set(seen.lost)].join('; ')
    if (lost !== '')
      broken.push(`${seen.lost.length} of ${sentOf(seen)} ${kind} honest requests lost: ${lost}`)
    if (sentOf(seen) === 0) broken.push(`no ${kind} honest request ended`)
    else if (answeredShare(seen) < promised.answered)
      broken.push(
        `${percent(answeredShare(seen))} of ${kind} answered, promised ${percent(promised.answered)}`,
      )
  }
  if (probes.failed.length > 0)
    broken.push(`${probes.failed.length} probes failed: ${probes.failed[0] ?? ''}`)
  if (probes.worstMs > promised.probeMs)
    broken.push(`a probe took ${Math.round(probes.worstMs)} ms, promised ${promised.probeMs}`)
  if (growthBytes > promised.growthBytes)
    broken.push(`memory grew by ${mebibytes(growthBytes)}, promised ${mebibytes(promised.growthBytes)}`)
  if (recoveryMs > RECOVERY_MS)
    broken.push(`answered again after ${Math.round(recoveryMs)} ms, promised ${RECOVERY_MS}`)
  return broken
}

export const percent = (share: number): string => `${Math.round(100 * share)} %`
export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`
