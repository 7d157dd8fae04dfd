// How a set-up step runs: one line each, quiet when it works, the whole output when it does not.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
export const state = join(root, '.setup')

/** Ends set-up with a reason and, where there is one, what to do about it. */
export function fail(message, advice = []) {
  process.stderr.write(`\nset-up failed: ${message}\n`)
  for (const line of advice) process.stderr.write(`  ${line}\n`)
  process.exit(1)
}

/** Runs one named step; `work` returns 'done before', or nothing when it did something. */
export function step(name, work) {
  process.stderr.write(`set-up: ${name.padEnd(22)}`)
  const start = Date.now()
  const outcome = work()
  process.stderr.write(`${outcome ?? `ok, ${((Date.now() - start) / 1000).toFixed(1)} s`}\n`)
}

/** Runs a command in the repository's root; its output is shown only if it fails. */
export function run(command, args, { env = process.env, cwd = root, advice = [] } = {}) {
  const done = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (done.status === 0) return done.stdout
  if (done.error) fail(`${command}: ${done.error.message}`, advice)
  process.stderr.write(`\n${done.stdout ?? ''}${done.stderr ?? ''}`)
  return fail(`${[command, ...args].join(' ')} ended with ${done.status ?? done.signal}`, advice)
}

export function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function* filesBelow(path) {
  if (!statSync(path).isDirectory()) return void (yield path)
  for (const entry of readdirSync(path).sort()) {
    if (entry !== 'generated') yield* filesBelow(join(path, entry))
  }
}

/**
 * Skips `work` while `output` exists and none of `inputs` (files, folders) has changed since it last ran. Not
 * Node's version: what is built is the same for all of them, the addons by Node-API.
 */
export function stamped(name, inputs, output, work) {
  const hash = createHash('sha256')
  for (const input of inputs) {
    for (const file of filesBelow(join(root, input))) hash.update(file).update(readFileSync(file))
  }
  const digest = hash.digest('hex')
  const stamp = join(state, `${name}.stamp`)
  if (existsSync(join(root, output)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) {
    return 'done before'
  }
  work()
  mkdirSync(state, { recursive: true })
  writeFileSync(stamp, digest)
  return undefined
}
