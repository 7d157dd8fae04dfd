import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { compile } from '../../src/compiler/compile.js'
import { decodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'

const ROOT = join(import.meta.dirname, '..', '..')
const EXAMPLE = join(ROOT, 'examples', 'pytorch')
const python = process.env['SENTINODE_PYTHON'] ?? 'python3'

/** What a model's nodes are once it is compiled for target cpu. */
async function compiled(path: string): Promise<string[]> {
  const { model } = await compile(await readFile(path), { target: 'cpu', resolve: noFiles })
  return decodeModel(model).graph.node.map((n) => n.opType)
}

test('the network of examples/pytorch, as it was exported, is one region and a head', async (t) => {
  const kinds = await compiled(join(ROOT, 'tests', 'fixtures', 'exported4d', 'example_script', 'model.onnx'))
  t.is(kinds.filter((kind) => kind === 'Region4D').length, 1)
  t.false(kinds.includes('Conv'))
})

test('training and export fit into 60 lines', async (t) => {
  const lines = (await readFile(join(EXAMPLE, 'train.py'), 'utf8')).trim().split('\n')
  t.true(lines.length <= 60, `${lines.length} lines`)
})

const hasTorch = spawnSync(python, ['-c', 'import torch, onnx']).status === 0
const withTorch = hasTorch ? test : test.skip
withTorch('examples/pytorch trains, and what it exports is recognised (needs torch and onnx)', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  execFileSync(python, ['train.py', folder, '2'], {
    cwd: EXAMPLE,
    stdio: 'pipe',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', OMP_NUM_THREADS: '1' },
  })
  const kinds = await compiled(join(folder, 'blocks', '1', 'model.onnx'))
  t.is(kinds.filter((kind) => kind === 'Region4D').length, 1)
  t.false(kinds.includes('Conv'))
})
