import { readFileSync } from 'node:fs'
import test from 'ava'
import { loadEngine } from '../../src/engine/index.js'
import type { NativePreprocessOptions } from '../../src/engine/native.js'
import { isSentinodeError } from '../../src/errors.js'

const folder = new URL('../fixtures/imaging/', import.meta.url)
const engine = loadEngine()

function readFixture(name: string) {
  const fields = new Map<string, string[]>()
  for (const line of readFileSync(new URL(`${name}.txt`, folder), 'utf8').split('\n')) {
    const [key, ...values] = line.split(' ')
    if (key !== undefined) fields.set(key, values)
  }
  const word = (key: string) => fields.get(key)?.[0] ?? ''
  const numbers = (key: string) => (fields.get(key) ?? []).map(Number)
  const bytes = (suffix: string) => new Uint8Array(readFileSync(new URL(`${name}.${suffix}`, folder))).buffer
  const arrays = { int16: Int16Array, uint16: Uint16Array, float32: Float32Array }
  const kind = word('type') as keyof typeof arrays
  const phases = numbers('phases')
  const options: NativePreprocessOptions = {
    samples: new arrays[kind](bytes('samples')),
    shape: numbers('shape') as unknown as [number, number, number, number],
    slopes: Float64Array.from(numbers('slopes')),
    intercepts: Float64Array.from(numbers('intercepts')),
    affine: Float64Array.from(numbers('volume')),
    gridShape: numbers('grid') as unknown as [number, number, number],
    gridAffine: Float64Array.from(numbers('grid_affine')),
    phases: Array.from({ length: phases.length / 3 }, (_, i) => ({
      first: phases[3 * i] ?? NaN,
      second: phases[3 * i + 1] ?? NaN,
      weight: phases[3 * i + 2] ?? NaN,
    })),
    scaling: word('scaling') as NativePreprocessOptions['scaling'],
    domain: word('domain') as NativePreprocessOptions['domain'],
    scope: word('scope') as NativePreprocessOptions['scope'],
    lowerPercentile: numbers('percentiles')[0] ?? NaN,
    upperPercentile: numbers('percentiles')[1] ?? NaN,
    clip: word('clip') === '1',
    outside: word('nearest') === '1' ? null : Number(word('outside')),
    threads: 2,
  }
  return { options, expected: new Float32Array(bytes('expected')), means: numbers('phase_means') }
}

for (const name of [
  'oblique_crop_zscore',
  'per_slice_rescale_interpolated',
  'outside_filled_first_phase',
  'outside_nearest_volume_statistics',
]) {
  test(`the addon gives what SciPy and nibabel give: ${name}`, async (t) => {
    const { options, expected, means } = readFixture(name)
    const result = await engine.preprocess(options)
    t.is(result.data.length, expected.length)
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expected.forEach((value, i) => {
      const error = Math.abs((result.data[i] ?? NaN) - value)
      if (!(error <= 1e-4 * Math.max(Math.abs(value), 0.01 * largest))) t.fail(`voxel ${i}: off by ${error}`)
    })
    means.forEach((mean, i) =>
      t.true(Math.abs((result.phaseMeans[i] ?? NaN) - mean) <= 1e-4 * Math.abs(mean)),
    )
    t.is(result.offsets.length, options.phases.length)
    t.is(result.scales.length, options.phases.length)
  })
}

test('samples that are a view into a larger buffer are read from where the view begins', async (t) => {
  const { options } = readFixture('oblique_crop_zscore')
  const padded = new Int16Array(options.samples.length + 7)
  padded.set(options.samples, 5)
  const whole = await engine.preprocess(options)
  const view = await engine.preprocess({
    ...options,
    samples: padded.subarray(5, 5 + options.samples.length),
  })
  t.deepEqual(view.data, whole.data)
})

test('options that do not fit the samples are refused before a thread starts', async (t) => {
  const { options } = readFixture('oblique_crop_zscore')
  const bad: [string, Partial<Record<keyof NativePreprocessOptions, unknown>>][] = [
    ['a sample too few', { samples: options.samples.subarray(1) }],
    ['samples of another kind', { samples: new Float64Array(options.samples.length) }],
    ['a slope too few', { slopes: options.slopes.subarray(1) }],
    ['slopes as a plain array', { slopes: [...options.slopes] }],
    ['a phase that is not there', { phases: [{ first: 0, second: 3, weight: 0.5 }] }],
    ['no phases', { phases: [] }],
    ['a grid without depth', { gridShape: [0, 4, 4] }],
    ['an affine that cannot be inverted', { affine: new Float64Array(16) }],
    ['an undefined property', { outside: undefined }],
    ['an unknown scaling', { scaling: 'minmax' }],
    ['percentiles the wrong way round', { scaling: 'percentile', lowerPercentile: 99, upperPercentile: 1 }],
  ]
  for (const [what, change] of bad) {
    const error = await t.throwsAsync(
      engine.preprocess({ ...options, ...change } as NativePreprocessOptions),
      undefined,
      what,
    )
    t.true(isSentinodeError(error) && error.code === 'INVALID_OPTION', what)
  }
})

test('a cancelled preprocessing rejects and leaves the next one alone', async (t) => {
  const { options } = readFixture('oblique_crop_zscore')
  const abort = new AbortController()
  const large: NativePreprocessOptions = { ...options, gridShape: [300, 400, 400], outside: null, threads: 1 }
  const work = engine.preprocess(large, abort.signal)
  setTimeout(() => abort.abort(), 10)
  const error = await t.throwsAsync(work)
  t.true(isSentinodeError(error) && error.code === 'CANCELLED')
  await t.notThrowsAsync(engine.preprocess(options))
  const late = await t.throwsAsync(engine.preprocess(options, AbortSignal.abort()))
  t.true(isSentinodeError(late) && late.code === 'CANCELLED')
})

test('faults of an exam come back with their code', async (t) => {
  const { options } = readFixture('oblique_crop_zscore')
  const constant = await t.throwsAsync(
    engine.preprocess({ ...options, samples: new Int16Array(options.samples.length).fill(7) }),
  )
  t.true(isSentinodeError(constant) && constant.code === 'EXAM_CONSTANT')
  const away = Float64Array.from(options.gridAffine)
  away[3] = 1e5
  const outside = await t.throwsAsync(engine.preprocess({ ...options, gridAffine: away }))
  t.true(isSentinodeError(outside) && outside.code === 'REGION_OUTSIDE_EXAM')
})
