import test from 'ava'
import { DEFAULT_SESSION_OPTIONS } from '../../src/engine/index.js'
import type { NativeAddon } from '../../src/engine/native.js'
import { addon, batchOf, fixture, openInstance, openSession, request } from './support.js'

type Loose = Record<string, unknown>
type Method = (this: unknown, ...args: unknown[]) => unknown

const options: Loose = { ...DEFAULT_SESSION_OPTIONS, modelPath: fixture('scalar') }

test('every property of the session options must be set', (t) => {
  for (const name of Object.keys(options)) {
    const broken = { ...options, [name]: undefined }
    const error = t.throws(() => addon.createSession(broken as never), { code: 'INVALID_OPTION' })
    t.true(error.message.startsWith(`${name}: expected`), error.message)
    t.regex(error.message, /found undefined/)
  }
})

test('exitAfter takes a time and a code of a process', (t) => {
  for (const wrong of [[], [1], ['1', 1], [-1, 1], [NaN, 1], [1e12, 1], [1, 256], [1, -1]] as never[])
    t.throws(() => addon.exitAfter(wrong[0], wrong[1]), { code: 'INVALID_OPTION' }, String(wrong))
})

test('session options of a wrong kind or range name what was expected', (t) => {
  const wrong: Loose[] = [
    { modelPath: 3 },
    { modelBytes: new Float32Array(3) },
    { provider: 'rocm' },
    { deviceId: -1 },
    { deviceId: 0.5 },
    { providerOptions: [] },
    { providerOptions: { a: 1 } },
    { threads: 0 },
    { threads: NaN },
    { threads: 2 ** 40 },
    { graphOptimization: 'most' },
    { allowSpinning: 1 },
    { cpuMemoryArena: 'yes' },
  ]
  for (const change of wrong) {
    const broken = { ...options, ...change }
    t.throws(() => addon.createSession(broken as never), { code: 'INVALID_OPTION', message: /expected/ })
  }
  for (const value of [undefined, null, 3, 'x', () => 0]) {
    t.throws(() => addon.createSession(value as never), { code: 'INVALID_OPTION' })
  }
})

test('a session needs exactly one of path and bytes', async (t) => {
  const both = { ...options, modelBytes: new Uint8Array(3) }
  const none = { ...options, modelPath: null }
  await t.throwsAsync(addon.createSession(both as never), { code: 'INVALID_OPTION' })
  await t.throwsAsync(addon.createSession(none as never), { code: 'INVALID_OPTION' })
})

test('batches of a wrong form name what was expected', async (t) => {
  const instance = await openInstance('identity_FP32')
  const one = request(Float32Array.of(1))
  const good: Loose = { ...batchOf([one], [[1]]) }
  const wrong: unknown[] = [
    undefined,
    [],
    { ...good, requests: undefined },
    { ...good, requests: [3] },
    { ...good, requests: [{ ...one, inputs: undefined }] },
    { ...good, requests: [{ ...one, inputs: [new Float32Array(1)] }] },
    { ...good, requests: [{ ...one, inputs: [new ArrayBuffer(4)] }] },
    { ...good, requests: [{ ...one, rows: 0 }] },
    { ...good, requests: [{ ...one, rows: 1.5 }] },
    { ...good, requests: [{ ...one, deadline: NaN }] },
    { ...good, requests: [{ ...one, deadline: undefined }] },
    { ...good, shapes: [1] },
    { ...good, shapes: [[-1]] },
    { ...good, shapes: [[Infinity]] },
    { ...good, shapes: [['1', '1']] },
    { ...good, batched: undefined },
    { ...good, outputs: [-1] },
    { ...good, outputs: undefined },
  ]
  for (const batch of wrong) t.throws(() => instance.execute(batch as never), { code: 'INVALID_OPTION' })
  const execution = instance.execute(good as never)
  t.throws(() => execution.cancel('0' as never), { code: 'INVALID_OPTION' })
  t.is((await execution.result).outcomes[0]?.kind, 'ok')
  await instance.dispose()
})

test('methods refuse the objects of another class', async (t) => {
  const session = await openSession('scalar')
  const instance = session.createInstance({ slots: 1 }, () => undefined)
  const execute = Reflect.get(instance, 'execute') as Method
  const dispose = Reflect.get(instance, 'dispose') as Method
  const createInstance = Reflect.get(session, 'createInstance') as Method
  t.throws(() => execute.call(session, {}), { instanceOf: TypeError })
  t.throws(() => dispose.call(session), { instanceOf: TypeError })
  t.throws(() => dispose.call({}))
  t.throws(() => createInstance.call(instance, { slots: 1 }, () => undefined), { instanceOf: TypeError })
  const Class = session.constructor as new (value?: unknown) => unknown
  t.throws(() => new Class())
  t.throws(() => new Class({}))
  await instance.dispose()
})

test('a session has one to eight slots an instance', async (t) => {
  const session = await openSession('scalar')
  for (const slots of [0, 9, 1.5, undefined, '2']) {
    t.throws(() => session.createInstance({ slots } as never, () => undefined), { code: 'INVALID_OPTION' })
  }
  t.throws(() => session.createInstance({ slots: 1 }, undefined as never), { code: 'INVALID_OPTION' })
})

test('a provider that cannot run here says what it lacks', (t) => {
  t.is(addon.checkProvider({ provider: 'cpu' }), null)
  for (const provider of ['cuda', 'tensorrt'] as const) {
    t.regex(addon.checkProvider({ provider }) ?? '', /libonnxruntime_providers_cuda\.so/)
  }
  t.throws(() => addon.checkProvider({ provider: 'tpu' as never }), { code: 'INVALID_OPTION' })
})

test('the memory limit is a number of bytes', (t) => {
  for (const bytes of [-1, NaN, '3', undefined]) {
    t.throws(() => addon.setMemoryLimit(bytes as never), { code: 'INVALID_OPTION' })
  }
})

test('the library is loaded once: the same path again is fine, another is not', (t) => {
  t.throws(() => addon.loadRuntime(fixture('scalar')), { code: 'INVALID_OPTION' })
  t.throws(() => (addon as unknown as { loadRuntime: NativeAddon['loadRuntime'] }).loadRuntime(3 as never), {
    code: 'INVALID_OPTION',
  })
})
