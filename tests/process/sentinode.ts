import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { credentials } from '@grpc/grpc-js'
import { GRPCInferenceServiceClient } from '../../src/generated/grpc_service.js'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/** A folder of its own that is deleted with `remove`. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sentinode-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** A model repository with fixtures of tests/fixtures/engine, by name. */
export function repository(folder: string, models: Readonly<Record<string, string>>): string {
  for (const [name, fixture] of Object.entries(models)) {
    mkdirSync(join(folder, name, '1'), { recursive: true })
    cpSync(join(root, 'tests/fixtures/engine', fixture), join(folder, name, '1', 'model.onnx'))
  }
  return folder
}

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Spawned {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  output(): { stdout: string; stderr: string }
}

/** The command line from its sources, with nothing of the environment's settings. */
export function sentinode(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Spawned {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SENTINODE_'))
  const child = spawn(process.execPath, ['--import=tsx', join(root, 'src/main.ts'), ...args], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const finished = new Promise<Finished>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })),
  )
  return { child, finished, output: () => ({ stdout, stderr }) }
}

export interface RunningDaemon extends Spawned {
  readonly grpc: string
  readonly metrics: string
  readonly client: GRPCInferenceServiceClient
  stop(): Promise<Finished>
}

/** Starts `serve` on free ports and waits for the line that says so. */
export async function startDaemon(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningDaemon> {
  const spawned = sentinode(['serve', '--grpc-port', '0', '--metrics-port', '0', ...args], environment)
  const line = await new Promise<string>((resolve, reject) => {
    const look = (): void => {
      const found = /^.*"msg":"serving".*$/m.exec(spawned.output().stdout)
      if (found) resolve(found[0])
    }
    spawned.child.stdout?.on('data', look)
    spawned.finished.then(
      ({ code, stderr }) => reject(new Error(`the daemon ended before it served, code ${code}\n${stderr}`)),
      reject,
    )
  })
  const { grpc, metrics } = JSON.parse(line) as { grpc: string; metrics: string }
  const client = new GRPCInferenceServiceClient(grpc, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
  })
  return {
    ...spawned,
    grpc,
    metrics,
    client,
    stop: async () => {
      client.close()
      if (spawned.child.exitCode === null) spawned.child.kill('SIGTERM')
      return spawned.finished
    },
  }
}

/** The daemon's resident set now, or (`VmHWM`) at its peak. */
export function residentBytes({ child }: Spawned, field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const text = readFileSync(`/proc/${String(child.pid)}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024
}
