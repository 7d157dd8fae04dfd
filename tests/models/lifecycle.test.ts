import test from 'ava'
import { isSentinodeError, SentinodeError } from '../../src/errors.js'
import { ModelManager, type LifecycleEvents, type LoadModel } from '../../src/models/lifecycle.js'
import type { ModelSource } from '../../src/models/repository.js'
import type { ServableModel } from '../../src/models/servable.js'

function source(
  name: string,
  versions: number[],
  configText: string | null = null,
  fault: SentinodeError | null = null,
): ModelSource {
  return {
    name,
    folder: '',
    configText,
    versions: versions.map((version) => ({ version, folder: '' })),
    fileName: null,
    fault,
  }
}

function servable(
  name: string,
  version: number,
  dispose = (): Promise<void> => Promise.resolve(),
): ServableModel {
  return { name, version, warnings: [], dispose } as unknown as ServableModel
}

/** A loader from a function that throws for the models that fail. */
function loading(load: (name: string, version: number) => ServableModel): LoadModel {
  return ({ model, version }) =>
    new Promise((resolve) => {
      resolve(load(model.name, version.version))
    })
}

function manager(load: LoadModel, events: Partial<LifecycleEvents> = {}, concurrency = 2): ModelManager {
  return new ModelManager({ load, concurrency, events })
}

test('Models that fail are listed with the reason while the others serve', async (t) => {
  const failures: string[] = []
  const models = manager(
    loading((name, version) => {
      if (name === 'broken') throw new SentinodeError('MODEL_INVALID', 'no ONNX')
      if (name === 'bug') throw new TypeError('/secret/path is undefined')
      if (name === 'disk')
        throw Object.assign(new Error("ENOSPC, write '/secret'"), { code: 'ENOSPC', syscall: 'write' })
      return servable(name, version)
    }),
    { onFailure: (name, version, error) => failures.push(`${name} ${version} ${error.name}`) },
  )
  await models.loadAll([
    source('good', [1]),
    source('broken', [1]),
    source('bug', [1]),
    source('disk', [1]),
    source('syntax', [1, 2], 'max_batch_size: ?'),
    source('ensemble', [1], '\nensemble_scheduling {}'),
    source('specific', [1, 3], 'version_policy { specific { versions: [3, 7] } }'),
    source('nothing', [], null, new SentinodeError('MODEL_NOT_READY', 'the model has no version folder')),
  ])
  t.deepEqual(
    models.index().map(({ name, version, state, reason }) => [name, version, state, reason]),
    [
      ['good', '1', 'READY', ''],
      ['broken', '1', 'UNAVAILABLE', 'MODEL_INVALID: no ONNX'],
      ['bug', '1', 'UNAVAILABLE', 'INTERNAL: the log has the details'],
      ['disk', '1', 'UNAVAILABLE', 'INTERNAL: ENOSPC in write; the log has the details'],
      [
        'syntax',
        '1',
        'UNAVAILABLE',
        'MODEL_CONFIG_INVALID: syntax/config.pbtxt:1:17: expected a field, a value or a bracket, found "?"',
      ],
      [
        'syntax',
        '2',
        'UNAVAILABLE',
        'MODEL_CONFIG_INVALID: syntax/config.pbtxt:1:17: expected a field, a value or a bracket, found "?"',
      ],
      [
        'ensemble',
        '1',
        'UNAVAILABLE',
        'MODEL_CONFIG_UNSUPPORTED: ensemble/config.pbtxt:2:1: an ensemble would change answers and is not offered',
      ],
      ['specific', '3', 'READY', ''],
      ['specific', '7', 'UNAVAILABLE', 'specific/config.pbtxt:1:29: version 7 is not in the repository'],
      ['nothing', '', 'UNAVAILABLE', 'MODEL_NOT_READY: the model has no version folder'],
    ],
  )
  t.deepEqual(
    models.index(true).map(({ name, version }) => `${name}:${version}`),
    ['good:1', 'specific:3'],
  )
  t.false(models.allReady)
  t.is(models.get('good', '').version, 1)
  t.deepEqual(failures.sort(), [
    'broken 1 SentinodeError',
    'bug 1 TypeError',
    'disk 1 Error',
    'ensemble  SentinodeError',
    'nothing  SentinodeError',
    'syntax  SentinodeError',
  ])
})

test('A request finds the version that it means, or a message that clients know', async (t) => {
  const models = manager(
    loading((name, version) => {
      if (version === 9 || name === 'none') throw new SentinodeError('MODEL_INVALID', 'no ONNX')
      return servable(name, version)
    }),
  )
  await models.loadAll([source('m', [2, 5, 9], 'version_policy { all {} }'), source('none', [1])])
  t.is(models.get('m', '').version, 5)
  t.is(models.get('m', '2').version, 2)
  t.deepEqual(models.readyVersions('m'), [2, 5])
  t.deepEqual(models.readyVersions('nobody'), [])
  const cases: [name: string, version: string, code: string, message: RegExp][] = [
    ['x', '', 'MODEL_NOT_FOUND', /^Request for unknown model: 'x' is not found$/],
    ['x', '1', 'MODEL_NOT_FOUND', /^Request for unknown model: 'x' is not found$/],
    ['m', '7', 'MODEL_NOT_FOUND', /^Request for unknown model: 'm' version 7 is not found$/],
    ['none', '', 'MODEL_NOT_FOUND', /^Request for unknown model: 'none' has no available versions$/],
    [
      'm',
      '9',
      'MODEL_NOT_READY',
      /^Request for unknown model: 'm' version 9 is not at ready state \(UNAVAILABLE: MODEL_INVALID: no ONNX\)$/,
    ],
    [
      'm',
      'one',
      'INVALID_REQUEST',
      /failed to get model version from specified version string 'one'.*version should be an integral value > 0/,
    ],
    ['m', '99999999999999999999', 'INVALID_REQUEST', /failed to get model version/],
    ['m', '1.5', 'INVALID_REQUEST', /failed to get model version/],
    ['m', '-3', 'INVALID_REQUEST', /invalid model version specified '-3' , version should be/],
    ['__proto__', '', 'MODEL_NOT_FOUND', /is not found/],
  ]
  for (const [name, version, code, message] of cases) {
    const error = t.throws(() => models.get(name, version))
    t.is(isSentinodeError(error) ? error.code : String(error), code)
    t.regex(error.message, message)
    if (code === 'INVALID_REQUEST') t.throws(() => models.isReady(name, version))
    else t.false(models.isReady(name, version))
  }
  t.true(models.isReady('m', ''))
})

test('No more versions load at once than are allowed, and all do', async (t) => {
  let now = 0
  let most = 0
  const models = manager(
    async ({ model, version }) => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now -= 1
      return servable(model.name, version.version)
    },
    {},
    3,
  )
  await models.loadAll(Array.from({ length: 10 }, (_, i) => source(`m${i}`, [1])))
  t.is(most, 3)
  t.true(models.allReady)
  t.is(models.ready().length, 10)
})

test('States follow each other, and unloading takes a model out of service before it is freed', async (t) => {
  const states: string[] = []
  let finish = (): void => undefined
  const freed = new Promise<void>((resolve) => (finish = resolve))
  const models = manager(
    loading(() => servable('m', 1, () => freed)),
    {
      onState: (name, version, state) => states.push(`${name}:${version} ${state}`),
    },
  )
  await models.loadAll([source('m', [1])])
  const unloaded = models.unloadAll(Infinity)
  t.regex(t.throws(() => models.get('m', '1')).message, /not at ready state \(UNLOADING\)/)
  t.throws(() => models.get('m', ''))
  finish()
  await unloaded
  t.deepEqual(states, ['m:1 LOADING', 'm:1 READY', 'm:1 UNLOADING', 'm:1 UNAVAILABLE'])
  await models.unloadAll(Infinity)
  t.is(states.length, 4)
})

test('What is still loading when everything is unloaded is freed and never served', async (t) => {
  const disposed: string[] = []
  let loaded = (): void => undefined
  const gate = new Promise<void>((resolve) => (loaded = resolve))
  const started: string[] = []
  const models = manager(
    async ({ model }) => {
      started.push(model.name)
      await gate
      return servable(model.name, 1, () => {
        disposed.push(model.name)
        return Promise.resolve()
      })
    },
    {},
    1,
  )
  const allLoaded = models.loadAll([source('a', [1]), source('b', [1])])
  await models.unloadAll(Infinity)
  loaded()
  await allLoaded
  t.deepEqual(disposed, ['a'])
  t.deepEqual(started, ['a'])
  t.deepEqual(models.ready(), [])
})

test('A model that cannot be freed does not keep the others from it', async (t) => {
  const failures: string[] = []
  const models = manager(
    loading((name) =>
      servable(name, 1, () => (name === 'bad' ? Promise.reject(new Error('stuck')) : Promise.resolve())),
    ),
    { onFailure: (name) => failures.push(name) },
  )
  await models.loadAll([source('bad', [1]), source('good', [1])])
  await t.notThrowsAsync(models.unloadAll(Infinity))
  t.deepEqual(failures, ['bad'])
  t.true(models.index().every(({ reason }) => reason === 'unloaded'))
})
