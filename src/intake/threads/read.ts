import type { ExamFile } from '../../exam/source.js'
import { fileSource } from '../../exam/source.js'
import { isMagic } from '../../exam/dicom/part10.js'
import { readExam } from '../../exam/read.js'
import { SentinodeError } from '../../errors.js'
import {
  readIdentity,
  readMask,
  readReference,
  type ImageReference,
  type Region,
} from '../../screening/index.js'
import type { ExamOrigin, MaskFile, ReadExam, ReadJob } from './messages.js'
import { placedFiles, uploadedFiles, type CheckStop } from './sources.js'

export interface ReadHooks {
  readonly check: CheckStop
  /** Asked for the bytes of each volume before it is allocated. */
  readonly reserve: (bytes: number) => Promise<void>
}

/** Reads an exam with its mask. Rejects as `readExam` and `readMask` do, and with REPORT_INCOMPLETE. */
export async function runRead(job: ReadJob, { check, reserve }: ReadHooks): Promise<ReadExam> {
  const uploaded = job.exam.kind === 'upload' ? uploadedFiles(job.exam, check) : null
  const mask = job.mask === null ? null : await maskRegion(job.mask, uploaded, job.maxPixelBytes, reserve)
  if (uploaded !== null && typeof job.mask?.source === 'number') uploaded.delete(job.mask.source)
  const source =
    job.exam.kind === 'upload' ? fileSource([...(uploaded?.values() ?? [])]) : placedFiles(job.exam, check)
  let origin: ExamOrigin | null = null
  const volume = await readExam(source, {
    minPhases: job.minPhases,
    requireTimes: job.requireTimes,
    limits: { maxPixelBytes: job.maxPixelBytes },
    reserve,
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
  reserve: ReadHooks['reserve'],
): Promise<Region> {
  if (typeof source !== 'number') return readMask(source, { segment, maxBytes, reserve })
  const file = uploaded?.get(source)
  if (file === undefined) {
    throw new SentinodeError('REGION_INVALID', `mask: expected file ${source} of the upload, found none`)
  }
  return readMask(await head(file, file.size), { segment, maxBytes, reserve })
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
