import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import {
  ExamBudget,
  ExamReaders,
  ExamUpload,
  Spool,
  type Ending,
  type ReadExam,
  type UploadedExam,
} from '../../src/intake/index.js'
import { Board } from '../../src/intake/readers/board.js'
import { cpuSeconds, watch } from '../../src/intake/readers/watch.js'
import { SYNTAX, writeDicom } from '../exam/dicom-writer.js'
import { acquired, baseDataset, exam, ROWS, COLUMNS } from '../exam/phantom.js'

const ended: Ending[] = []
const readers = new ExamReaders(2, { onEnd: (why) => void ended.push(why) })
test.after.always(() => readers.close())

const never = new AbortController().signal
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function upload(t: ExecutionContext, files: readonly Uint8Array[]): Promise<UploadedExam> {
  const folder = mkdtempSync(join(tmpdir(), 'sentinode-attacked-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const claim = new ExamBudget(2 ** 32).open({
    bytes: 0,
    announced: false,
    patient: false,
    onEvict: () => undefined,
  })
  const upload = new ExamUpload(await Spool.open(folder), claim, never)
  t.teardown(() => upload.close())
  for (const [number, bytes] of files.entries()) await upload.append(number, bytes)
  return upload.exam
}

function read(exam: UploadedExam, maxPixelBytes = 2 ** 30, signal = never): Promise<ReadExam> {
  const job = {
    exam,
    mask: null,
    minPhases: 2,
    requireTimes: true,
    timesS: null,
    maxPixelBytes,
    origin: false,
  }
  return readers.read(job, { signal, reserve: () => Promise.resolve() })
}

async function code(call: Promise<ReadExam>): Promise<string> {
  try {
    ;(await call).release()
  } catch (error) {
    return isSentinodeError(error) ? error.code : String(error)
  }
  return 'OK'
}

const honest = exam({ frame: (phase) => ({ extra: acquired(phase) }) }).map(({ bytes }) => bytes)

async function honestIsRead(t: ExecutionContext, sent: UploadedExam): Promise<void> {
  const { volume, release } = await read(sent)
  t.deepEqual(volume.shape, [3, 4, ROWS, COLUMNS])
  release()
}

/** Two phases of two slices, whose frames are `frame` under a header that claims rows and columns. */
function framed(frame: Uint8Array, syntax: string, rows: number, columns: number): Uint8Array[] {
  return [0, 1].flatMap((phase) =>
    [0, 1].map((slice) => {
      const dataset = baseDataset({
        phase,
        slice,
        extra: [
          ...acquired(phase),
          [0x00280010, 'US', [rows]],
          [0x00280011, 'US', [columns]],
          [0x7fe00010, 'OB', { fragments: [frame] }],
        ],
      })
      return writeDicom(dataset, { syntax })
    }),
  )
}

test.serial('readers that are killed at random cost no exam', async (t) => {
  const sent = await upload(t, honest)
  for (let i = 0; i < 40; i++) {
    const reads = [honestIsRead(t, sent), honestIsRead(t, sent)]
    // At most one an exam, which is given up after three.
    if (i % 5 === 4) {
      await later(10 * Math.random())
      const [pid] = readers.pids.sort(() => Math.random() - 0.5)
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
    }
    await Promise.all(reads)
  }
  t.true(ended.every((why) => why === 'died'))
})

test.serial('a reader that is stopped is replaced, and its exam is read by another', async (t) => {
  const sent = await upload(t, honest)
  await honestIsRead(t, sent)
  const before = ended.length
  for (const pid of readers.pids) process.kill(pid, 'SIGSTOP')
  await Promise.all([honestIsRead(t, sent), honestIsRead(t, sent)])
  t.true(ended.slice(before).includes('stalled'))
})

test.serial('a frame of tiles of one pixel is refused before anything is done for a tile', async (t) => {
  const folder = new URL('../fixtures/compressed/jpeg-2000/', import.meta.url)
  const [name = ''] = readdirSync(folder)
  const frame = Uint8Array.from(readFileSync(new URL(name, folder)))
  const side = 250
  const view = new DataView(frame.buffer)
  // SIZ: the image, and its tiles (ITU T.800, A.5.1). Four of these frames took 8 s.
  for (const at of [8, 12]) view.setUint32(at, side)
  for (const at of [24, 28]) view.setUint32(at, 1)
  const bomb = await upload(t, framed(frame, '1.2.840.10008.1.2.4.90', side, side))
  await code(read(bomb))
  const [pid = 0] = readers.pids
  const before = cpuSeconds(pid) ?? 0
  for (let i = 0; i < 4; i++) t.is(await code(read(bomb)), 'CORRUPT_PIXEL_DATA')
  t.true((cpuSeconds(pid) ?? Infinity) - before < 2)
})

test.serial('whoever computes and comes to no next step, or to no end, is seen', async (t) => {
  const endless = spawn(process.execPath, ['-e', 'for (;;) {}'])
  t.teardown(() => endless.kill('SIGKILL'))
  const watched = { pid: endless.pid ?? 0, reserved: () => 0, waiting: () => false }
  const stuck = new Board(new ArrayBuffer(Board.BYTES))
  t.is(await new Promise((resolve) => watch({ ...watched, board: stuck }, resolve)), 'costly')
  t.true((cpuSeconds(watched.pid) ?? 0) < 60)
  // It comes on, but to no end that its size explains.
  const moving = new Board(new ArrayBuffer(Board.BYTES))
  const timer = setInterval(() => moving.step(1), 50)
  t.teardown(() => clearInterval(timer))
  const before = cpuSeconds(watched.pid) ?? 0
  t.is(await new Promise((resolve) => watch({ ...watched, board: moving }, resolve)), 'costly')
  t.true((cpuSeconds(watched.pid) ?? 0) - before >= 10)
})

test.serial('an exam that takes more memory than a reader has is refused', async (t) => {
  const rle = new Uint8Array(64 + 16)
  new DataView(rle.buffer).setUint32(0, 2, true)
  new DataView(rle.buffer).setUint32(4, 64, true)
  new DataView(rle.buffer).setUint32(8, 72, true)
  const large = await upload(t, framed(rle, '1.2.840.10008.1.2.5', 40_000, 40_000))
  t.is(await code(read(large, 2 ** 36)), 'EXAM_TOO_LARGE')
  await honestIsRead(t, await upload(t, honest))
})

test.serial('what headers unpack to is bounded for an exam, not for each of its files', async (t) => {
  const zeros = new Uint8Array(64 * 2 ** 20)
  const bombs = Array.from({ length: 8 }, (_, i) =>
    writeDicom(
      baseDataset({
        phase: 0,
        slice: i,
        series: 1,
        imageType: 'ORIGINAL\\PRIMARY\\LOCALIZER',
        extra: [[0x00090010, 'OB', zeros]],
      }),
      { syntax: SYNTAX.deflated, deflateLevel: 1 },
    ),
  )
  t.is(await code(read(await upload(t, [...bombs, ...honest]))), 'EXAM_TOO_LARGE')
  const [bomb] = bombs
  t.is(await code(read(await upload(t, [bomb!, ...honest]))), 'OK')
  const deflated = exam({ frame: (phase) => ({ extra: acquired(phase), file: { syntax: SYNTAX.deflated } }) })
  const files = deflated.map(({ bytes }) => bytes)
  t.is(await code(read(await upload(t, files))), 'OK')
})
