// `npm run build:gyp`: the addon through binding.gyp. It replaces what CMake has built in build/.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

// Headers of the Node that runs this stand beside it as a rule; node-gyp would fetch them otherwise.
const nodeFolder = join(dirname(process.execPath), '..')
const headers = existsSync(join(nodeFolder, 'include/node/node_api.h')) ? [`--nodedir=${nodeFolder}`] : []

const { status } = spawnSync(join(root, 'node_modules/.bin/node-gyp'), ['rebuild', ...headers], {
  cwd: root,
  stdio: 'inherit',
})
process.exitCode = status ?? 1
