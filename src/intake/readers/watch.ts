/**
 * Looks after a reader at work from outside, since nothing inside it comes to its turn: no exam holds a reader
 * for longer than its size explains. Processor time is bounded and not time, so that a busy machine refuses
 * nothing; a reader that gets nowhere without computing (stopped, or waiting for a dead file server) is seen too.
 */

import { readFileSync } from 'node:fs'
import { SentinodeError } from '../../errors.js'
import type { Board } from './board.js'

const LOOK_MS = 200
/** Of one frame, or of what is done between two pieces of files: some hundred times what 512 x 512 pixels take. */
const STEP_CPU_S = 5
const EXAM_CPU_S = 10
/** Decoders make 10 to 20 MiB of pixels a second, and everything else is quicker. */
const CPU_S_PER_MIB_READ = 1 / 8
const CPU_S_PER_MIB_MADE = 1 / 4
/** Looks without any progress. Looks are counted, not time: after a sleep of the machine nobody is late. */
const STALLED_LOOKS = 150

/** Linux's USER_HZ, of the times in /proc. */
const TICKS_PER_S = 100

export interface Watched {
  readonly pid: number
  readonly board: Board
  /** Bytes of the volumes that the exam becomes, as far as they are known. */
  readonly reserved: () => number
  /** Whether it waits for the daemon. */
  readonly waiting: () => boolean
}

/** @param onOver called at most once @returns ends the watch */
export function watch(watched: Watched, onOver: (why: 'costly' | 'stalled') => void): () => void {
  const { pid, board, reserved, waiting } = watched
  const begun = cpuSeconds(pid) ?? 0
  let step = { number: board.steps, begun }
  let last = begun
  let idle = 0
  const timer = setInterval(() => {
    const now = cpuSeconds(pid)
    if (now === null) return
    const progress = board.steps !== step.number || now > last || waiting()
    idle = progress ? 0 : idle + 1
    last = now
    if (board.steps !== step.number) step = { number: board.steps, begun: now }
    const mib = (bytes: number): number => bytes / 2 ** 20
    const bound =
      EXAM_CPU_S + CPU_S_PER_MIB_READ * mib(board.bytesRead) + CPU_S_PER_MIB_MADE * mib(reserved())
    const costly = now - step.begun > STEP_CPU_S || now - begun > bound
    if (!costly && idle < STALLED_LOOKS) return
    clearInterval(timer)
    onOver(costly ? 'costly' : 'stalled')
  }, LOOK_MS)
  return () => clearInterval(timer)
}

/** Processor time of all threads of a process; null when it has ended. See proc(5), /proc/pid/stat. */
export function cpuSeconds(pid: number): number | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return null
  }
  // The second field is a name in brackets, with any character in it; the third comes first here.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
}

export function tooCostly(): SentinodeError {
  return new SentinodeError(
    'EXAM_TOO_COSTLY',
    'reading the exam, or one of its frames, took more processor time than its size explains',
  )
}
