// What the scripts that test native code share.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Runs a command in the package's folder; ends this process where it fails. */
export function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  if (error) console.error(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

export function build(folder) {
  run('cmake', ['--build', folder, '--parallel', String(Math.min(2, availableParallelism()))])
}

/** The ONNX Runtime library for GoogleTests, which have no JavaScript to find it. */
export const runtimeEnv = {
  SENTINODE_ONNXRUNTIME:
    process.env.SENTINODE_ONNXRUNTIME ??
    join(
      dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')),
      `bin/napi-v6/${process.platform}/${process.arch}/libonnxruntime.so.1`,
    ),
}
