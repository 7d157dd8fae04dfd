import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { status } from '@grpc/grpc-js'
import test from 'ava'
import { readExam } from '../../src/exam/read.js'
import { memorySource } from '../../src/exam/source.js'
import type { ScreeningOptions } from '../../src/generated/sentinode/v1/screening.js'
import { codeOf, failure } from '../grpc/harness.js'
import { sentinode, temporaryFolder } from '../process/sentinode.js'
import { begin, chunks, options, screen } from './client.js'
import { metricsOf, screeningDaemon, sharedDaemon, untilIdle, untilMetric } from './daemon.js'
import { explainRepository, PLACE, seenExam } from './seer.js'

const models = temporaryFolder()
test.after.always(() => models.remove())
const args = ['--models', explainRepository(models.path)]
const shared = sharedDaemon(test, args)

/** 7 places a side, and the phases. */
const COPIES = 7 ** 3 + 3

const asked = (change: Partial<ScreeningOptions> = {}): ScreeningOptions =>
  options({ model: 'seer', clinical: {}, timesS: [0, 90, 150], explain: true, ...change })

const inferences = 'nv_inference_count{model="seer",version="1"}'
const executions = 'nv_inference_exec_count{model="seer",version="1"}'

test.serial('an explanation points at the place and the phase that the network looks at', async (t) => {
  const { client, daemon } = shared
  const before = await metricsOf(daemon)
  const answer = await screen(client, [seenExam()], asked())
  const [seen, blind] = answer.findings.map(({ explanation }) => explanation)
  if (seen === undefined || blind === undefined) return t.fail()
  t.deepEqual(seen.strongestMm, PLACE)
  t.true(seen.strongestDrop > 0.1)
  t.deepEqual(seen.grid, [8, 24, 24])
  t.deepEqual(seen.patch, [2, 6, 6])
  t.is(seen.copies, COPIES)
  t.deepEqual(seen.affine, [1, 0, 0, -11.5, 0, 1, 0, -11.5, 0, 0, 2, -7, 0, 0, 0, 1])
  t.is(seen.map.length, 8 * 24 * 24)
  t.is(Math.max(...seen.map), seen.strongestDrop)
  t.deepEqual(
    seen.phaseDrops.map((drop) => drop > 0.1),
    [false, true, false],
  )
  t.true([...blind.map, ...blind.phaseDrops].every((drop) => drop === 0))
  t.true((answer.timingsMs['explain'] ?? 0) > 0)

  const after = await metricsOf(daemon)
  const count = (series: string): number => (after.get(series) ?? 0) - (before.get(series) ?? 0)
  t.is(count(inferences), COPIES + 1)
  // Batches of up to 4: the copies share them.
  t.true(count(executions) < (COPIES + 1) / 2, `${count(executions)} runs`)
})

test.serial('without being asked for there is none, and the answer is the same', async (t) => {
  const { client } = shared
  const [plain, explained] = [
    await screen(client, [seenExam()], asked({ explain: false })),
    await screen(client, [seenExam()], asked()),
  ]
  t.true(plain.findings.every(({ explanation }) => explanation === undefined))
  t.false('explain' in plain.timingsMs)
  t.deepEqual(
    plain.findings,
    explained.findings.map((finding) => ({ ...finding, explanation: undefined })),
  )
})

test.serial('exams explained at once do not mix', async (t) => {
  const { client } = shared
  const answers = await Promise.all([1, 2, 3].map(() => screen(client, [seenExam()], asked())))
  const maps = answers.map(({ findings }) => findings[0]?.explanation?.map)
  t.deepEqual(maps[1], maps[0])
  t.deepEqual(maps[2], maps[0])
})

test.serial('a crop too large to be explained is refused before it is uploaded', async (t) => {
  const { client } = shared
  const error = await failure(screen(client, [], asked({ model: 'large' })))
  t.is(codeOf(error), 'EXPLANATION_TOO_LARGE', error.message)
  t.is(error.code, status.FAILED_PRECONDITION)
})

test.serial('a caller that goes away ends the explanation, and frees everything', async (t) => {
  const { client, daemon } = shared
  const slow = 'nv_inference_count{model="slow",version="1"}'
  const before = (await metricsOf(daemon)).get(slow) ?? 0
  const upload = begin(client, asked({ model: 'slow' }))
  for (const value of chunks([seenExam()])) await upload.write({ kind: { $case: 'chunk', value } })
  upload.end()
  await untilMetric(daemon, slow, (count) => count > before + 1)
  upload.cancel()
  await failure(upload.answer)
  await untilIdle(daemon)
  const run = ((await metricsOf(daemon)).get(slow) ?? 0) - before
  t.true(run < COPIES, `${run} ran`)
})

test.serial('an exam that is being explained when the daemon drains is answered', async (t) => {
  const { client, daemon } = await screeningDaemon(t, [...args, '--drain-timeout', '240'])
  const slow = 'nv_inference_count{model="slow",version="1"}'
  const before = (await metricsOf(daemon)).get(slow) ?? 0
  const answer = screen(client, [seenExam()], asked({ model: 'slow' }))
  await untilMetric(daemon, slow, (count) => count > before + 1)
  daemon.child.kill('SIGTERM')
  const { findings } = await answer
  t.is(findings[0]?.explanation?.copies, COPIES)
})

test.serial(
  'the command line writes maps that lie where the exam does, and a report with pictures',
  async (t) => {
    const folder = temporaryFolder()
    t.teardown(folder.remove)
    const exam = join(folder.path, 'lit.nii')
    const out = join(folder.path, 'out')
    writeFileSync(exam, seenExam())
    const command = ['screen', exam, '--server', shared.daemon.grpc, '--model', 'seer', '--times', '0,90,150']
    const { code, stdout, stderr } = await sentinode([
      ...command,
      ...['--explain', '--report', 'html', '--out', out, '--json'],
    ]).finished
    t.is(code, 0, stderr)
    const answer = JSON.parse(stdout) as {
      findings: { name: string; explanation: { strongest_mm: number[]; phase_drops: number[] } }[]
      maps: Record<string, string>
    }
    const [pathologic] = answer.findings
    t.is(pathologic?.name, 'pN+')
    t.deepEqual(pathologic?.explanation.strongest_mm, [PLACE.x, PLACE.y, PLACE.z])
    t.is(pathologic?.explanation.phase_drops.length, 3)
    t.deepEqual(answer.maps, { 'pN+': `${out}/lit-pN+.nii.gz`, 'cN+': `${out}/lit-cN+.nii.gz` })

    const bytes = gunzipSync(readFileSync(answer.maps['pN+'] ?? ''))
    const map = await readExam(memorySource([{ id: 'map', bytes }]), { minPhases: 1, requireTimes: false })
    t.deepEqual(map.shape, [1, 8, 24, 24])
    const [x0 = 0, y0 = 0, z0 = 0] = map.affineLps.map((row) => row[3])
    const strongest = map.samples.indexOf(Math.max(...map.samples))
    const voxel = [strongest % 24, Math.floor(strongest / 24) % 24, Math.floor(strongest / 576)] as const
    const place = [x0 + voxel[0], y0 + voxel[1], z0 + 2 * voxel[2]]
    // The first voxel of a block of 1 x 3 x 3.
    t.deepEqual(place, [PLACE.x - 1, PLACE.y - 1, PLACE.z])

    const page = readFileSync(join(out, 'lit.html'), 'utf8')
    t.regex(page, /What it comes from: Pathologic nodal metastasis/)
    t.regex(page, /strongest at \(1\.5, -4\.5, -1\.0\) mm/)
    t.is(page.match(/strongest place, from the side<\/figcaption/g)?.length, 2)
    t.notRegex(page, /NaN|Infinity|undefined/)

    const text = await sentinode([...command, '--explain']).finished
    t.regex(text.stdout, /rests on {2}pN\+: \(1\.5, -4\.5, -1\.0\) mm \(\+[\d.]+ in the logit\), phase 2/)
  },
)
