/**
 * Feeds mutated DICOM and NIfTI exams to the reader: `npm run fuzz:exam -- --seconds 600 [--seed N]`.
 * Every exam must become a volume or a coded reason, soon, in bounded memory. A failure prints the seed that
 * makes it again. Not part of the tests: it runs as long as it is told to.
 */

import { fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { readExam } from '../../src/exam/read.js'
import { ExamRejection } from '../../src/exam/rejection.js'
import { memorySource } from '../../src/exam/source.js'
import { writeDicom, type Element } from '../exam/dicom-writer.js'
import { acquired, baseDataset } from '../exam/phantom.js'

interface Input {
  readonly id: string
  readonly bytes: Uint8Array
}

const FIXTURES = new URL('../fixtures/', import.meta.url).pathname
const SLOW_MS = 20_000
const MEMORY_BYTES = 2 * 2 ** 30

/** Mulberry32: small, seeded, good enough to choose bytes. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function folder(path: string): Input[] {
  return readdirSync(path).map((id) => ({ id, bytes: readFileSync(`${path}/${id}`) }))
}

/** A small 4D NIfTI, to have that reader mutated too. */
function nifti(): Input[] {
  const bytes = Buffer.alloc(352 + 2 * 4 * 4 * 3 * 3)
  bytes.writeInt32LE(348, 0)
  ;[4, 4, 4, 3, 3, 1, 1, 1].forEach((n, i) => bytes.writeInt16LE(n, 40 + 2 * i))
  bytes.writeInt16LE(4, 70)
  bytes.writeInt16LE(16, 72)
  ;[1, 1, 1, 2, 60].forEach((n, i) => bytes.writeFloatLE(n, 76 + 4 * i))
  bytes.writeFloatLE(352, 108)
  bytes.writeUInt8(10, 123)
  bytes.writeInt16LE(1, 254)
  ;[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0].forEach((n, i) => bytes.writeFloatLE(n, 280 + 4 * i))
  bytes.write('n+1\0', 344, 'latin1')
  return [{ id: 'a.nii', bytes }]
}

/** Codestreams of two phases of two slices, wrapped as files. */
function jpeg2000(): Input[] {
  return folder(`${FIXTURES}compressed/jpeg-2000`).map(({ id, bytes }) => {
    const [phase = 0, slice = 0] = id.split(/[-.]/).map(Number)
    const pixels: Element = [0x7fe00010, 'OB', { fragments: [bytes] }]
    const dataset = baseDataset({ phase, slice, extra: [...acquired(phase), pixels] })
    return { id, bytes: writeDicom(dataset, { syntax: '1.2.840.10008.1.2.4.90' }) }
  })
}

function corpus(): Input[][] {
  const exams = [
    'enhanced_multiframe',
    'enhanced_phase_major_scaled',
    'deflated',
    'rle_compressed',
    'bad_duplicate',
  ]
  const codecs = ['jpeg-ls', 'jpeg-ls-near', 'jpeg-lossless', 'jpeg-lossless-14', 'rle', 'jpeg-baseline']
  const plain = nifti()
  return [
    ...exams.map((name) => folder(`${FIXTURES}exams/${name}/dicom`)),
    ...codecs.map((name) => folder(`${FIXTURES}compressed/${name}`)),
    jpeg2000(),
    plain,
    plain.map(({ id, bytes }) => ({ id, bytes: gzipSync(bytes) })),
  ]
}

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff]
const LENGTHS = [0, 1, 0x7fffffff, 0xffffffff, 0xfffffffe, 0x10000]

/** A few changes, mostly in the header: bytes, lengths, cuts, pieces moved within the file. */
function mutate(bytes: Uint8Array, next: () => number): Uint8Array {
  let out = Buffer.from(bytes)
  const below = (n: number): number => Math.floor(next() * n)
  const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T
  for (let changes = 1 + below(4); changes > 0 && out.length > 8; changes--) {
    const at = below(next() < 0.7 ? Math.min(out.length, 2048) : out.length)
    const kind = below(6)
    if (kind === 0) out[at] = below(256)
    else if (kind === 1) out[at] = pick(EXTREMES)
    else if (kind === 2 && at + 4 <= out.length) out.writeUInt32LE(pick(LENGTHS), at)
    else if (kind === 3) out = Buffer.from(out.subarray(0, Math.max(1, at)))
    else if (kind === 4) {
      const piece = Buffer.from(out.subarray(at, at + 1 + below(64)))
      out = Buffer.concat([out.subarray(0, at), piece, piece, out.subarray(at)])
    } else out = Buffer.concat([out.subarray(0, at), out.subarray(at + 1 + below(32))])
  }
  return out
}

async function once(exams: readonly Input[][], seed: number): Promise<string> {
  const next = random(seed)
  const exam = exams[Math.floor(next() * exams.length)] ?? []
  const share = next() < 0.5 ? 1 / exam.length : next()
  const files = exam.map((file) => (next() < share ? { ...file, bytes: mutate(file.bytes, next) } : file))
  try {
    await readExam(memorySource(files), { limits: { maxPixelBytes: 256 * 2 ** 20 } })
    return 'VOLUME'
  } catch (error) {
    if (error instanceof ExamRejection) return error.code
    throw error
  }
}

async function work(seed: number): Promise<void> {
  const exams = corpus()
  for (let i = seed; ; i++) {
    process.send?.({ seed: i })
    const outcome = await once(exams, i)
    process.send?.({ seed: i, outcome, rss: process.memoryUsage.rss() })
  }
}

interface Progress {
  readonly seed: number
  readonly outcome?: string
  readonly rss?: number
}

/** Starts the work in a process of its own, so that a hang or a crash is seen from outside of it. */
function watch(seconds: number, first: number): void {
  const counts = new Map<string, number>()
  let seed = first
  let started = Date.now()
  let worst = 0
  let peak = 0
  const worker = fork(new URL(import.meta.url), ['--child', '--seed', String(first)])
  const end = (code: number, message: string): void => {
    const outcomes = [...counts].sort((a, b) => b[1] - a[1]).map(([outcome, count]) => `${outcome} ${count}`)
    process.stdout.write(`${outcomes.join(', ')}\n`)
    process.stdout.write(`slowest ${worst} ms, peak ${Math.round(peak / 2 ** 20)} MiB\n${message}\n`)
    worker.kill('SIGKILL')
    process.exit(code)
  }
  worker.on('message', (progress: Progress) => {
    if (progress.outcome === undefined) {
      seed = progress.seed
      started = Date.now()
      return
    }
    counts.set(progress.outcome, (counts.get(progress.outcome) ?? 0) + 1)
    worst = Math.max(worst, Date.now() - started)
    peak = Math.max(peak, progress.rss ?? 0)
    if (peak > MEMORY_BYTES) end(1, `too much memory at seed ${seed}`)
  })
  worker.on('exit', () => end(1, `failed at seed ${seed}: what it printed is above`))
  setInterval(() => {
    if (Date.now() - started > SLOW_MS) end(1, `hangs at seed ${seed}`)
  }, 1000)
  setTimeout(() => end(0, `no failure in seeds ${first} to ${seed}`), seconds * 1000)
}

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, seed: { type: 'string' }, child: { type: 'boolean' } },
})
const seed = Number(values.seed ?? 1)
if (values.child === true) {
  process.on('disconnect', () => process.exit())
  await work(seed)
} else watch(Number(values.seconds ?? 60), seed)
