import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import test from 'ava'
import { DEFAULT_SESSION_OPTIONS, loadEngine } from '../../src/engine/index.js'
import { addonPath, bytes, fixture, floats } from './support.js'

const engine = loadEngine({ addonPath })
const scalar = { ...DEFAULT_SESSION_OPTIONS, modelPath: fixture('scalar') }

test('the runtime tells its version and providers', (t) => {
  t.is(engine.runtime.apiVersion, 21)
  t.regex(engine.runtime.version, /^1\.\d+\.\d+$/)
  t.true(engine.runtime.providers.includes('CPUExecutionProvider'))
  t.true(engine.runtime.onednn === null || /^\d+\.\d+\.\d+$/.test(engine.runtime.onednn))
})

test('CUDA and TensorRT say what is missing and nothing falls back', async (t) => {
  for (const provider of ['cuda', 'tensorrt'] as const) {
    const error = await t.throwsAsync(engine.createSession({ ...scalar, provider }), {
      code: 'PROVIDER_UNAVAILABLE',
      name: 'SentinodeError',
    })
    t.regex(error.message, new RegExp(`provider ${provider} .*libonnxruntime_providers_${provider}\\.so`))
  }
})

test('the CPU takes no provider options', async (t) => {
  const options = { ...scalar, providerOptions: { trt_fp16_enable: '1' } }
  await t.throwsAsync(engine.createSession(options), { code: 'INVALID_OPTION', message: /trt_fp16_enable/ })
})

test('a network without operators of ours has no regions to report', async (t) => {
  const session = await engine.createSession(scalar)
  t.is(session.plannedBytes(), 0)
  t.deepEqual(session.operatorReport(), [])
  session.dispose()
  t.throws(() => session.operatorReport(), { code: 'DISPOSED' })
})

test('a model may come as bytes', async (t) => {
  const session = await engine.createSession({
    ...scalar,
    modelPath: null,
    modelBytes: readFileSync(fixture('scalar')),
  })
  const instance = session.createInstance('s', false)
  const payload = { inputs: [bytes(Float32Array.of(7))], shapes: [[]], outputs: [0] }
  const { outcomes } = await instance.start([{ payload, rows: 1, deadline: Infinity }]).done
  t.true(outcomes[0]?.kind === 'ok' && floats(outcomes[0].result.outputs[0]!.data)[0] === 7)
  await instance.dispose()
})

test('what is no model, no file or no tensor is a coded error', async (t) => {
  const attempts = [
    { modelPath: fixture('missing') },
    { modelPath: null, modelBytes: Buffer.from('not a model') },
    { modelPath: null, modelBytes: readFileSync(fixture('rows')).subarray(0, 100) },
    { modelPath: fixture('sequence') },
  ]
  for (const attempt of attempts) {
    const error = await t.throwsAsync(engine.createSession({ ...scalar, ...attempt }), {
      code: 'MODEL_INVALID',
      name: 'SentinodeError',
    })
    t.false(error.message.includes(dirname(fixture('scalar'))), 'no paths of the host')
  }
})

test('sessions that are created at once all load', async (t) => {
  const sessions = await Promise.all(Array.from({ length: 24 }, () => engine.createSession(scalar)))
  for (const session of sessions) session.dispose()
  t.is(sessions.length, 24)
})
