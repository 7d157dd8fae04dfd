/** The model that ships: its file, contract, card and the training that it came from belong together. */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { Figures } from '../../bench/evaluate/figures.js'
import { decodeModel } from '../../src/compiler/onnx.js'
import { parseContract } from '../../src/screening/index.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'models/lymph4d')
const network = readFileSync(join(folder, '1/model.onnx'))
const contract = parseContract(readFileSync(join(folder, '1/screening.yaml'), 'utf8'))
const card = readFileSync(join(folder, 'README.md'), 'utf8')
const figures = JSON.parse(readFileSync(join(folder, 'figures.json'), 'utf8')) as {
  notice: string
  model_sha256: string
  training_sha256: string
  cross_validated: Record<'pn' | 'cn', Omit<Figures, 'bayes_auc'>>
  fresh_cohort: Record<'pn' | 'cn', Figures>
}
const NOTICE = 'NOT FOR CLINICAL USE; trained on simulated exams'

/** As training/export.py has it: names, sizes and contents, in order of name. */
function trainingHash(): string {
  const digest = createHash('sha256')
  const path = join(root, 'training')
  for (const name of readdirSync(path)
    .filter((file) => /\.(py|txt|yaml)$/.test(file))
    .sort()) {
    const content = readFileSync(join(path, name))
    digest.update(`${name}\0${content.length}\0`).update(content)
  }
  return digest.digest('hex')
}

test('the card, the figures and the contract are of this file and this training', (t) => {
  const sha256 = createHash('sha256').update(network).digest('hex')
  t.is(figures.model_sha256, sha256)
  t.true(card.includes(sha256))
  t.is(figures.training_sha256, trainingHash())
  t.is(contract.provenance.training_sha256, trainingHash())
  t.true(card.includes(trainingHash()))
  t.true(statSync(join(folder, '1/model.onnx')).size < 4 * 2 ** 20)
})

test('the notice is in the file, the contract, the card and the figures', (t) => {
  t.true(decodeModel(network).metadataProps.some(({ value }) => value === NOTICE))
  t.is(contract.provenance.notice, NOTICE)
  t.true(card.includes(NOTICE))
  t.is(figures.notice, NOTICE)
})

test('operating points are stated as they were cross-validated', (t) => {
  for (const [i, key] of (['pn', 'cn'] as const).entries()) {
    const point = contract.findings[i]?.operating_points.find(({ name }) => name === 'rule_out')
    const { sensitivity, specificity } = figures.cross_validated[key]
    t.is(point?.sensitivity, Number(sensitivity.value.toFixed(3)))
    t.is(point?.specificity, Number(specificity.value.toFixed(3)))
    const { auc } = figures.fresh_cohort[key]
    t.true(card.includes(`${auc.value.toFixed(3)} (${auc.low.toFixed(3)}-${auc.high.toFixed(3)})`), key)
  }
})

test('all convolutions of the network are over four axes', (t) => {
  const { node: nodes, initializer } = decodeModel(network).graph
  const convolutions = nodes.filter(({ opType }) => opType === 'Conv')
  t.is(convolutions.length, 10)
  for (const { input } of convolutions) {
    t.is(initializer.find(({ name }) => name === input[1])?.dims.length, 6)
  }
})

for (const target of ['cpu', 'cpu-portable']) {
  test(`PyTorch's answers are those of target ${target}`, (t) => {
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        ...['--import=tsx', join(root, 'src/main.ts'), 'verify', join(folder, '1'), '--target', target],
        ...['--atol', '1e-4', '--rtol', '0', '--json'],
      ],
      { encoding: 'utf8' },
    )
    t.is(status, 0, stdout)
    t.is((JSON.parse(stdout) as { passed: number }).passed, 1)
  })
}
