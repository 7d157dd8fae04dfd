import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import dicomParser from 'dicom-parser'
import { readExam } from '../../src/exam/read.js'
import { diskFile, fileSource, folderSource } from '../../src/exam/source.js'
import type { Volume4D } from '../../src/exam/volume.js'
import { sentinode, temporaryFolder } from '../process/sentinode.js'
import { apply, corners, difference, distance, flipped, joined, opposite, realValues } from './volumes.js'

/** These few exams have every layout: series together and apart, phases counted and told by a clock alone. */
const SEED = '21'
const EXAMS = 6
const LAYOUTS = {
  'sim-00000': { series: [5], phasesFrom: 'ContentTime' },
  'sim-00001': { series: [401], phasesFrom: 'TemporalPositionIndex' },
  'sim-00002': { series: [601, 701], phasesFrom: 'AcquisitionTime' },
  'sim-00003': { series: [6], phasesFrom: 'AcquisitionTime' },
  'sim-00004': { series: [6, 7, 8, 9, 10, 11], phasesFrom: 'AcquisitionTime' },
  'sim-00005': { series: [5], phasesFrom: 'TemporalPositionIdentifier' },
} as const
const NAMES = Object.keys(LAYOUTS) as (keyof typeof LAYOUTS)[]

const folder = temporaryFolder()
const path = (...parts: string[]) => join(folder.path, ...parts)
test.after.always(folder.remove)

test.before('the same exams in both formats', async (t) => {
  t.timeout(280_000)
  const common = ['simulate', '--seed', SEED, '--exams', String(EXAMS), '--masks']
  for (const format of ['nifti', 'dicom']) {
    const run = await sentinode([...common, '--format', format, '--out', path(format)]).finished
    t.is(run.code, 0, run.stderr)
  }
})

/** The table of exams: a row by the name of its exam, values by the names of their columns. */
function table(format: string, name: string): Map<string, Record<string, string>> {
  const [header = [], ...rows] = readFileSync(path(format, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','))
  return new Map(
    rows.map((row) => [row[0] ?? '', Object.fromEntries(header.map((column, i) => [column, row[i] ?? '']))]),
  )
}

const timesOf = (exam: string): number[] =>
  (table('dicom', 'exams.csv').get(exam)?.['times_s'] ?? '').split(';').map(Number)

async function asNifti(exam: string): Promise<Volume4D> {
  return niftiFile(path('nifti', 'exams', `${exam}.nii.gz`), timesOf(exam))
}

async function niftiFile(file: string, timesS?: readonly number[]): Promise<Volume4D> {
  const { size } = await stat(file)
  const options = timesS === undefined ? { minPhases: 1, requireTimes: false } : { timesS }
  return readExam(fileSource([diskFile('exam', file, size)]), options)
}

for (const exam of NAMES) {
  test(`${exam} reads as DICOM as it does as NIfTI: voxels, places, times`, async (t) => {
    const dicom = await readExam(folderSource(path('dicom', 'exams', exam)))
    const nifti = await asNifti(exam)
    t.deepEqual(dicom.shape, nifti.shape)
    t.true(difference(realValues(nifti), realValues(dicom)) < 1e-6)
    const off = dicom.affineLps.flat().map((value, i) => Math.abs(value - (nifti.affineLps.flat()[i] ?? NaN)))
    t.true(Math.max(...off) < 1e-4, String(Math.max(...off)))
    t.deepEqual(dicom.timesS, timesOf(exam))
    t.deepEqual(
      dicom.series.map(({ number }) => number),
      [...LAYOUTS[exam].series],
    )
    t.is(dicom.phasesFrom, LAYOUTS[exam].phasesFrom)
    t.deepEqual(dicom.warnings, [])
    t.is(dicom.frames.used, dicom.frames.read)
  })

  test(`dcm2niix reads the phases, voxels and places of ${exam}`, async (t) => {
    const out = path('dcm2niix', exam)
    await mkdir(out, { recursive: true })
    await tool('dcm2niix', ['-b', 'n', '-z', 'n', '-f', '%s', '-o', out, path('dicom', 'exams', exam)])
    const wanted = await asNifti(exam)
    const files = readdirSync(out).sort((a, b) => parseInt(a) - parseInt(b))
    t.deepEqual(
      files,
      LAYOUTS[exam].series.map((number) => `${number}.nii`),
    )
    const turned: Float32Array[] = []
    for (const file of files) {
      const other = await niftiFile(join(out, file))
      const [, z, y, x] = wanted.shape
      t.deepEqual(other.shape.slice(1), [z, y, x])
      const flips = [0, 1, 2].map((axis) => opposite(wanted.affineLps, other.affineLps, axis))
      for (const corner of corners([x, y, z])) {
        const there = corner.map((at, a) => (flips[a] ? [x, y, z][a]! - 1 - at : at))
        const off = distance(apply(wanted.affineLps, corner), apply(other.affineLps, there))
        t.true(off < 1e-3, `a corner is ${off} mm off`)
      }
      turned.push(flipped(other, flips))
    }
    t.true(difference(realValues(wanted), joined(turned)) < 1e-6)
  })

  test(`dciodvfy finds no error in files of ${exam}`, async (t) => {
    const files = readdirSync(path('dicom', 'exams', exam))
    // All slices of all phases are too many processes for a test: a step that meets each phase in other slices.
    const some = files.filter((_, i) => i % 23 === 0 || i === files.length - 1)
    for (const file of some) {
      const verdict = await tool('dciodvfy', [path('dicom', 'exams', exam, file)])
      t.regex(verdict, /^(MRImage|EnhancedMRImage)$/m)
      t.notRegex(verdict, /^Error/m, `${file}\n${verdict}`)
    }
  })

  test(`${exam} says in every file that it is simulated, under UIDs of its own`, (t) => {
    const uids = new Set<string>()
    const files = readdirSync(path('dicom', 'exams', exam))
    for (const file of files) {
      const bytes = readFileSync(path('dicom', 'exams', exam, file))
      const dataset = dicomParser.parseDicom(bytes, { untilTag: 'x7fe00010' })
      t.regex(dataset.string('x0008103e') ?? '', /SIMULATED.*NOT FOR CLINICAL USE/)
      t.regex(dataset.string('x00204000') ?? '', /SIMULATED.*NOT FOR CLINICAL USE/)
      t.regex(dataset.string('x00100010') ?? '', /^SIMULATED\^/)
      t.is(dataset.string('x00280300'), 'YES')
      for (const tag of ['x00080018', 'x0020000d', 'x0020000e', 'x00200052'])
        t.true(isUuid(dataset.string(tag) ?? ''), dataset.string(tag))
      uids.add(dataset.string('x00080018') ?? '')
    }
    t.is(uids.size, files.length)
  })
}

/** 2.25 and the number of a UUID with its version and variant (PS3.5, B.2; RFC 9562). */
function isUuid(uid: string): boolean {
  if (!/^2\.25\.(0|[1-9]\d*)$/.test(uid) || uid.length > 64) return false
  const hex = BigInt(uid.slice(5)).toString(16).padStart(32, '0')
  return /^.{12}8.{3}[89ab].{15}$/.test(hex)
}

test('tables and masks do not depend on the format, and exams not on the number of threads', async (t) => {
  for (const name of ['clinical.csv', 'truth.csv'])
    t.is(readFileSync(path('dicom', name), 'utf8'), readFileSync(path('nifti', name), 'utf8'))
  for (const name of readdirSync(path('nifti', 'masks')))
    t.true(readFileSync(path('dicom', 'masks', name)).equals(readFileSync(path('nifti', 'masks', name))))
  for (const [exam, row] of table('dicom', 'exams.csv'))
    t.deepEqual(row, { ...table('nifti', 'exams.csv').get(exam), path: `exams/${exam}` })
  const alone = [
    'simulate',
    '--seed',
    SEED,
    '--first',
    '4',
    '--exams',
    '1',
    '--jobs',
    '1',
    '--format',
    'dicom',
  ]
  const run = await sentinode([...alone, '--out', path('alone')]).finished
  t.is(run.code, 0, run.stderr)
  const files = readdirSync(path('alone/exams/sim-00004'))
  t.deepEqual(files, readdirSync(path('dicom/exams/sim-00004')))
  for (const file of files) {
    const [a, b] = ['alone', 'dicom'].map((from) => readFileSync(path(from, 'exams/sim-00004', file)))
    t.true(a!.equals(b!), file)
  }
})

test('sentinode inspect tells of a simulated exam what its table tells', async (t) => {
  const run = await sentinode(['inspect', '--json', path('dicom/exams/sim-00002')]).finished
  t.is(run.code, 0, run.stderr)
  const told = JSON.parse(run.stdout) as { shape: number[]; times_s: number[]; spacing_mm: number[] }
  const row = table('dicom', 'exams.csv').get('sim-00002') ?? {}
  const column = (name: string) => Number(row[name])
  t.deepEqual(told.times_s, timesOf('sim-00002'))
  t.deepEqual(told.shape, [6, column('slices'), column('rows'), column('columns')])
  t.deepEqual(
    told.spacing_mm.map((mm) => Number(mm.toFixed(6))),
    [column('slice_mm'), column('in_plane_mm'), column('in_plane_mm')],
  )
})

/** What it prints, whatever its exit code. A tool that is missing fails the test. */
async function tool(name: 'dciodvfy' | 'dcm2niix', args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(name, args).catch((error: unknown) => {
    const failed = error as { code?: unknown; stdout?: string; stderr?: string }
    const packages = { dciodvfy: 'dicom3tools', dcm2niix: 'dcm2niix' }
    if (failed.code === 'ENOENT') throw new Error(`${name} is missing: apt-get install ${packages[name]}`)
    return { stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' }
  })
  return stdout + stderr
}
