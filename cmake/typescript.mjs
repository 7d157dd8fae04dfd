// Compiles src/ into dist/, and puts the descriptor set that reflection serves beside the code.
import { execFileSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})
const descriptors = join('generated', 'descriptors.binpb')
copyFileSync(join(root, 'src', descriptors), join(root, 'dist', descriptors))
