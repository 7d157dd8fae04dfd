import { fork, type ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { apart, LAUNCHER } from '../../apart/index.js'

/** Where a reader finds the socket over which descriptors come. */
export const SOCKET = 4

/** Of headers: what is kept of tens of thousands of them. */
const HEAP_MIB = 1024

/** What the process may need of the daemon's environment. */
const INHERITED = ['TZ', 'LD_LIBRARY_PATH', 'LD_PRELOAD', 'ASAN_OPTIONS', 'LSAN_OPTIONS', 'TSAN_OPTIONS']

export interface SpawnedReader {
  readonly child: ChildProcess
  /** Our end of the socket, to be closed. */
  readonly socket: number
}

/** Starts a process on child.ts. From sources, as tests run, it needs a loader. Errors are the system's. */
export function spawnReader(): SpawnedReader {
  const compiled = import.meta.url.endsWith('.js')
  const entry = fileURLToPath(new URL(compiled ? './child.js' : './child.ts', import.meta.url))
  const inherited: Record<string, string> = {}
  for (const name of INHERITED) {
    const value = process.env[name]
    if (value !== undefined) inherited[name] = value
  }
  const [ours, theirs] = apart().socketPair()
  try {
    const child = fork(entry, [String(process.pid)], {
      serialization: 'advanced',
      // What V8 prints when memory runs out is of no use to anybody, and could hold what it worked on.
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', theirs],
      execPath: LAUNCHER,
      execArgv: [
        process.execPath,
        `--max-old-space-size=${HEAP_MIB}`,
        ...(compiled ? [] : ['--import', import.meta.resolve('tsx')]),
      ],
      // One thread of the pool: inflating is all that it does.
      env: { ...inherited, UV_THREADPOOL_SIZE: '1' },
    })
    return { child, socket: ours }
  } catch (error) {
    closeSync(ours)
    throw error
  } finally {
    closeSync(theirs)
  }
}
