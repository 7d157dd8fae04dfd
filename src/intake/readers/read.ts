import type { ExamFile } from '../../exam/source.js'
import { fileSource } from '../../exam/source.js'
import { isMagic } from '../../exam/dicom/part10.js'
import { readExam } from '../../exam/read.js'
import { SentinodeError } from '../../errors.js'
import {
  type ImageReference,
  readIdentity,
  readMask,
  readReference,
  type Region,
} from '../../screening/index.js'
import type { ExamOrigin, MaskFile, ReadExam, ReadJob } from './messages.js'
import { placedFiles, uploadedFiles, type Step } from './sources.js'

export interface ReadHooks {
  readonly step: Step
  /** Memory for each volume: zeros. The exam's comes last. */
  readonly allocate: (bytes: number) => Promise<ArrayBuffer>
}

/** Reads an exam with its mask. Rejects as `readExam` and `readMask` do, and with REPORT_INCOMPLETE. */
export async function runRead(
  job: ReadJob,
  { step, allocate }: ReadHooks,
): Promise<Omit<ReadExam, 'release'>> {
  const uploaded = job.exam.kind === 'upload' ? uploadedFiles(job.exam, step) : null
  const mask = job.mask === null ? null : await maskRegion(job.mask, uploaded, job.maxPixelBytes, allocate)
  if (uploaded !== null && typeof job.mask?.source === 'number') uploaded.delete(job.mask.source)
  const source =
    job.exam.kind === 'upload' ? fileSource([...(uploaded?.values() ?? [])]) : placedFiles(job.exam, step)
  let origin: ExamOrigin | null = null
  const volume = await readExam(source, {
    minPhases: job.minPhases,
    requireTimes: job.requireTimes,
    limits: { maxPixelBytes: job.maxPixelBytes },
    allocate,
    // Before the pixels: where no report can be of the exam, nothing more is read.
    onUsed: async (files) => {
      if (job.origin) origin = await originOf(files)
    },
    ...(job.timesS === null ? {} : { timesS: job.timesS }),
  })
  return { volume, mask, origin }
}

async function maskRegion(
  { source, segment }: MaskFile,
  uploaded: ReadonlyMap<number, ExamFile> | null,
  maxBytes: number,
  allocate: ReadHooks['allocate'],
): Promise<Region> {
  if (typeof source !== 'number') return readMask(source, { segment, maxBytes, allocate })
  const file = uploaded?.get(source)
  if (file === undefined) {
    throw new SentinodeError('REGION_INVALID', `mask: expected file ${source} of the upload, found none`)
  }
  return readMask(await head(file, file.size), { segment, maxBytes, allocate })
}

async function head(file: ExamFile, length: number): Promise<Uint8Array> {
  const reader = await file.open()
  try {
    return await reader.read(0, length)
  } finally {
    await reader.close()
  }
}

/** Attributes before the pixels, private groups included, rarely take more; they are read again if they do. */
const HEADERS = [64 * 1024, 4 * 2 ** 20, 64 * 2 ** 20]

/** @throws SentinodeError REPORT_INCOMPLETE */
async function originOf(files: readonly ExamFile[]): Promise<ExamOrigin> {
  const images: ImageReference[] = []
  let first: Uint8Array = new Uint8Array()
  for (const file of files) {
    for (const length of HEADERS) {
      const bytes = await head(file, length)
      const reference = readReference(bytes)
      if (reference === null && isMagic(bytes) && file.size > length) continue
      if (images.length === 0) first = bytes
      if (reference !== null) images.push(reference)
      break
    }
  }
  return { identity: readIdentity(first), images }
}
