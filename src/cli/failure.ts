import { CommanderError } from 'commander'
import { isSentinodeError } from '../errors.js'

/** 0 done (a daemon: drained), 1 a fault at run time, 2 usage or configuration. */
export const EXIT = { ok: 0, runtime: 1, usage: 2 } as const

/** Says on stderr why a command ended, and on stdout as JSON where that was asked for; returns the exit code. */
export function reportFailure(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  const code = isSentinodeError(error) ? error.code : 'INTERNAL'
  const message = error instanceof Error ? error.message : String(error)
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`)
  process.stderr.write(`error: ${code}: ${message}\n`)
  if (!isSentinodeError(error) && error instanceof Error && error.stack)
    process.stderr.write(`${error.stack}\n`)
  return code === 'INVALID_OPTION' ? EXIT.usage : EXIT.runtime
}

/** Says on stderr that stdout cannot be written; nothing where its reader has read enough, as `head` has. */
export function outputFailure(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return
  process.stderr.write(
    `error: OUTPUT_NOT_WRITTEN: expected a stdout that can be written, found ${error.code ?? error.name}\n`,
  )
}
