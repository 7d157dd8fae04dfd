/**
 * Who and what a report is about, copied from a file of the exam: the patient and study modules (PS3.3,
 * C.7.1.1 and C.7.2.1), without which an archive could not file it. Nothing else of the program keeps them.
 */

import type { DataSet } from 'dicom-parser'
import { SentinodeError } from '../../../errors.js'
import { parseDicom } from '../../dicom.js'
import type { ElementValue } from '../../../dicom/elements.js'

/** One image of the exam, to be referred to. */
export interface ImageReference {
  readonly sopClassUid: string
  readonly sopInstanceUid: string
  readonly seriesUid: string
}

export interface ExamIdentity {
  readonly studyUid: string
  /** Values as the exam has them, in its own character set. */
  readonly elements: ReadonlyMap<number, ElementValue>
}

/** Patient and study attributes that are copied where present, with their VRs. */
const COPIED: readonly (readonly [number, string])[] = [
  [0x00080005, 'CS'], // Specific Character Set: copied values keep their bytes
  [0x00080020, 'DA'],
  [0x00080030, 'TM'],
  [0x00080050, 'SH'],
  [0x00080090, 'PN'],
  [0x00081030, 'LO'],
  [0x00100010, 'PN'],
  [0x00100020, 'LO'],
  [0x00100021, 'LO'],
  [0x00100030, 'DA'],
  [0x00100040, 'CS'],
  [0x0020000d, 'UI'],
  [0x00200010, 'SH'],
]

/** Type 2: present even where nothing is known (PS3.5, 7.4.3). */
const REQUIRED = [
  0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x00200010,
]

const MAX_HEADER = 64 * 2 ** 20
/** Longer than any of the copied attributes may be. */
const MAX_VALUE = 4096

/**
 * @param bytes a DICOM file of the exam, or its beginning up to the pixels
 * @throws SentinodeError REPORT_INCOMPLETE where it is no DICOM file, or names no study
 */
export function readIdentity(bytes: Uint8Array): ExamIdentity {
  const dataset = parse(bytes)
  const elements = new Map<number, ElementValue>()
  for (const [tag, vr] of COPIED) {
    const element = dataset.elements[key(tag)]
    if (element !== undefined) {
      if (element.length > MAX_VALUE)
        throw incomplete('attributes of the patient and the study', 'one that is too long')
      const raw = dataset.byteArray.subarray(element.dataOffset, element.dataOffset + element.length)
      elements.set(tag, { vr, raw: new Uint8Array(raw) })
    } else if (REQUIRED.includes(tag)) elements.set(tag, { vr, raw: new Uint8Array() })
  }
  const studyUid = dataset.string('x0020000d') ?? ''
  if (studyUid === '') throw incomplete('a study instance UID', 'none')
  return { studyUid, elements }
}

/** What a report needs to refer to an image; null where the file is none. */
export function readReference(bytes: Uint8Array): ImageReference | null {
  const dataset = parseDicom(bytes.subarray(0, MAX_HEADER), 'x00280002')
  const sopClassUid = dataset?.string('x00080016')
  const sopInstanceUid = dataset?.string('x00080018')
  const seriesUid = dataset?.string('x0020000e')
  if (!sopClassUid || !sopInstanceUid || !seriesUid) return null
  return { sopClassUid, sopInstanceUid, seriesUid }
}

const key = (tag: number): string => `x${tag.toString(16).padStart(8, '0')}`

const incomplete = (expected: string, found: string) =>
  new SentinodeError('REPORT_INCOMPLETE', `DICOM report: expected ${expected} in the exam, found ${found}`)

function parse(bytes: Uint8Array): DataSet {
  // The series' own attributes end with group 0020; pixels are never looked at.
  const dataset = parseDicom(bytes.subarray(0, MAX_HEADER), 'x00280002')
  if (dataset === null) throw incomplete('DICOM files', 'a file that is none, or is broken')
  return dataset
}
