import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { status, type ServiceError } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import { loadEngine } from '../../src/engine/index.js'
import { readExam } from '../../src/exam/read.js'
import { memorySource } from '../../src/exam/source.js'
import {
  ModelInferRequest,
  type ModelInferResponse,
  type ModelMetadataResponse,
} from '../../src/generated/grpc_service.js'
import { ReportFormat, type ScreeningAnswer } from '../../src/generated/sentinode/v1/screening.js'
import { parseContract, prepareExam, type ScreeningTensor } from '../../src/screening/index.js'
import { codeOf, failure, invoke } from '../grpc/harness.js'
import { niftiFile } from '../intake/nifti.js'
import { sharedDaemon, untilIdle, untilMetric } from './daemon.js'
import { begin, CLINICAL, fixture, options, screen } from './client.js'
import { contract, GRID, PHASES } from './model.js'

const EXAM = 'siemens_series_per_phase'
const shared = sharedDaemon(test, ['--models', 'tests/fixtures/engine/square.onnx'])

/** The tensors of an exam, made in this process. */
async function tensorsOf(files: readonly Uint8Array[]): Promise<readonly ScreeningTensor[]> {
  const volume = await readExam(memorySource(files.map((bytes, i) => ({ id: String(i), bytes }))))
  const prepared = await prepareExam({
    volume,
    contract: parseContract(contract()),
    clinical: { age: 61, her2: 'negative' },
    region: null,
    threads: 1,
    preprocess: loadEngine().preprocess,
  })
  if (prepared.kind !== 'prepared') throw new Error('the exam went to another model')
  return prepared.tensors
}

function inferRequest(tensors: readonly ScreeningTensor[]): ModelInferRequest {
  return ModelInferRequest.fromPartial({
    modelName: 'lymph',
    inputs: tensors.map(({ name, shape }) => ({ name, datatype: 'FP32', shape: shape.map(BigInt) })),
    rawInputContents: tensors.map(
      ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    ),
  })
}

async function refused(
  t: ExecutionContext,
  call: Promise<unknown>,
  code: string,
  grpc: status,
): Promise<ServiceError> {
  const error = await failure(call)
  t.is(codeOf(error), code, error.message)
  t.is(error.code, grpc)
  return error
}

test.serial(
  'an uploaded exam is answered as its tensors would be, with what the answer rests on',
  async (t) => {
    const { daemon, client } = shared
    const files = fixture(EXAM)
    const answer = await screen(client, files)

    const raw = await invoke<ModelInferResponse>(
      daemon.client,
      'modelInfer',
      inferRequest(await tensorsOf(files)),
    )
    const [bytes] = raw.rawOutputContents
    const expected = new Float32Array(Uint8Array.from(bytes!).buffer)
    t.deepEqual(
      answer.findings.map(({ probability }) => probability),
      [...expected],
    )
    const [pathologic, clinical] = answer.findings
    const logit = Math.log(pathologic!.probability / (1 - pathologic!.probability))
    t.true(Math.abs(pathologic!.calibrated! - 1 / (1 + Math.exp(-(1.2 * logit - 0.3)))) < 1e-12)
    t.is(clinical!.calibrated, undefined)
    t.like(pathologic, {
      name: 'pN+',
      operatingPoint: 'rule_out',
      threshold: 0.15,
      sensitivity: 0.95,
      specificity: 0.51,
    })
    t.is(pathologic!.positive, pathologic!.calibrated! >= 0.15)

    const { properties } = await invoke<ModelMetadataResponse>(daemon.client, 'modelMetadata', {
      name: 'lymph',
      version: '',
    })
    t.like(answer, { model: 'lymph', modelVersion: '1', notice: 'NOT FOR CLINICAL USE' })
    t.is(answer.contractSha256, parseContract(contract()).sha256)
    t.regex(answer.modelSha256, /^[0-9a-f]{64}$/)
    t.like(properties, {
      content_sha256: answer.modelSha256,
      contract_sha256: answer.contractSha256,
      notice: answer.notice,
    })

    t.is(
      answer.used?.framesRead,
      answer.used!.framesUsed + answer.used!.leftOut.reduce((sum, { count }) => sum + count, 0n),
    )
    t.deepEqual(answer.used?.timesS, [0, 89.2, 147.9, 220.7, 279.3])
    t.like(answer.used, {
      phasesFrom: 'AcquisitionTime',
      timesFrom: 'AcquisitionTime',
      region: 'volume',
      clinicalGiven: ['age', 'her2'],
    })
    t.deepEqual(answer.used?.grid, [...GRID])
    t.is(answer.used?.phases.length, PHASES)
    t.deepEqual(Object.keys(answer.timingsMs).sort(), [
      'infer',
      'preprocess',
      'queue',
      'read',
      'upload',
      'wait',
    ])
    t.true(Object.values(answer.timingsMs).every((ms) => ms >= 0))
  },
)

test.serial(
  'NIfTI comes as one file or one a phase, packed or not, with its times from the request',
  async (t) => {
    const { client } = shared
    const side = 26
    const samples = Int16Array.from({ length: 3 * side ** 3 }, (_, i) => (i * 7919) % 500)
    const one = niftiFile([side, side, side, 3], samples)
    const each = [0, 1, 2].map((phase) =>
      niftiFile([side, side, side, 1], samples.subarray(phase * side ** 3, (phase + 1) * side ** 3)),
    )
    const asked = options({ timesS: [0, 91, 182] })
    const answers: ScreeningAnswer[] = []
    for (const files of [[one], each, each.map((file) => gzipSync(file))]) {
      answers.push(await screen(client, files, asked))
    }
    t.deepEqual(
      answers.map(({ used }) => used?.timesS),
      Array.from({ length: 3 }, () => [0, 91, 182]),
    )
    const [first] = answers.map(({ findings }) => findings.map(({ probability }) => probability))
    for (const { findings } of answers)
      t.deepEqual(
        findings.map(({ probability }) => probability),
        first,
      )
    t.deepEqual(
      answers.map(({ warnings }) => warnings.map(({ code }) => code).filter((code) => /ORDER/.test(code))),
      [[], ['ORDER_FROM_FILE_NAMES'], ['ORDER_FROM_FILE_NAMES']],
    )
    await refused(t, screen(client, each), 'AMBIGUOUS_TIMES', status.FAILED_PRECONDITION)
  },
)

test.serial(
  'a region is a centre, a box, or what a mask marks: sent as bytes or as a file of the upload',
  async (t) => {
    const { client } = shared
    const [x, y, z] = [-100, -90, -62]
    const files = fixture(EXAM)
    const centre = await screen(
      client,
      files,
      options({ region: { kind: { $case: 'centre', value: { x, y, z } } } }),
    )
    t.like(centre.used, { region: 'centre', centreMm: { x, y, z } })
    const low = { x: x - 5, y: y - 4, z: z - 3 }
    const high = { x: x + 5, y: y + 4, z: z + 3 }
    const box = await screen(
      client,
      files,
      options({ region: { kind: { $case: 'box', value: { low, high } } } }),
    )
    t.like(box.used, { region: 'box', centreMm: { x, y, z } })

    // A NIfTI mask about the origin, whose one voxel lies at LPS (2, -1, 0.5).
    const voxels = new Int16Array(8 * 8 * 8)
    voxels[4 * 64 + 4 * 8 + 1] = 1
    const mask = niftiFile([8, 8, 8, 1], voxels)
    const samples = Int16Array.from({ length: 3 * 27 ** 3 }, (_, i) => (i * 7919) % 500)
    const exam = niftiFile([27, 27, 27, 3], samples)
    const place = { x: 2.5, y: -0.5, z: 0.5 }
    const asBytes = {
      kind: {
        $case: 'mask' as const,
        value: { source: { $case: 'data' as const, value: mask }, segment: 0 },
      },
    }
    const asFile = {
      kind: { $case: 'mask' as const, value: { source: { $case: 'file' as const, value: 1 }, segment: 1 } },
    }
    for (const [region, sent] of [
      [asBytes, [exam]],
      [asFile, [exam, mask]],
    ] as const) {
      const { used } = await screen(client, sent, options({ region, timesS: [0, 90, 150] }))
      t.like(used, { region: 'mask', centreMm: place, framesRead: 81n })
    }
    const missing = options({ region: asFile, timesS: [0, 90, 150] })
    await refused(t, screen(client, [exam], missing), 'REGION_INVALID', status.INVALID_ARGUMENT)
  },
)

test.serial(
  'an exam without a value goes to the model that the contract names, and the answer says so',
  async (t) => {
    const { client } = shared
    const asked = options({ clinical: { age: CLINICAL['Age']! } })
    const answer = await screen(client, fixture(EXAM), asked)
    t.is(answer.model, 'image_only')
    t.is(answer.contractSha256, parseContract(contract({ clinical: false })).sha256)
    t.true(
      answer.warnings.some(
        ({ code, message }) => code === 'CLINICAL_OTHER_MODEL' && /her2 .* lymph .* image_only/.test(message),
      ),
    )
    t.deepEqual(answer.used?.clinicalGiven, [])

    const imputed = await screen(client, fixture(EXAM), options({ clinical: { her2: CLINICAL['HER-2']! } }))
    t.is(imputed.model, 'lymph')
    t.deepEqual(imputed.used?.clinicalImputed, [{ name: 'age', value: '55', unit: 'years' }])
    t.true(imputed.warnings.some(({ code }) => code === 'CLINICAL_IMPUTED'))
  },
)

test.serial('the decision is made at the operating point that is asked for', async (t) => {
  const { client } = shared
  const answer = await screen(client, fixture(EXAM), options({ operatingPoint: 'balanced' }))
  for (const finding of answer.findings) {
    t.is(finding.operatingPoint, 'balanced')
    t.is(finding.positive, (finding.calibrated ?? finding.probability) >= finding.threshold)
  }
})

test.serial('what the options show to be wrong is answered before anything is uploaded', async (t) => {
  const { daemon, client } = shared
  const cases: [Parameters<typeof options>[0], string, status][] = [
    [{ model: '' }, 'INVALID_REQUEST', status.INVALID_ARGUMENT],
    [{ model: 'no such' }, 'MODEL_NOT_FOUND', status.NOT_FOUND],
    [{ modelVersion: '7' }, 'MODEL_NOT_FOUND', status.NOT_FOUND],
    [{ operatingPoint: 'other' }, 'INVALID_REQUEST', status.INVALID_ARGUMENT],
    [
      { clinical: { ...CLINICAL, colour: { kind: { $case: 'text', value: 'red' } } } },
      'CLINICAL_INVALID',
      status.INVALID_ARGUMENT,
    ],
    [
      { clinical: { ...CLINICAL, her2: { kind: { $case: 'text', value: '2+' } } } },
      'CLINICAL_INVALID',
      status.INVALID_ARGUMENT,
    ],
    [
      { clinical: { ...CLINICAL, Age: { kind: { $case: 'number', value: 7 } } } },
      'CLINICAL_INVALID',
      status.INVALID_ARGUMENT,
    ],
    [{ region: { kind: undefined } }, 'REGION_INVALID', status.INVALID_ARGUMENT],
    [
      { region: { kind: { $case: 'centre', value: { x: NaN, y: 0, z: 0 } } } },
      'REGION_INVALID',
      status.INVALID_ARGUMENT,
    ],
    [{ reports: [ReportFormat.REPORT_FORMAT_UNSPECIFIED] }, 'INVALID_REQUEST', status.INVALID_ARGUMENT],
    [{ uploadBytes: 2n ** 63n }, 'EXAM_TOO_LARGE', status.INVALID_ARGUMENT],
  ]
  // The calls send options and nothing else: an answer can only be to them.
  for (const [change, code, grpc] of cases) {
    const upload = begin(client, options(change))
    await refused(t, upload.answer, code, grpc)
    upload.cancel()
  }
  const message = (await failure(begin(client, options({ operatingPoint: 'other' })).answer)).details
  t.regex(message, /rule_out, balanced/)
  await untilIdle(daemon)
})

test.serial('a model without a contract takes no exams', async (t) => {
  const { daemon, client } = shared
  const upload = begin(client, options({ model: 'square' }))
  await refused(t, upload.answer, 'NOT_A_SCREENING_MODEL', status.FAILED_PRECONDITION)
  upload.cancel()
  await untilIdle(daemon)
})

for (const [exam, code] of [
  ['bad_missing_slice', 'INCOMPLETE_PHASE'],
  ['bad_truncated', 'TRUNCATED_PIXEL_DATA'],
  ['bad_two_patients', 'MULTIPLE_PATIENTS'],
] as const) {
  test.serial(`${exam} is refused as ${code}, and nothing of it is kept`, async (t) => {
    const { daemon, client } = shared
    const error = await failure(screen(client, fixture(exam)))
    t.is(codeOf(error), code)
    await untilIdle(daemon)
    await untilMetric(daemon, `sentinode_exams_total{code="${code}"}`, (count) => count === 1)
  })
}

test.serial(
  'a deadline that passes and a caller that goes away free everything, wherever the exam is',
  async (t) => {
    const { daemon, client } = shared
    const files = fixture(EXAM)
    for (const cancelled of [true, false]) {
      for (const wholeUpload of [false, true]) {
        const upload = begin(client, options(), cancelled ? {} : { deadline: Date.now() + 1500 })
        const sent = wholeUpload ? files : files.slice(0, 20)
        for (const [file, data] of sent.entries())
          await upload.write({ kind: { $case: 'chunk', value: { file, data } } })
        await untilMetric(daemon, 'sentinode_exam_memory_bytes', (bytes) => bytes > 0)
        if (wholeUpload) upload.end()
        if (cancelled) upload.cancel()
        const error = await failure(
          upload.answer.then((answer) => {
            // Screened before it was cancelled: that is no failure of the daemon's.
            throw Object.assign(new Error('answered'), {
              code: answer.exam === '' ? -1 : cancelled ? status.CANCELLED : status.DEADLINE_EXCEEDED,
            })
          }),
        )
        t.is(error.code, cancelled ? status.CANCELLED : status.DEADLINE_EXCEEDED)
        await untilIdle(daemon)
      }
    }
    t.is((await screen(client, files)).model, 'lymph')
  },
)

test.serial('messages out of order are refused', async (t) => {
  const { daemon, client } = shared
  const data = readFileSync(new URL('model.ts', import.meta.url))
  const twice = begin(client, options())
  void twice.write({ kind: { $case: 'options', value: options() } })
  await refused(t, twice.answer, 'INVALID_REQUEST', status.INVALID_ARGUMENT)
  const backwards = begin(client, options())
  for (const file of [3, 5, 4]) void backwards.write({ kind: { $case: 'chunk', value: { file, data } } })
  await refused(t, backwards.answer, 'INVALID_REQUEST', status.INVALID_ARGUMENT)
  const empty = begin(client, options())
  empty.end()
  await refused(t, empty.answer, 'NOT_DICOM', status.INVALID_ARGUMENT)
  const large = begin(client, options())
  void large.write({ kind: { $case: 'chunk', value: { file: 0, data: new Uint8Array(4 * 2 ** 20) } } })
  await refused(t, large.answer, 'REQUEST_TOO_LARGE', status.RESOURCE_EXHAUSTED)
  await untilIdle(daemon)
})
