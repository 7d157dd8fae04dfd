import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import { readExam } from '../../src/exam/read.js'
import { memorySource } from '../../src/exam/source.js'
import {
  ExamBudget,
  ExamReaders,
  ExamUpload,
  openRoots,
  placeOf,
  Spool,
  type ReadExam,
  type ReadJob,
} from '../../src/intake/index.js'
import { cpuSeconds } from '../../src/intake/readers/watch.js'
import { niftiFile } from './nifti.js'
import { SYNTAX } from '../exam/dicom-writer.js'
import { acquired, exam, frameFile, sample, TIMES } from '../exam/phantom.js'

const never = new AbortController().signal
const readers = new ExamReaders(2)
test.after.always(() => readers.close())

const JOB = {
  mask: null,
  minPhases: 2,
  requireTimes: true,
  timesS: null,
  maxPixelBytes: 2 ** 30,
  origin: false,
} as const

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sentinode-intake-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function upload(
  t: ExecutionContext,
  files: readonly Uint8Array[],
  pieces = 1000,
): Promise<{ upload: ExamUpload; budget: ExamBudget; spoolFolder: string }> {
  const spoolFolder = folder(t)
  const budget = new ExamBudget(2 ** 30)
  const claim = budget.open({ bytes: 0, announced: false, patient: false, onEvict: () => undefined })
  const upload = new ExamUpload(await Spool.open(spoolFolder), claim, never)
  t.teardown(() => upload.close())
  for (const [number, bytes] of files.entries()) {
    for (let at = 0; at < bytes.byteLength; at += pieces) {
      await upload.append(number, bytes.subarray(at, at + pieces))
    }
  }
  return { upload, budget, spoolFolder }
}

function read(job: Partial<ReadJob> & Pick<ReadJob, 'exam'>, signal = never): Promise<ReadExam> {
  return readers.read({ ...JOB, ...job }, { signal, reserve: () => Promise.resolve() })
}

async function code(call: Promise<unknown>): Promise<string> {
  try {
    await call
  } catch (error) {
    return isSentinodeError(error) ? error.code : String(error)
  }
  return 'OK'
}

const dynamic = exam({ frame: (phase) => ({ extra: acquired(phase) }) }).map(({ bytes }) => bytes)

test('an upload in small pieces is read as the exam that it is, and has no name on the disk', async (t) => {
  const { upload: sent, budget, spoolFolder } = await upload(t, dynamic)
  t.deepEqual(readdirSync(spoolFolder), [])
  t.is(budget.used, 2 * dynamic.reduce((sum, { byteLength }) => sum + byteLength, 0))
  const { volume, mask, origin } = await read({ exam: sent.exam })
  t.deepEqual(volume.shape, [3, 4, 6, 5])
  t.deepEqual(volume.timesS, TIMES.slice(0, 3))
  t.is(volume.samples[volume.samples.length - 1], sample(2, 3, 5, 4))
  t.is(mask, null)
  t.is(origin, null)
})

test('samples are the same as those of a source that knows no shortcut', async (t) => {
  const twelve = exam({
    frame: (phase) => ({ extra: [...acquired(phase), [0x00280101, 'US', [12]], [0x00280102, 'US', [11]]] }),
  })
  const big = exam({ frame: (phase) => ({ extra: acquired(phase), file: { syntax: SYNTAX.bigEndian } }) })
  const unsigned = exam({ frame: (phase) => ({ extra: [...acquired(phase), [0x00280103, 'US', [0]]] }) })
  for (const files of [exam({ frame: (phase) => ({ extra: acquired(phase) }) }), twelve, big, unsigned]) {
    const { samples } = await readExam(memorySource(files))
    const { upload: sent } = await upload(
      t,
      files.map(({ bytes }) => bytes),
    )
    t.deepEqual((await read({ exam: sent.exam })).volume.samples, samples)
  }
})

test('what a DICOM report needs is read from the files of the dynamic series', async (t) => {
  const localizer = frameFile({ phase: 7, slice: 0, series: 1, imageType: 'ORIGINAL\\PRIMARY\\LOCALIZER' })
  const { upload: sent } = await upload(t, [localizer, ...dynamic])
  const { origin } = await read({ exam: sent.exam, origin: true })
  t.is(origin?.identity.studyUid, '1.2.3')
  t.is(origin?.images.length, dynamic.length)
  t.deepEqual(new Set(origin?.images.map(({ seriesUid }) => seriesUid)), new Set(['1.2.3.5']))
})

test('an exam that no DICOM report can be of is refused before its pixels are read', async (t) => {
  const { upload: sent } = await upload(t, [niftiFile([2, 2, 2, 2], new Int16Array(16))])
  const asked: number[] = []
  const reserve = (bytes: number): Promise<void> => Promise.resolve(void asked.push(bytes))
  const job = { ...JOB, exam: sent.exam, timesS: [0, 90] }
  await readers.read(job, { signal: never, reserve })
  t.is(asked.length, 1)
  t.is(await code(readers.read({ ...job, origin: true }, { signal: never, reserve })), 'REPORT_INCOMPLETE')
  t.is(asked.length, 1)
})

test('NIfTI phases come in the order of their numbers', async (t) => {
  const phase = (value: number): Uint8Array => niftiFile([2, 2, 2, 1], new Int16Array(8).fill(value))
  const { upload: sent } = await upload(
    t,
    Array.from({ length: 12 }, (_, i) => phase(i)),
  )
  const timesS = Array.from({ length: 12 }, (_, i) => 60 * i)
  const { volume } = await read({ exam: sent.exam, timesS })
  t.deepEqual(
    [...volume.samples].filter((_, i) => i % 8 === 0),
    timesS.map((time) => time / 60),
  )
})

test('reasons keep their codes on their way from the reader', async (t) => {
  const { upload: one } = await upload(t, dynamic.slice(0, 1))
  t.is(await code(read({ exam: one.exam })), 'NO_DYNAMIC_SERIES')
  const { upload: none } = await upload(t, [])
  t.is(await code(read({ exam: none.exam })), 'NOT_DICOM')
  const mask = { source: 99, segment: null }
  t.is(await code(read({ exam: one.exam, mask })), 'REGION_INVALID')
})

test('room is asked for before pixels are read, and no room ends the reading', async (t) => {
  const { upload: sent } = await upload(t, dynamic)
  const asked: number[] = []
  const full = new Error('full')
  const refused = readers.read(
    { ...JOB, exam: sent.exam },
    { signal: never, reserve: (bytes) => (asked.push(bytes), Promise.reject(full)) },
  )
  t.is(await t.throwsAsync(refused), full)
  t.deepEqual(asked, [3 * 4 * 6 * 5 * 2])
  await t.notThrowsAsync(read({ exam: sent.exam }), 'the reader goes on')
})

test('a job that is given up while it waits for room, or for a reader, ends at once', async (t) => {
  const { upload: sent } = await upload(t, dynamic)
  const gone = new Error('gone')
  const aborts = Array.from({ length: 4 }, () => new AbortController())
  let reserving = 0
  const jobs = aborts.map(({ signal }) =>
    readers.read(
      { ...JOB, exam: sent.exam },
      { signal, reserve: () => (reserving++, new Promise(() => undefined)) },
    ),
  )
  while (reserving < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  for (const abort of aborts.reverse()) abort.abort(gone)
  for (const job of jobs) t.is(await t.throwsAsync(job), gone)
  await t.notThrowsAsync(read({ exam: sent.exam }))
})

test('an exam below a root is read; what leads out of it is refused, whatever way it takes', async (t) => {
  const [inside, outside] = [folder(t), folder(t)]
  for (const name of ['good', 'linked', 'aside', 'twice']) mkdirSync(join(inside, name))
  mkdirSync(join(inside, 'good', 'deeper'))
  for (const [i, bytes] of dynamic.entries()) {
    writeFileSync(join(inside, 'good', i % 2 === 0 ? '.' : 'deeper', `${i}`), bytes)
    writeFileSync(join(outside, `${i}`), bytes)
  }
  symlinkSync(outside, join(inside, 'linked', 'folder'))
  symlinkSync(join(outside, '0'), join(inside, 'aside', 'file'))
  symlinkSync(outside, join(inside, 'out'))
  symlinkSync(join(inside, 'good'), join(inside, 'twice', 'a'))
  symlinkSync(join(inside, 'good'), join(inside, 'twice', 'b'))
  symlinkSync(inside, join(inside, 'twice', 'loop-to-nowhere-new'))
  writeFileSync(`${inside}-neighbour`, 'x')
  t.teardown(() => rmSync(`${inside}-neighbour`))

  const roots = await openRoots([`pacs=${inside}`])
  const readPath = (path: string, root = 'pacs'): Promise<ReadExam> =>
    Promise.resolve().then(() => read({ exam: placeOf(roots, root, path) }))
  t.deepEqual((await readPath('good')).volume.shape, [3, 4, 6, 5])
  t.is(await code(readPath('good/./deeper/../deeper')), 'EXAM_PATH_REFUSED')
  t.is(await code(readPath('good', 'other')), 'EXAM_PATH_REFUSED')
  for (const path of ['', '/', '..', '../x', 'good/../../x', outside, 'good\0']) {
    t.is(await code(readPath(path)), 'EXAM_PATH_REFUSED', JSON.stringify(path))
  }
  for (const path of ['linked', 'linked/folder', 'aside', 'out', 'out/0']) {
    t.is(await code(readPath(path)), 'EXAM_PATH_REFUSED', path)
  }
  for (const path of ['nowhere', 'good/0/more', `good/${'x'.repeat(300)}`]) {
    t.is(await code(readPath(path)), 'EXAM_NOT_FOUND', path)
  }
  t.is(await code(readPath('twice')), 'EXAM_PATH_REFUSED', 'its loop comes to what leads out')
  rmSync(join(inside, 'twice', 'loop-to-nowhere-new'))
  symlinkSync(join(inside, 'twice'), join(inside, 'twice', 'loop'))
  t.deepEqual(
    (await readPath('twice')).volume.shape,
    [3, 4, 6, 5],
    'files that links lead to twice count once',
  )
})

test('roots are checked before anything starts', async (t) => {
  const path = folder(t)
  writeFileSync(join(path, 'file'), '')
  for (const entries of [
    ['x'],
    ['=/tmp'],
    ['a b=/tmp'],
    ['a=relative'],
    [`a=${path}/none`],
    [`a=${path}/file`],
    [`a=${path}`, `a=${path}`],
  ]) {
    t.is(await code(openRoots(entries)), 'INVALID_OPTION', entries.join())
  }
  t.throws(() => placeOf(new Map(), 'a', 'b'), { message: /exam-roots/ })
})

test('the memory of pixels is no memory of the heap, and is given back at once', async (t) => {
  const side = 512
  const file = niftiFile([side, side, 64, 2], new Int16Array(2 * 64 * side ** 2).fill(7))
  const { upload: sent } = await upload(t, [file], 2 ** 20)
  const resident = (field: string): number =>
    Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
  const { volume, release } = await read({ exam: sent.exam, timesS: [0, 60] })
  const { samples } = volume
  t.true(samples.every((value) => value === 7))
  const held = resident('RssShmem')
  t.true(held >= samples.byteLength)
  const bytes = samples.byteLength
  release()
  t.is(samples.length, 0)
  t.true(held - resident('RssShmem') > 0.9 * bytes)
  t.notThrows(release)
})

test('reading keeps the main thread free', async (t) => {
  const path = new URL('../fixtures/exams/rle_compressed/dicom/', import.meta.url).pathname
  const roots = await openRoots([`fixtures=${path}`])
  await read({ exam: placeOf(roots, 'fixtures', '.') })
  // Processor time, and not how busy the loop was: this process may be kept waiting in the middle of a turn.
  const own = (): number => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  const theirs = (): number => readers.pids.reduce((sum, pid) => sum + (cpuSeconds(pid) ?? 0), 0)
  const before = [own(), theirs()] as const
  for (let i = 0; i < 20; i++) await read({ exam: placeOf(roots, 'fixtures', '.') })
  const [here, there] = [own() - before[0], theirs() - before[1]]
  t.true(here < there, `it computed for ${here} s, the readers for ${there} s`)
})
