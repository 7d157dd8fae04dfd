import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/** How this very program is started, from its sources or built. */
export function ownProgram(): string[] {
  const [, main] = process.argv
  if (main === undefined) throw new Error('expected to run as a program')
  return [...process.execArgv, main]
}

/** Runs a command of sentinode to its end, as a user would; what it wrote on stdout. */
export async function run(args: readonly string[]): Promise<string> {
  const colour = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}
  const child = spawn(process.execPath, [...ownProgram(), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...colour },
  })
  const [output, [code]] = await Promise.all([
    text(child.stdout),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  if (code !== 0) throw new Error(`sentinode ${args[0] ?? ''} ended with exit code ${String(code)}`)
  return output
}
