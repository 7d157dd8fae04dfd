// Other versions of Node, each a binary from the npm registry in a folder that git ignores.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** The lines of Node that package.json names, oldest first. */
export const lines = [
  ...JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.matchAll(/\^(\d+)/g),
].map(([, major]) => Number(major))

/** @returns the binary of the newest version of a line, or why there is none */
export function fetchNode(major) {
  const name = `node-linux-${process.arch}`
  const folder = join(root, '.setup/node', String(major))
  const binary = join(folder, 'node_modules', name, 'bin/node')
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true })
    const quiet = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const { status, stderr, error } = spawnSync(
      'npm',
      ['install', '--prefix', folder, ...quiet, `${name}@${major}`],
      { cwd: folder, encoding: 'utf8', timeout: 300_000 },
    )
    if (status !== 0)
      return { reason: `npm has no ${name}@${major} here: ${firstLine(error?.message ?? stderr)}` }
  }
  const { stdout, status, error } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  if (status !== 0)
    return { reason: `${name}@${major} does not run here: ${firstLine(error?.message ?? '')}` }
  return { binary, version: stdout.trim() }
}

const firstLine = (text) => (text ?? '').trim().split('\n')[0]

/** The environment in which `node` is that binary. */
export function environmentOf(binary) {
  return { ...process.env, PATH: `${dirname(binary)}:${process.env.PATH}` }
}
