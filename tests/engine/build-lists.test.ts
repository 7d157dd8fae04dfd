import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('../../', import.meta.url))
const require = createRequire(import.meta.url)

/** What CMake compiles into the addon, as it says itself. */
function sourcesOfCMake(): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'sentinode-lists-'))
  try {
    const headers = (require('node-api-headers') as { include_dir: string }).include_dir
    const includes = `-DCMAKE_JS_INC=${headers};${dirname(require.resolve('node-addon-api/napi.h'))}`
    execFileSync('cmake', ['-S', root, '-B', folder, includes], { stdio: 'ignore' })
    const commands = readFileSync(join(folder, 'compile_commands.json'), 'utf8')
    return (JSON.parse(commands) as { file: string }[]).map(({ file }) => relative(root, file))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('binding.gyp builds the same sources as CMake', (t) => {
  const sources = ['sources', 'apart', 'launch'].flatMap((list) =>
    execFileSync(process.execPath, ['cmake/gyp-lists.mjs', list], { cwd: root, encoding: 'utf8' })
      .trim()
      .split('\n'),
  )
  t.true(sources.length > 20)
  t.deepEqual(sources.sort(), sourcesOfCMake().sort())
  const gyp = readFileSync(join(root, 'binding.gyp'), 'utf8')
  for (const list of ['sources', 'apart', 'launch'])
    t.true(gyp.includes(`'sources': ['<!@(node cmake/gyp-lists.mjs ${list})']`))
})
