// clang-format over native/: `--check` fails on a file that it would change, without it files are changed.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const files = readdirSync(join(root, 'native'), { recursive: true })
  .filter((file) => /\.(cc|h|inl)$/.test(file))
  .map((file) => join(root, 'native', file))
const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i']
if (files.length > 0) {
  execFileSync(join(root, 'node_modules', '.bin', 'clang-format'), [...mode, ...files], { stdio: 'inherit' })
}
