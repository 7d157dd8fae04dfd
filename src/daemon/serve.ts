import type { Config } from '../config/schema.js'
import { createLogger } from '../logger.js'
import { version } from '../version.js'
import { Daemon } from './daemon.js'
import { handleSignals } from './shutdown.js'

/**
 * Runs the daemon in this process until a signal ends it. Prints one JSON line on stdout once it serves.
 * Rejects where the start fails; exits the process otherwise.
 */
export async function serve(config: Config): Promise<void> {
  const log = createLogger({ level: config.logLevel })
  const daemon = new Daemon(config, log)
  const off = handleSignals({
    stop: (signal) => {
      log.info({ signal }, 'draining')
      return daemon.stop()
    },
    exit: (code) => process.exit(code),
    onForce: (signal) => log.warn({ signal }, 'forced'),
  })
  const die = (error: unknown): void => {
    log.fatal({ err: error }, 'fault outside any request')
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  try {
    const addresses = await daemon.start()
    if (addresses === null) return
    process.stdout.write(`${JSON.stringify({ msg: 'serving', ...addresses, pid: process.pid, version })}\n`)
  } catch (error) {
    off()
    throw error
  }
}
