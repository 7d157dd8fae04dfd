/**
 * The answer as a DICOM Comprehensive SR with the content of TID 1500, Measurement Report (PS3.16). It alone
 * of all that the program writes carries the patient and study modules, for an archive to file it by.
 */

import { randomUUID } from 'node:crypto'
import type { Answer } from '../../answer.js'
import type { Finding } from '../../findings.js'
import * as C from './codes.js'
import { code, container, image, note, number, uidRef, type ContentItem } from './content.js'
import {
  encodeFile,
  sequence,
  text,
  uidFrom,
  uidOf,
  type ElementValue,
  type Elements,
} from '../../../dicom/elements.js'
import type { ExamIdentity, ImageReference } from './identity.js'

const COMPREHENSIVE_SR = '1.2.840.10008.5.1.4.1.1.88.33'

/** Who writes the report: the software that runs. */
export interface ReportingDevice {
  readonly manufacturer: string
  readonly model: string
  readonly version: string
  /** Distinguishes one installation from another; no host name. */
  readonly serial: string
}

export interface SrOptions {
  readonly answer: Answer
  readonly identity: ExamIdentity
  /** Images that were used; the library of the report. May be empty (a NIfTI exam has none). */
  readonly images: readonly ImageReference[]
  readonly device: ReportingDevice
  readonly now: Date
}

const newUid = () => uidOf(randomUUID().replaceAll('-', ''))

/** The class UID of this writer, of every installation. */
const IMPLEMENTATION = { uid: uidFrom('sentinode structured report writer'), name: 'SENTINODE_SR_1' }

/** @returns the bytes of a part 10 file */
export function answerToSr(options: SrOptions): Buffer {
  const { identity, device } = options
  const date = dicomDate(options.now)
  const time = dicomTime(options.now)
  const dataset = new Map<number, ElementValue>([
    ...identity.elements,
    // SR Document Series and General Equipment
    [0x00080060, text('CS', 'SR')],
    [0x0020000e, text('UI', newUid())],
    [0x00200011, text('IS', '1')],
    [0x00081111, sequence()],
    [0x00080070, text('LO', device.manufacturer)],
    [0x00081090, text('LO', device.model)],
    [0x00181000, text('LO', device.serial)],
    [0x00181020, text('LO', device.version)],
    // SR Document General
    [0x00200013, text('IS', '1')],
    [0x00080023, text('DA', date)],
    [0x00080033, text('TM', time)],
    [0x0040a491, text('CS', 'COMPLETE')],
    [0x0040a493, text('CS', 'UNVERIFIED')],
    [0x0040a372, sequence()],
    // SOP Common
    [0x00080110, sequence(ownScheme())],
    [0x00080016, text('UI', COMPREHENSIVE_SR)],
    [0x00080018, text('UI', newUid())],
    [0x00080012, text('DA', date)],
    [0x00080013, text('TM', time)],
    ...contentOf(options).elements,
  ])
  dataset.delete(0x0040a010)
  if (options.images.length > 0) dataset.set(0x0040a375, sequence(evidence(identity, options.images)))
  // What is copied keeps its bytes, so what is added has to fit the exam's character set: all hold ASCII.
  const declared = identity.elements.has(0x00080005)
  if (!declared) dataset.set(0x00080005, text('CS', 'ISO_IR 192'))
  return encodeFile(dataset, IMPLEMENTATION, declared ? 'ascii' : 'utf8')
}

/** Coding Scheme Identification of the report's own codes. */
const ownScheme = (): Elements =>
  new Map([
    [0x00080102, text('SH', C.OWN_SCHEME)],
    [0x00080115, text('ST', 'sentinode: what its screening reports say and no public scheme has')],
    [0x00080116, text('ST', 'sentinode')],
  ])

const two = (value: number) => String(value).padStart(2, '0')
const dicomDate = (at: Date) => `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}`
const dicomTime = (at: Date) => `${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}`

/** Current Requested Procedure Evidence: every image that the content refers to, by series. */
function evidence(identity: ExamIdentity, images: readonly ImageReference[]): Elements {
  const bySeries = new Map<string, ImageReference[]>()
  for (const reference of images) {
    bySeries.set(reference.seriesUid, [...(bySeries.get(reference.seriesUid) ?? []), reference])
  }
  const series = [...bySeries].map(
    ([uid, references]): Elements =>
      new Map([
        [0x0020000e, text('UI', uid)],
        [
          0x00081199,
          sequence(
            ...references.map(
              ({ sopClassUid, sopInstanceUid }): Elements =>
                new Map([
                  [0x00081150, text('UI', sopClassUid)],
                  [0x00081155, text('UI', sopInstanceUid)],
                ]),
            ),
          ),
        ],
      ]),
  )
  return new Map([
    [0x0020000d, text('UI', identity.studyUid)],
    [0x00081115, sequence(...series)],
  ])
}

function contentOf({ answer, images, device }: SrOptions): ContentItem {
  const { provenance } = answer.contract
  const library = container('CONTAINS', C.IMAGE_LIBRARY, [
    container(
      'CONTAINS',
      C.IMAGE_LIBRARY_GROUP,
      images.map((reference) => image('CONTAINS', reference.sopClassUid, reference.sopInstanceUid)),
    ),
  ])
  return container(
    null,
    C.IMAGING_MEASUREMENT_REPORT,
    [
      code('HAS CONCEPT MOD', C.LANGUAGE, C.ENGLISH),
      code('HAS OBS CONTEXT', C.OBSERVER_TYPE, C.DEVICE),
      uidRef(
        'HAS OBS CONTEXT',
        C.DEVICE_UID,
        uidFrom(`${device.manufacturer}/${device.model}/${device.serial}`),
      ),
      note('HAS OBS CONTEXT', C.DEVICE_NAME, device.model),
      note('HAS OBS CONTEXT', C.DEVICE_MANUFACTURER, device.manufacturer),
      note('HAS OBS CONTEXT', C.DEVICE_MODEL, device.model),
      note('HAS OBS CONTEXT', C.DEVICE_SERIAL, device.serial),
      code('HAS CONCEPT MOD', C.PROCEDURE_REPORTED, C.MRI_OF_BREAST),
      ...(images.length === 0 ? [] : [library]),
      container('CONTAINS', C.IMAGING_MEASUREMENTS, [
        ...answer.findings.map((finding) => measurementGroup(finding, answer)),
      ]),
      ...(provenance.notice === undefined ? [] : [note('CONTAINS', C.COMMENT, provenance.notice)]),
      ...answer.warnings.map(({ code: name, message }) => note('CONTAINS', C.COMMENT, `${name}: ${message}`)),
    ],
    '1500',
  )
}

/** TID 1501, Measurement and Qualitative Evaluation Group. */
function measurementGroup(finding: Finding, answer: Answer): ContentItem {
  const { operatingPoint: point } = finding
  const algorithm = [
    note('HAS CONCEPT MOD', C.ALGORITHM_NAME, answer.model.name),
    note('HAS CONCEPT MOD', C.ALGORITHM_VERSION, answer.model.version),
    note('HAS CONCEPT MOD', C.ALGORITHM_PARAMETERS, `model SHA-256 ${answer.model.sha256}`),
    note('HAS CONCEPT MOD', C.ALGORITHM_PARAMETERS, `contract SHA-256 ${answer.contract.sha256}`),
    note('HAS CONCEPT MOD', C.ALGORITHM_PARAMETERS, `operating point ${point.name}`),
  ]
  return container(
    'CONTAINS',
    C.MEASUREMENT_GROUP,
    [
      note('HAS OBS CONTEXT', C.TRACKING_IDENTIFIER, finding.name),
      uidRef('HAS OBS CONTEXT', C.TRACKING_UID, newUid()),
      code('CONTAINS', C.FINDING, finding.codes.finding),
      code('HAS CONCEPT MOD', C.FINDING_SITE, finding.codes.site),
      number('CONTAINS', C.PROBABILITY, finding.probability, C.RATIO, algorithm),
      ...(finding.calibrated === null
        ? []
        : [number('CONTAINS', C.CALIBRATED_PROBABILITY, finding.calibrated, C.RATIO, algorithm)]),
      ...(finding.spread === null
        ? []
        : [number('CONTAINS', C.ENSEMBLE_SPREAD, finding.spread, C.RATIO, algorithm)]),
      number('CONTAINS', C.THRESHOLD, point.threshold, C.RATIO),
      number('CONTAINS', C.SENSITIVITY, point.sensitivity, C.RATIO),
      number('CONTAINS', C.SPECIFICITY, point.specificity, C.RATIO),
      code('CONTAINS', C.DECISION, finding.positive ? C.POSITIVE : C.NEGATIVE),
      note('CONTAINS', C.COMMENT, finding.title),
    ],
    '1501',
  )
}
