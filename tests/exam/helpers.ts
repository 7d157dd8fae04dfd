import type { ExecutionContext } from 'ava'
import { readExam, type ReadOptions } from '../../src/exam/read.js'
import { ExamRejection, type RejectionCode } from '../../src/exam/rejection.js'
import { memorySource } from '../../src/exam/source.js'
import { rescaleFrame, type LeftOutReason, type Volume4D } from '../../src/exam/volume.js'
import { affineOf, CANARY, COLUMNS, ROWS, sample, type Geometry } from './phantom.js'

export type Files = readonly { id: string; bytes: Uint8Array }[]

export function read(files: Files, options: ReadOptions = {}): Promise<Volume4D> {
  return readExam(memorySource(files), options)
}

/** The exam is refused with this code, and says nothing that is in its files. */
export async function refused(
  t: ExecutionContext,
  files: Files,
  code: RejectionCode,
  options: ReadOptions = {},
): Promise<ExamRejection> {
  const error = await t.throwsAsync(read(files, options), { instanceOf: ExamRejection })
  t.is(error.code, code, error.message)
  const said = JSON.stringify([error.message, error.facts])
  t.notRegex(said, /CANARY|1975|1\.2\.3/)
  return error
}

/** Every voxel of the phantom where it belongs; `phases` gives the phantom's phase of each of the volume's. */
export function assertPhantom(
  t: ExecutionContext,
  volume: Volume4D,
  phases: readonly number[],
  slices: number,
): void {
  t.deepEqual(volume.shape, [phases.length, slices, ROWS, COLUMNS])
  const got: number[][] = []
  const wanted: number[][] = []
  phases.forEach((phase, p) => {
    for (let slice = 0; slice < slices; slice++) {
      got.push([...rescaleFrame(volume, p * slices + slice, new Float32Array(ROWS * COLUMNS))])
      wanted.push(
        Array.from({ length: ROWS * COLUMNS }, (_, i) =>
          sample(phase, slice, Math.floor(i / COLUMNS), i % COLUMNS),
        ),
      )
    }
  })
  t.deepEqual(got, wanted)
}

export function assertAffine(t: ExecutionContext, volume: Volume4D, geometry: Geometry): void {
  const wanted = affineOf(geometry).flat()
  const off = Math.max(...volume.affineLps.flat().map((value, i) => Math.abs(value - (wanted[i] ?? NaN))))
  t.true(off < 1e-6, `the affine is off by ${off}`)
}

/** Seconds to a millisecond. */
export function assertTimes(t: ExecutionContext, volume: Volume4D, wanted: readonly number[]): void {
  const got = volume.timesS ?? []
  t.is(got.length, wanted.length)
  got.forEach((time, i) => t.true(Math.abs(time - (wanted[i] ?? NaN)) < 1e-3, `phase ${i}: ${time}`))
}

/** Frames in are frames used and frames named as left out, and nothing of the files' text is in the answer. */
export function assertAccount(
  t: ExecutionContext,
  volume: Volume4D,
  leftOut: Partial<Record<LeftOutReason, number>> = {},
): void {
  const counted: Partial<Record<LeftOutReason, number>> = {}
  for (const { reason, count } of volume.frames.leftOut) counted[reason] = (counted[reason] ?? 0) + count
  t.deepEqual(counted, leftOut)
  const sum = Object.values(counted).reduce((total, count) => total + count, 0)
  t.is(volume.frames.read, volume.frames.used + sum)
  const said = { ...volume, samples: null, slopes: null, intercepts: null }
  t.false(JSON.stringify(said).includes(CANARY))
}

export function warningCodes(volume: Volume4D): string[] {
  return volume.warnings.map((warning) => warning.code).sort()
}
