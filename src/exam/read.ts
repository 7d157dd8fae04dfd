/**
 * From the files of an exam to a volume over time, or the reason why not.
 *
 * Two passes: headers of all files first (nothing is kept of a file but what tags.ts lists), then the pixels
 * of the chosen frames only. Memory holds the headers, the volume and one frame at a time.
 */

import { Malformed, type Dataset } from './dicom/dataset.js'
import { framesOf, type Frame } from './dicom/frames.js'
import { readDicomHeader, type DicomHeader } from './dicom/part10.js'
import { PatientCheck } from './dicom/patient.js'
import { volumeFromFrames, type Imageless } from './dicom/read.js'
import { DEFAULT_LIMITS, type ExamLimits } from './limits.js'
import { isNifti } from './nifti/header.js'
import { volumeFromNifti, type NiftiFile } from './nifti/read.js'
import { inflated, InflateError, Unpacking } from './inflate.js'
import { ExamRejection } from './rejection.js'
import type { ByteReader, ExamFile, ExamSource } from './source.js'
import type { Volume4D } from './volume.js'

export interface ReadOptions {
  /** Fewer phases are refused; 2 by default. */
  readonly minPhases?: number
  /** False for a model that does without times: `timesS` may then be null. True by default. */
  readonly requireTimes?: boolean
  /** Seconds of each phase, for NIfTI only, which cannot hold times that are not equidistant. */
  readonly timesS?: readonly number[]
  readonly limits?: Partial<ExamLimits>
  readonly signal?: AbortSignal
  /** Memory for the volume, zeros, where it is not this thread's own; its rejection ends the reading. */
  readonly allocate?: (bytes: number) => Promise<ArrayBuffer>
  /** Told the files that have frames of the volume before pixels are read; its rejection ends the reading. */
  readonly onUsed?: (files: readonly ExamFile[]) => Promise<void>
}

/**
 * Reads an exam. Runs on the calling thread; uncompressed pixel data cost little more than the copy.
 * @throws ExamRejection with the first reason that applies, in the order of rejection.ts
 * @throws the source's own errors (a file that vanished), and the signal's reason
 */
export async function readExam(source: ExamSource, options: ReadOptions = {}): Promise<Volume4D> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const unpacking = new Unpacking()
  const pile = await readHeaders(source, limits, unpacking, options.signal)
  const settings = {
    minPhases: options.minPhases ?? 2,
    requireTimes: options.requireTimes ?? true,
    limits,
    unpacking,
    signal: options.signal,
    allocate: options.allocate,
    onUsed: options.onUsed,
  }
  if (pile.dicom === 0 && pile.nifti.length > 0) {
    return withLeftOut(await volumeFromNifti(pile.nifti, { ...settings, timesS: options.timesS }), pile.other)
  }
  if (pile.dicom === 0) {
    throw nothingToRead(pile)
  }
  pile.patient.requireOne()
  const volume = await volumeFromFrames(pile.frames, pile.imageless, settings)
  return withLeftOut(volume, pile.other + pile.broken + pile.nifti.length)
}

interface Pile {
  readonly patient: PatientCheck
  readonly frames: Frame[]
  readonly imageless: Imageless[]
  readonly nifti: NiftiFile[]
  dicom: number
  broken: number
  other: number
}

/** What is unpacked of any packed file to see what it is. */
const UNPACKED_PER_FILE = 128 * 1024

async function readHeaders(
  source: ExamSource,
  limits: ExamLimits,
  unpacking: Unpacking,
  signal: AbortSignal | undefined,
): Promise<Pile> {
  const pile: Pile = {
    patient: new PatientCheck(),
    frames: [],
    imageless: [],
    nifti: [],
    dicom: 0,
    broken: 0,
    other: 0,
  }
  let files = 0
  for await (const file of source.files()) {
    signal?.throwIfAborted()
    if (++files > limits.maxFiles) throw tooLarge('files', limits.maxFiles)
    unpacking.allow(UNPACKED_PER_FILE)
    const reader = await file.open()
    try {
      await sort(file, reader, pile, limits, unpacking)
    } finally {
      await reader.close()
    }
    if (pile.frames.length > limits.maxFrames) throw tooLarge('frames', limits.maxFrames)
  }
  return pile
}

async function sort(
  file: ExamFile,
  reader: ByteReader,
  pile: Pile,
  limits: ExamLimits,
  unpacking: Unpacking,
): Promise<void> {
  const gzipped = await niftiForm(reader, unpacking)
  if (gzipped !== null) {
    pile.nifti.push({ file, gzipped })
    return
  }
  let header: DicomHeader | null
  try {
    header = await readDicomHeader(reader, limits.maxHeaderBytes, unpacking)
  } catch (error) {
    if (!(error instanceof Malformed || error instanceof InflateError)) throw error
    pile.broken++
    return
  }
  if (header === null) {
    pile.other++
    return
  }
  pile.dicom++
  pile.patient.add(header.dataset)
  const frames = framesOf(file, header, limits.maxFrames)
  if (frames === null) throw tooLarge('frames', limits.maxFrames)
  if (frames.length === 0) pile.imageless.push(imageless(header.dataset))
  for (const frame of frames) pile.frames.push(frame)
}

function imageless(dataset: Dataset): Imageless {
  return {
    series: dataset.text('SeriesInstanceUID'),
    seriesNumber: dataset.number('SeriesNumber') ?? null,
    image: dataset.has('Rows') && dataset.has('Columns'),
  }
}

/** Whether the file is NIfTI, and gzipped; null when it is not. */
async function niftiForm(reader: ByteReader, unpacking: Unpacking): Promise<boolean | null> {
  const head = await reader.read(0, 544)
  if (isNifti(head)) return false
  if (head[0] !== 0x1f || head[1] !== 0x8b) return null
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of inflated(reader, 0, 'gzip', unpacking)) {
      pieces.push(piece)
      break
    }
  } catch (error) {
    if (error instanceof InflateError) return null
    throw error
  }
  return isNifti(Buffer.concat(pieces)) ? true : null
}

function nothingToRead({ broken, other }: Pile): ExamRejection {
  const parts = [
    broken > 0 ? `${String(broken)} DICOM files that are broken` : '',
    other > 0 ? `${String(other)} files that are neither DICOM nor NIfTI` : '',
  ].filter((part) => part !== '')
  const what = parts.length === 0 ? 'no files' : parts.join(' and ')
  return new ExamRejection('NOT_DICOM', `the exam has ${what}`, { files: other + broken, broken })
}

function tooLarge(what: string, limit: number): ExamRejection {
  return new ExamRejection('EXAM_TOO_LARGE', `the exam has more than ${String(limit)} ${what}`, { limit })
}

function withLeftOut(volume: Volume4D, files: number): Volume4D {
  if (files === 0) return volume
  const message = `${String(files)} files of the exam were not read: they are no DICOM files, or broken ones`
  return { ...volume, warnings: [...volume.warnings, { code: 'FILES_LEFT_OUT', message }] }
}
