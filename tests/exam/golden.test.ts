import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { readExam } from '../../src/exam/read.js'
import { ExamRejection } from '../../src/exam/rejection.js'
import { folderSource } from '../../src/exam/source.js'
import { rescaleFrame } from '../../src/exam/volume.js'
import { warningCodes } from './helpers.js'

const ROOT = new URL('../fixtures/exams/', import.meta.url).pathname

interface Truth {
  readonly error?: string
  readonly shape: number[]
  readonly times_s: number[]
  readonly spacing_mm: number[]
  readonly affine_lps: number[][]
}

/** The values of a little-endian float32 .npy file in C order. */
function npy(path: string): Float32Array {
  const bytes = readFileSync(path)
  const start = 10 + bytes.readUInt16LE(8)
  return new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer)
}

function worst(a: readonly number[], b: readonly number[]): number {
  return a.length === b.length ? Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? NaN)))) : NaN
}

for (const name of readdirSync(ROOT)) {
  const truth = JSON.parse(readFileSync(`${ROOT}${name}/expected.json`, 'utf8')) as Truth
  const source = folderSource(`${ROOT}${name}/dicom`)
  if (truth.error !== undefined) {
    test(`${name} is refused as ${truth.error}`, async (t) => {
      const error = await t.throwsAsync(readExam(source), { instanceOf: ExamRejection })
      t.is<string, string>(error.code, String(truth.error))
      t.notRegex(JSON.stringify([error.message, error.facts]), /CANARY|P\d{6}/)
    })
    continue
  }
  test(`${name} is read with its voxels, times and place`, async (t) => {
    const volume = await readExam(source)
    t.deepEqual(volume.shape, truth.shape)
    t.true(worst(volume.timesS ?? [], truth.times_s) < 1e-3)
    t.true(worst(volume.spacingMm, truth.spacing_mm) < 1e-4)
    t.true(worst(volume.affineLps.flat(), truth.affine_lps.flat()) < 1e-4)
    const wanted = npy(`${ROOT}${name}/voxels.npy`)
    const [phases, slices, rows, columns] = volume.shape
    const frame = new Float32Array(rows * columns)
    let different = 0
    for (let f = 0; f < phases * slices; f++) {
      rescaleFrame(volume, f, frame).forEach(
        (value, i) => (different += value === wanted[f * frame.length + i] ? 0 : 1),
      )
    }
    t.is(different, 0)
    t.deepEqual(warningCodes(volume), [])
    const leftOut = volume.frames.leftOut.reduce((sum, { count }) => sum + count, 0)
    t.is(volume.frames.read, volume.frames.used + leftOut)
  })
}
