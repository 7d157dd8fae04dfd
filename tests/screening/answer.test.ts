import test from 'ava'
import { loadEngine } from '../../src/engine/index.js'
import { isSentinodeError } from '../../src/errors.js'
import type { Volume4D } from '../../src/exam/volume.js'
import {
  answerToJson,
  makeAnswer,
  prepareExam,
  takePictures,
  type Contract,
  type PreparedExam,
  type Region,
} from '../../src/screening/index.js'
import { ballExam, clinical, contractWith } from './exams.js'

const engine = loadEngine()
/** The ball's middle, in patient millimetres. */
const ball: Region = { kind: 'centre', centre: [6, -6, 3] }
const small: [string, string] = [
  'size: [10, 32, 32], spacing_mm: [2, 1, 1]',
  'size: [8, 12, 12], spacing_mm: [1.5, 1, 1]',
]

async function prepare(
  volume: Volume4D,
  contract: Contract,
  change: { clinical?: object; region?: Region } = {},
): Promise<PreparedExam> {
  const prepared = await prepareExam({
    volume,
    contract,
    clinical: { ...clinical, ...change.clinical },
    region: change.region ?? ball,
    threads: 1,
    preprocess: engine.preprocess,
  })
  if (prepared.kind !== 'prepared') throw new Error(`left to ${prepared.model}`)
  return prepared
}

const finish = (contract: Contract, volume: Volume4D, prepared: PreparedExam) =>
  makeAnswer({
    exam: 'exam-7',
    contract,
    volume,
    prepared,
    outputs: new Map([['probability', Float32Array.of(0.4, 0.13)]]),
    model: { name: 'ln4d', version: '3', sha256: 'ab'.repeat(32) },
    operatingPoint: null,
    timingsMs: { read: 12, infer: 34 },
  })

test('an exam becomes the tensors that its contract describes', async (t) => {
  const prepared = await prepare(ballExam(), contractWith(small))
  t.deepEqual(
    prepared.tensors.map(({ name, shape }) => [name, shape]),
    [
      ['image', [1, 1, 5, 8, 12, 12]],
      ['clinical', [1, 5]],
    ],
  )
  const [image, values] = prepared.tensors
  t.is(image?.data.length, 5 * 8 * 12 * 12)
  // z-score over all phases of the crop together: mean 0, deviation 1, and the enhancement still there.
  const data = [...(image?.data ?? [])]
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length
  const deviation = Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length)
  t.true(Math.abs(mean) < 1e-4 && Math.abs(deviation - 1) < 1e-4)
  t.true((prepared.crop.phaseMeans[2] ?? 0) > (prepared.crop.phaseMeans[0] ?? 0) + 50)
  const expected = [(54 - 50) / 12, 1, 0, 0.2, 2]
  t.true(expected.every((value, i) => Math.abs(value - (values?.data[i] ?? NaN)) < 1e-6))
})

test('phases as channels have the same samples in another shape', async (t) => {
  const channels = await prepare(
    ballExam(),
    contractWith(small, ['input: image\n', 'input: image\n  layout: NTDHW\n']),
  )
  const axis = await prepare(ballExam(), contractWith(small))
  t.deepEqual(channels.tensors[0]?.shape, [1, 5, 8, 12, 12])
  t.deepEqual(channels.tensors[0]?.data, axis.tensors[0]?.data)
})

test('the grid lands on the voxels: a crop on the own grid of an exam holds its samples', async (t) => {
  const volume = ballExam()
  const contract = contractWith(
    ['size: [10, 32, 32], spacing_mm: [2, 1, 1]', 'size: [3, 3, 3], spacing_mm: [1.5, 1, 1]'],
    ['{ method: zscore, over: crop, phases: all }', '{ method: none }'],
  )
  const prepared = await prepare(volume, contract)
  for (let t0 = 0; t0 < 5; t0++) {
    for (let z = 0; z < 3; z++) {
      for (let y = 0; y < 3; y++) {
        for (let x = 0; x < 3; x++) {
          const stored = volume.samples[((t0 * 16 + 9 + z) * 40 + 13 + y) * 40 + 25 + x]
          t.is(prepared.tensors[0]?.data[((t0 * 3 + z) * 3 + y) * 3 + x], stored)
        }
      }
    }
  }
})

test('an answer says what was found, from what, with which model and contract', async (t) => {
  const volume = ballExam()
  const contract = contractWith(small)
  const json = answerToJson(
    finish(contract, volume, await prepare(volume, contract, { clinical: { ki67: null } })),
  )
  t.is(json.exam, 'exam-7')
  t.is(json.notice, 'NOT FOR CLINICAL USE; trained on simulated exams')
  t.deepEqual(
    json.findings.map(({ name, operating_point, positive }) => ({ name, operating_point, positive })),
    [
      { name: 'pN+', operating_point: 'rule_out', positive: true },
      { name: 'cN+', operating_point: 'rule_out', positive: false },
    ],
  )
  t.is(json.findings[1]?.calibrated, null)
  t.is(json.model, 'ln4d')
  t.is(json.version, '3')
  t.is(json.model_sha256, 'ab'.repeat(32))
  t.is(json.contract_sha256, contract.sha256)
  t.deepEqual(json.used.times_s, [0, 88, 151, 222, 279])
  t.deepEqual(
    json.used.phases.map(({ from, time_s, wanted_s }) => [from, time_s, wanted_s]),
    [
      [[0], 0, 0],
      [[1], 88, 90],
      [[2], 151, 150],
      [[3], 222, 220],
      [[4], 279, 280],
    ],
  )
  t.is(
    json.used.frames.read,
    json.used.frames.used + json.used.frames.left_out.reduce((sum, { count }) => sum + count, 0),
  )
  t.deepEqual(json.used.clinical, {
    given: ['age', 'er', 'her2', 'grade'],
    imputed: [{ name: 'ki67', value: 20, unit: 'percent' }],
  })
  t.deepEqual(
    json.warnings.map(({ code }) => code),
    ['CLINICAL_IMPUTED'],
  )
  t.deepEqual(Object.keys(json.timings_ms).sort(), ['infer', 'preprocess', 'read'])
  t.deepEqual(JSON.parse(JSON.stringify(json)), json)
})

test('warnings of the exam, the plan and the clinical data travel with the answer', async (t) => {
  const volume = ballExam({ warnings: [{ code: 'UNEVEN_SPACING', message: 'uneven' }] })
  const contract = contractWith(['size: [10, 32, 32]', 'size: [10, 44, 44]'])
  const region: Region = { kind: 'box', low: [-30, -10, 0], high: [30, 10, 3] }
  const prepared = await prepare(volume, contract, { region, clinical: { ki67: 1 } })
  t.deepEqual(
    prepared.warnings.map(({ code }) => code),
    ['UNEVEN_SPACING', 'REGION_CUT_OFF', 'CLINICAL_DOUBTFUL', 'PARTLY_OUTSIDE'],
  )
})

test('a grid that lies outside the exam by more than the contract allows is refused', async (t) => {
  const contract = contractWith(small, ['[centre, box, mask]', '[centre], max_outside_fraction: 0.1'])
  const error = await t.throwsAsync(
    prepare(ballExam(), contract, { region: { kind: 'centre', centre: [18, -6, 3] } }),
  )
  t.true(isSentinodeError(error) && error.code === 'REGION_OUTSIDE_EXAM')
  t.regex(error.message, /expected at most 10 % of the grid outside the exam, found 33\.3 %/)
})

test('missing clinical values that the contract leaves to another model are told before any work', async (t) => {
  const result = await prepareExam({
    volume: ballExam(),
    contract: contractWith(small),
    clinical: { ...clinical, her2: null },
    region: ball,
    threads: 1,
    preprocess: () => Promise.reject(new Error('not to be called')),
  })
  t.deepEqual(result, { kind: 'other-model', model: 'image_only', missing: ['her2'] })
})

test('pictures show the slice through the lesion, in every phase, with one window', async (t) => {
  const prepared = await prepare(ballExam(), contractWith(small))
  const pictures = takePictures(prepared, [1.5, 1, 1])
  // The ball's middle is slice 10 of the exam, half way between slices 3 and 4 of the crop.
  t.true([3, 4].includes(pictures.slice), String(pictures.slice))
  t.is(pictures.pngs.length, 5)
  t.is(pictures.width, 12)
  t.is(pictures.height, 12)
})

test('pictures find the lesion also where every phase was normalised by itself', async (t) => {
  const prepared = await prepare(ballExam(), contractWith(small, ['phases: all', 'phases: each']))
  t.true([3, 4].includes(takePictures(prepared, [1.5, 1, 1]).slice))
})
