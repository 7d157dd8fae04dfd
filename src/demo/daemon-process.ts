import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface DaemonProcess {
  /** host:port of gRPC and of metrics. */
  readonly grpc: string
  readonly metrics: string
  /** SIGTERM, then its exit code. */
  stop(): Promise<number | null>
}

const builtMain = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/**
 * Starts `sentinode serve` as a process of its own and waits until it says that it serves.
 * @param program what Node.js is given to run sentinode
 */
export async function startDaemon(
  args: readonly string[],
  program: readonly string[] = [builtMain],
): Promise<DaemonProcess> {
  const child = spawn(process.execPath, [...program, 'serve', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit') as Promise<[number | null]>
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, grpc, metrics } = JSON.parse(line) as Record<string, unknown>
    if (msg !== 'serving' || typeof grpc !== 'string' || typeof metrics !== 'string') continue
    return {
      grpc,
      metrics,
      stop: async () => {
        child.kill('SIGTERM')
        return (await exit)[0]
      },
    }
  }
  throw new Error(`the daemon ended before it served, exit code ${String((await exit)[0])}`)
}
