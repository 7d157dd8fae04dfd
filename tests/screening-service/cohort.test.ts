import { status } from '@grpc/grpc-js'
import test from 'ava'
import { ReportFormat, type ScreenCohortRequest } from '../../src/generated/sentinode/v1/screening.js'
import { codeOf, later } from '../grpc/harness.js'
import { cohortExam, collect, connect, fixture, options, screen, send } from './client.js'
import { metricsOf, screeningDaemon, sharedDaemon, untilIdle, untilMetric } from './daemon.js'
import { largeExam, type LargeExam } from './large.js'

const shared = sharedDaemon(test, ['--exam-concurrency', '2'])
const GOOD = 'siemens_series_per_phase'

/** "7 OK" or "7 CODE" of every answer. */
function said(responses: Awaited<ReturnType<typeof collect>>['responses']): string[] {
  return responses.map(
    ({ sequence, kind }) => `${sequence} ${kind?.$case === 'error' ? kind.value.code : 'OK'}`,
  )
}

test.serial(
  'a cohort is answered in its order, with a reason for each exam that is not screened',
  async (t) => {
    const { client, daemon } = shared
    const exams: [string, Parameters<typeof options>[0], string][] = [
      [GOOD, {}, 'OK'],
      ['bad_missing_slice', {}, 'INCOMPLETE_PHASE'],
      ['ge_one_series_trigger_time', {}, 'OK'],
      [GOOD, { operatingPoint: 'none such' }, 'INVALID_REQUEST'],
      [GOOD, { model: 'none such' }, 'MODEL_NOT_FOUND'],
      ['rle_compressed', { model: 'image_only', clinical: {} }, 'OK'],
      ['bad_duplicate', {}, 'DUPLICATE_SLICE'],
    ]
    const stream = client.screenCohort()
    const result = collect(stream)
    for (const [i, [name, change]] of exams.entries()) {
      await send(stream, cohortExam(BigInt(40 + i), fixture(name), options(change)))
    }
    stream.end()
    const { responses, error } = await result
    t.is(error, null)
    t.deepEqual(
      said(responses),
      exams.map(([, , code], i) => `${40 + i} ${code}`),
    )
    const [first] = responses
    const alone = await screen(client, fixture(GOOD))
    t.deepEqual(first?.kind?.$case === 'answer' && first.kind.value.findings, alone.findings)
    const refused = responses.flatMap(({ kind }) => (kind?.$case === 'error' ? [kind.value] : []))
    t.true(refused.every(({ message, retryable }) => message !== '' && !retryable))
    await untilIdle(daemon)
  },
)

test.serial('who lost the stream goes on with the first exam that has no answer', async (t) => {
  const { client, daemon } = shared
  const wanted = Array.from({ length: 6 }, (_, i) => BigInt(i))
  const got = new Map<bigint, string>()
  let lost = 0
  for (let next = 0n; next < 6n;) {
    const stream = client.screenCohort()
    const result = collect(stream)
    stream.on('data', ({ sequence }: { sequence: bigint }) => {
      // The line breaks after two answers, in the middle of what follows.
      if (sequence === next + 1n && lost < 2) {
        lost++
        stream.cancel()
      }
    })
    for (let sequence = next; sequence < 6n; sequence++)
      await send(stream, cohortExam(sequence, fixture(GOOD)))
    stream.end()
    for (const line of said((await result).responses)) {
      const [sequence, code] = line.split(' ') as [string, string]
      t.false(got.has(BigInt(sequence)), 'nothing is answered twice')
      got.set(BigInt(sequence), code)
    }
    next = BigInt(got.size)
  }
  t.is(lost, 2)
  t.deepEqual(
    [...got],
    wanted.map((sequence) => [sequence, 'OK']),
  )
  await untilIdle(daemon)
})

test.serial(
  'what breaks the stream ends it with a reason, after the answers to the exams before',
  async (t) => {
    const { client, daemon } = shared
    const asked = options()
    const chunk = { file: 0, data: new Uint8Array(10) }
    const breaks: [string, ScreenCohortRequest[]][] = [
      ['a chunk of no exam', [{ sequence: 1n, kind: { $case: 'chunk', value: chunk } }]],
      ['a number left out', [{ sequence: 2n, kind: { $case: 'options', value: asked } }]],
      ['a number again', [{ sequence: 0n, kind: { $case: 'options', value: asked } }]],
      ['nothing', [{ sequence: 1n, kind: undefined }]],
      [
        'a chunk of another exam',
        [
          { sequence: 1n, kind: { $case: 'options', value: asked } },
          { sequence: 0n, kind: { $case: 'chunk', value: chunk } },
        ],
      ],
      [
        'options within an exam',
        [
          { sequence: 1n, kind: { $case: 'options', value: asked } },
          { sequence: 1n, kind: { $case: 'options', value: asked } },
        ],
      ],
      ['an exam without its end', [{ sequence: 1n, kind: { $case: 'options', value: asked } }]],
    ]
    for (const [what, messages] of breaks) {
      const stream = client.screenCohort()
      const result = collect(stream)
      await send(stream, cohortExam(0n, fixture(GOOD)))
      await send(stream, messages)
      stream.end()
      const { responses, error } = await result
      t.deepEqual(said(responses), ['0 OK'], what)
      t.is(error?.code, status.INVALID_ARGUMENT, what)
      t.is(codeOf(error!), 'INVALID_REQUEST', what)
      await untilIdle(daemon)
    }
  },
)

test.serial('a path of a server that has no roots is refused, and the cohort goes on', async (t) => {
  const { client } = shared
  const stream = client.screenCohort()
  const result = collect(stream)
  await send(stream, [
    { sequence: 0n, kind: { $case: 'options', value: options() } },
    { sequence: 0n, kind: { $case: 'path', value: { root: 'pacs', path: 'x' } } },
    ...cohortExam(1n, fixture(GOOD)),
  ])
  stream.end()
  t.deepEqual(said((await result).responses), ['0 EXAM_PATH_REFUSED', '1 OK'])
})

test.serial('while answers are not read the cohort is not read on; then all is answered', async (t) => {
  const { daemon } = shared
  // What is sent ahead of its reader stays small.
  const client = connect(daemon.grpc, { 'grpc-node.flow_control_window': 65_535 })
  t.teardown(() => client.close())
  const count = 90
  const files = fixture('rle_compressed')
  const asked = options({
    reports: [ReportFormat.REPORT_FORMAT_JSON, ReportFormat.REPORT_FORMAT_HTML],
    model: 'image_only',
    clinical: {},
  })
  const stream = client.screenCohort()
  const result = collect(stream)
  // A client of grpc-js that was never read holds nothing back.
  stream.once('data', () => {
    stream.pause()
  })
  let written = 0
  const writing = (async () => {
    for (let i = 0; i < count; i++) {
      await send(stream, cohortExam(BigInt(i), files, asked))
      written++
    }
    stream.end()
  })()
  const answers = async (): Promise<number> =>
    (await metricsOf(daemon)).get('sentinode_exams_total{code="OK"}') ?? 0
  const before = await answers()
  await untilMetric(daemon, 'sentinode_exams_total{code="OK"}', (now) => now > before)
  // Neither screened nor sent for several times as long as an exam takes.
  let still = 0
  for (let last = -1; still < 10;) {
    await later(500)
    const now = (await answers()) - before + written
    still = now === last ? still + 1 : 0
    last = now
  }
  t.true(written < count, `it stands still at ${written} exams`)
  t.true((await answers()) - before < count)

  stream.resume()
  await writing
  const { responses, error } = await result
  t.is(error, null)
  t.deepEqual(
    said(responses),
    Array.from({ length: count }, (_, i) => `${i} OK`),
  )
  await untilIdle(daemon)
})

test.serial(
  'an exam that has no room waits, unread, until there is; its caller has nothing to do',
  async (t) => {
    const exam: LargeExam = { phases: 3, slices: 20, rows: 256, columns: 256 }
    const bytes = [...largeExam(exam)].reduce((sum, file) => sum + file.byteLength, 0)
    // Room for one and a half.
    const { client, daemon } = await screeningDaemon(t, ['--exam-memory', String(3 * bytes)])
    const asked = options({ uploadBytes: BigInt(bytes) })
    const streams = Array.from({ length: 3 }, () => client.screenCohort())
    const results = streams.map(collect)
    await Promise.all(
      streams.map(async (stream) => {
        for (let i = 0; i < 3; i++) await send(stream, cohortExam(BigInt(i), largeExam(exam), asked))
        stream.end()
      }),
    )
    for (const { responses, error } of await Promise.all(results)) {
      t.is(error, null)
      t.deepEqual(said(responses), ['0 OK', '1 OK', '2 OK'])
    }
    await untilIdle(daemon)
  },
)

test.serial('exams without their size wait for those at work as well', async (t) => {
  const exam: LargeExam = { phases: 3, slices: 10, rows: 256, columns: 256 }
  const bytes = [...largeExam(exam)].reduce((sum, file) => sum + file.byteLength, 0)
  const { client, daemon } = await screeningDaemon(t, ['--exam-memory', String(3 * bytes)])
  const stream = client.screenCohort()
  const result = collect(stream)
  for (let i = 0; i < 6; i++) await send(stream, cohortExam(BigInt(i), largeExam(exam), options()))
  stream.end()
  const { responses, error } = await result
  t.is(error, null)
  t.deepEqual(
    said(responses),
    Array.from({ length: 6 }, (_, i) => `${i} OK`),
  )
  await untilIdle(daemon)
})

test.serial(
  'draining answers the exams that have begun, refuses the next, and ends the stream',
  async (t) => {
    const { client, daemon } = await screeningDaemon(t, ['--drain-timeout', '100'])
    const stream = client.screenCohort()
    const result = collect(stream)
    await send(stream, cohortExam(0n, fixture(GOOD)))
    await send(stream, cohortExam(1n, fixture('ge_one_series_trigger_time')))
    // The third is in the middle of its upload.
    const third = [...cohortExam(2n, fixture(GOOD))]
    await send(stream, third.slice(0, 30))
    const idle = client.screenCohort()
    const idleResult = collect(idle)
    await send(idle, cohortExam(7n, fixture(GOOD)))
    await untilMetric(daemon, 'sentinode_exams_total{code="OK"}', (count) => count >= 3)

    const begin = performance.now()
    daemon.child.kill('SIGTERM')
    const waiting = await idleResult
    t.deepEqual(said(waiting.responses), ['7 OK'])
    t.is(waiting.error?.code, status.UNAVAILABLE)
    t.is(codeOf(waiting.error!), 'SHUTTING_DOWN')
    await send(stream, third.slice(30))
    await send(stream, cohortExam(3n, fixture(GOOD)))
    const { responses, error } = await result
    t.deepEqual(said(responses), ['0 OK', '1 OK', '2 OK'])
    t.is(error?.code, status.UNAVAILABLE)
    t.is(codeOf(error!), 'SHUTTING_DOWN')
    t.is((await daemon.finished).code, 0)
    t.true(performance.now() - begin < 80_000, 'the drain timeout was not waited for')
  },
)

test.serial('a cohort that goes on past the drain timeout is cut off, and the daemon ends', async (t) => {
  const { client, daemon } = await screeningDaemon(t, ['--drain-timeout', '1'])
  const stream = client.screenCohort()
  const result = collect(stream)
  await send(stream, [...cohortExam(0n, fixture(GOOD))].slice(0, 20))
  await untilMetric(daemon, 'sentinode_exams', (count) => count === 1)
  daemon.child.kill('SIGTERM')
  const { responses, error } = await result
  t.deepEqual(responses, [])
  t.not(error, null)
  t.is((await daemon.finished).code, 0)
})
