import type { Config } from '../config/schema.js'
import { exitAfter } from '../engine/index.js'
import { LineOutput } from '../line-output.js'
import { createLogger } from '../logger.js'
import { version } from '../version.js'
import { Daemon } from './daemon.js'
import { handleSignals } from './shutdown.js'

/** Beyond the drain timeout, for what ends after the last answer; then the process ends whatever hangs. */
const DRAIN_MARGIN_MS = 5000
/** For what Node does at its exit: it flushes logs, and waits for threads and for destructors of libraries. */
const EXIT_MS = 2000

/**
 * Runs the daemon in this process until a signal ends it. Prints one JSON line on stdout once it serves.
 * Rejects where the start fails; exits the process otherwise. However it ends, it ends: a thread that never
 * comes back is not waited for.
 */
export async function serve(config: Config): Promise<void> {
  const [stdout, stderr] = [new LineOutput(1), new LineOutput(2)]
  process.on('exit', () => {
    stdout.finish()
    stderr.finish()
  })
  const log = createLogger({ level: config.logLevel, destination: stderr })
  const daemon = new Daemon(config, log, () => stdout.lost + stderr.lost)
  const limitMs = config.drainTimeout * 1000 + DRAIN_MARGIN_MS
  const exit = (code: number): void => {
    exitAfter(EXIT_MS, code)
    process.exit(code)
  }
  const off = handleSignals({
    stop: (signal) => {
      log.info({ signal }, 'draining')
      // Where the event loop itself hangs, and the timer of the limit with it.
      exitAfter(limitMs + EXIT_MS, 1)
      return daemon.stop()
    },
    limitMs,
    exit,
    onForce: (signal) => log.warn({ signal }, 'forced'),
    onLate: () => log.fatal({ reason: daemon.unfinished().join(', ') }, 'the drain does not end'),
    onFailure: (err) => log.fatal({ err }, 'the drain failed'),
  })
  const die = (error: unknown): void => {
    log.fatal({ err: error }, 'fault outside any request')
    exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  try {
    const addresses = await daemon.start()
    if (addresses === null) return
    stdout.write(`${JSON.stringify({ msg: 'serving', ...addresses, pid: process.pid, version })}\n`)
  } catch (error) {
    off()
    exitAfter(DRAIN_MARGIN_MS, 1)
    throw error
  }
}
