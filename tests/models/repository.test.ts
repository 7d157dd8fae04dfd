import { mkdirSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import { ModelVersionPolicy } from '../../src/generated/model_config.js'
import { scanRepositories, type ModelSource } from '../../src/models/repository.js'
import { chooseVersions } from '../../src/models/version-policy.js'
import { folder } from './helpers/folders.js'

const brief = ({ name, versions, fault }: ModelSource): [string, number[], string | null] => [
  name,
  versions.map(({ version }) => version),
  fault?.message ?? null,
]

test('A repository in the usual layout is read, oddities are named', async (t) => {
  const root = folder(t, {
    'a/1/model.onnx': 'x',
    'a/10/model.onnx': 'x',
    'a/9/model.onnx': 'x',
    'a/007/model.onnx': 'x',
    'a/0/model.onnx': 'x',
    'a/latest/model.onnx': 'x',
    'a/warmup/x.bin': '',
    'a/configs/other.pbtxt': '',
    'a/config.pbtxt': 'name: "a"',
    'a/labels.txt': 'one',
    'a/.hidden/x': '',
    'b/3/model.onnx': 'x',
    'empty/config.pbtxt': '',
    'bare/model.onnx': 'x',
    '..data/1/model.onnx': 'x',
    'README.md': 'x',
  })
  const { models, warnings } = await scanRepositories([root])
  t.deepEqual(models.map(brief), [
    ['a', [1, 9, 10], null],
    ['b', [3], null],
    ['bare', [1], null],
    ['empty', [], 'the model has no version folder'],
  ])
  t.is(models[0]?.configText, 'name: "a"')
  t.is(models[1]?.configText, null)
  t.is(models[2]?.fileName, 'model.onnx')
  t.is(models[2]?.versions[0]?.folder, join(root, 'bare'))
  t.deepEqual(warnings.map((warning) => warning.split(':')[0]).sort(), [
    'a/0',
    'a/007',
    'a/latest',
    `${basename(root)}/README.md`,
  ])
})

test('A single file and a model folder are served as they are', async (t) => {
  const root = folder(t, {
    'net.onnx': 'x',
    'one/1/model.onnx': 'x',
    'two/model.onnx': 'x',
    'two/config.pbtxt': '',
  })
  const { models } = await scanRepositories([join(root, 'net.onnx'), join(root, 'one'), join(root, 'two')])
  t.deepEqual(models.map(brief), [
    ['net', [1], null],
    ['one', [1], null],
    ['two', [1], null],
  ])
  t.is(models[0]?.fileName, 'net.onnx')
  t.is(models[0]?.folder, root)
})

test('A name that two repositories hold is served from neither', async (t) => {
  const root = folder(t, { 'r/a/1/model.onnx': 'x', 's/a/1/model.onnx': 'x', 's/b/1/model.onnx': 'x' })
  const { models } = await scanRepositories([join(root, 'r'), join(root, 's')])
  t.deepEqual(models.map(brief), [
    ['a', [1], 'the model is in more than one repository'],
    ['b', [1], null],
  ])
})

test('Links to models and versions are followed', async (t) => {
  const root = folder(t, { 'store/x/model.onnx': 'x', 'repo/real/1/model.onnx': 'x' })
  mkdirSync(join(root, 'repo', 'linked'))
  symlinkSync(join(root, 'store', 'x'), join(root, 'repo', 'linked', '2'))
  symlinkSync(join(root, 'repo', 'real'), join(root, 'repo', 'alias'))
  symlinkSync(join(root, 'nowhere'), join(root, 'repo', 'dangling'))
  const { models } = await scanRepositories([join(root, 'repo')])
  t.deepEqual(models.map(brief), [
    ['alias', [1], null],
    ['linked', [2], null],
    ['real', [1], null],
  ])
})

test('Names that could not be told apart in a log or a label are not served', async (t) => {
  const root = folder(t, {
    'a\nb/1/model.onnx': 'x',
    '{x="y"}/1/model.onnx': 'x',
    [`${'n'.repeat(129)}/1/model.onnx`]: 'x',
    'Brust-MRT 2.0/1/model.onnx': 'x',
  })
  const { models } = await scanRepositories([root])
  t.deepEqual(
    models.filter(({ fault }) => fault === null).map(({ name }) => name),
    ['Brust-MRT 2.0'],
  )
  t.is(models.length, 4)
})

test('A configuration that is no text leaves the model out and the others in', async (t) => {
  const root = folder(t, {
    'binary/1/model.onnx': 'x',
    'binary/config.pbtxt': Uint8Array.of(0xff, 0xfe, 0),
    'huge/1/model.onnx': 'x',
    'huge/config.pbtxt': '#'.repeat(2 ** 20 + 1),
    'folder/1/model.onnx': 'x',
    'folder/config.pbtxt/': '',
    'good/1/model.onnx': 'x',
  })
  const { models } = await scanRepositories([root])
  const reasons = new Map(models.map(({ name, fault }) => [name, fault]))
  t.is(reasons.get('good'), null)
  t.regex(reasons.get('binary')?.message ?? '', /^binary\/config\.pbtxt: .*not UTF-8/)
  t.regex(reasons.get('huge')?.message ?? '', /1048577 bytes/)
  t.regex(reasons.get('folder')?.message ?? '', /no regular file/)
})

test('A path that does not exist, or is no model, is an error of the option', async (t) => {
  const root = folder(t, { 'x.txt': '' })
  for (const path of [join(root, 'none'), join(root, 'x.txt')]) {
    const error = await t.throwsAsync(scanRepositories([path]))
    t.true(isSentinodeError(error) && error.code === 'INVALID_OPTION')
  }
  t.deepEqual((await scanRepositories([folder(t, {})])).models, [])
})

test('The version policy chooses what is served', (t) => {
  const versions = [1, 2, 5, 9].map((version) => ({ version, folder: '' }))
  const chosen = (policy: Parameters<typeof chooseVersions>[0]): number[][] => {
    const { serve, missing } = chooseVersions(policy, versions)
    return [serve.map(({ version }) => version), [...missing]]
  }
  const policy = (policyChoice: NonNullable<ModelVersionPolicy['policyChoice']>): ModelVersionPolicy => ({
    policyChoice,
  })
  t.deepEqual(chosen(undefined), [[9], []])
  t.deepEqual(chosen(ModelVersionPolicy.create()), [[9], []])
  t.deepEqual(chosen(policy({ $case: 'latest', value: { numVersions: 2 } })), [[5, 9], []])
  t.deepEqual(chosen(policy({ $case: 'latest', value: { numVersions: 99 } })), [[1, 2, 5, 9], []])
  t.deepEqual(chosen(policy({ $case: 'all', value: {} })), [[1, 2, 5, 9], []])
  t.deepEqual(chosen(policy({ $case: 'specific', value: { versions: [5n, 3n, 1n] } })), [[1, 5], [3]])
})
