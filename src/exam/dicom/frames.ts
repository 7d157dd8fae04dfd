/** From headers to frames: classic objects have one each, Enhanced ones have many, told by functional groups. */

import type { ExamFile } from '../source.js'
import { Dataset } from './dataset.js'
import { readMarks, type Marks } from './marks.js'
import type { DicomHeader } from './part10.js'
import { TAGS } from './tags.js'

export type Triple = readonly [number, number, number]

/** How samples lie in the file. */
export interface PixelFormat {
  readonly bitsAllocated: number
  readonly bitsStored: number
  readonly highBit: number
  readonly signed: boolean
  /** Set for FloatPixelData and DoubleFloatPixelData. */
  readonly float: boolean
}

export interface SourceFile {
  readonly file: ExamFile
  readonly header: Pick<DicomHeader, 'syntax' | 'start' | 'pixels'>
  readonly frames: number
  readonly rows: number
  readonly columns: number
  readonly format: PixelFormat
  /** Whether a table stands in place of slope and intercept (PS3.3, C.11.1); MR images have none. */
  readonly modalityTable: boolean
}

/** What tells one sequence of a protocol from another; NaN where the file does not say. */
export interface Protocol {
  readonly echoTime: number
  readonly repetitionTime: number
  readonly inversionTime: number
  readonly flipAngle: number
  readonly fatSaturated: boolean
}

/** One slice of one phase. Holds nothing that names a person. */
export interface Frame {
  readonly source: SourceFile
  readonly indexInFile: number
  readonly study: string
  readonly series: string
  readonly seriesNumber: number | null
  readonly frameOfReference: string
  readonly stack: string
  readonly imageType: readonly string[]
  readonly complexComponent: string
  readonly modality: string
  readonly bValue: number
  readonly colour: boolean
  readonly lossy: boolean
  readonly protocol: Protocol
  readonly position: Triple | null
  /** Direction cosines of a row, then of a column. */
  readonly orientation: readonly number[] | null
  readonly pixelSpacing: readonly [number, number] | null
  readonly slope: number
  readonly intercept: number
  readonly marks: Marks
}

const TEMPORAL_POINTERS: readonly number[] = [
  TAGS.TemporalPositionIndex,
  TAGS.TemporalPositionTimeOffset,
  TAGS.FrameAcquisitionDateTime,
  TAGS.FrameReferenceDateTime,
  TAGS.TemporalPositionIdentifier,
  TAGS.TriggerTime,
]

/**
 * The frames of one object; none when it has no pixel data.
 * @param maxFrames bounds what one object may claim
 * @returns null when the object claims more than `maxFrames`
 */
export function framesOf(file: ExamFile, header: DicomHeader, maxFrames: number): Frame[] | null {
  const { dataset } = header
  if (header.pixels === null) return []
  const count = Math.max(1, Math.trunc(dataset.number('NumberOfFrames') ?? 1))
  if (count > maxFrames) return null
  const source: SourceFile = {
    file,
    header: { syntax: header.syntax, start: header.start, pixels: header.pixels },
    frames: count,
    rows: dataset.number('Rows') ?? 0,
    columns: dataset.number('Columns') ?? 0,
    format: pixelFormat(header),
    modalityTable: dataset.items('ModalityLUTSequence').length > 0,
  }
  const shared = dataset.items('SharedFunctionalGroupsSequence')
  const perFrame = dataset.items('PerFrameFunctionalGroupsSequence')
  const common = flatten(dataset, shared)
  const dimension = temporalDimension(dataset)
  const frames: Frame[] = []
  for (let i = 0; i < count; i++) {
    const groups = perFrame[i]
    const attributes = groups === undefined ? common : flatten(common, [groups])
    // Without functional groups nothing says where the frames of a multi-frame object lie.
    const placed = count === 1 || groups !== undefined
    const index = dimension === null ? undefined : attributes.numbers('DimensionIndexValues')[dimension]
    frames.push(frame(source, i, attributes, placed, index ?? null))
  }
  return frames
}

/** `base` with everything inside functional groups laid over it, whatever macro holds it. */
function flatten(base: Dataset, groups: readonly Dataset[]): Dataset {
  const flat = new Dataset()
  flat.merge(base)
  for (const group of groups) overlay(flat, group)
  return flat
}

function overlay(flat: Dataset, group: Dataset): void {
  flat.merge(group)
  for (const [, items] of group.sequences()) for (const item of items) overlay(flat, item)
}

/** Which of DimensionIndexValues counts time (PS3.3, C.7.6.17); null where none does. */
function temporalDimension(dataset: Dataset): number | null {
  const at = dataset
    .items('DimensionIndexSequence')
    .findIndex((item) => TEMPORAL_POINTERS.includes(item.number('DimensionIndexPointer') ?? -1))
  return at < 0 ? null : at
}

function pixelFormat(header: DicomHeader): PixelFormat {
  const { dataset, pixels } = header
  const bitsAllocated = dataset.number('BitsAllocated') ?? 16
  const bitsStored = dataset.number('BitsStored') ?? bitsAllocated
  return {
    bitsAllocated,
    bitsStored,
    highBit: dataset.number('HighBit') ?? bitsStored - 1,
    signed: dataset.number('PixelRepresentation') === 1,
    float: pixels !== null && pixels.tag !== TAGS.PixelData,
  }
}

function frame(
  source: SourceFile,
  indexInFile: number,
  attributes: Dataset,
  placed: boolean,
  dimension: number | null,
): Frame {
  const position = placed ? attributes.numbers('ImagePositionPatient') : []
  const orientation = placed ? attributes.numbers('ImageOrientationPatient') : []
  const [rowSpacing, columnSpacing] = attributes.numbers('PixelSpacing')
  const spaced =
    rowSpacing !== undefined && columnSpacing !== undefined && rowSpacing > 0 && columnSpacing > 0
  const frameType = attributes.texts('FrameType')
  return {
    source,
    indexInFile,
    study: attributes.text('StudyInstanceUID'),
    series: attributes.text('SeriesInstanceUID'),
    seriesNumber: attributes.number('SeriesNumber') ?? null,
    frameOfReference: attributes.text('FrameOfReferenceUID'),
    stack: attributes.text('StackID'),
    imageType: (frameType.length > 0 ? frameType : attributes.texts('ImageType')).map((part) =>
      part.toUpperCase(),
    ),
    complexComponent: attributes.text('ComplexImageComponent').toUpperCase(),
    modality: attributes.text('Modality').toUpperCase(),
    bValue: attributes.number('DiffusionBValue') ?? 0,
    colour: (attributes.number('SamplesPerPixel') ?? 1) !== 1 || !isMonochrome(attributes),
    lossy: attributes.text('LossyImageCompression') === '01',
    protocol: protocol(attributes),
    position: triple(position),
    orientation: isOrientation(orientation) ? orientation : null,
    pixelSpacing: spaced ? [rowSpacing, columnSpacing] : null,
    slope: scale(attributes, 'RescaleSlope', 1),
    intercept: scale(attributes, 'RescaleIntercept', 0),
    marks: readMarks(attributes, dimension),
  }
}

/** What a file leaves out or empty is `standard`; what is there and no number is NaN. */
function scale(attributes: Dataset, name: 'RescaleSlope' | 'RescaleIntercept', standard: number): number {
  return attributes.number(name) ?? (attributes.text(name) === '' ? standard : NaN)
}

function protocol(attributes: Dataset): Protocol {
  return {
    echoTime: attributes.number('EffectiveEchoTime') ?? attributes.number('EchoTime') ?? NaN,
    repetitionTime: attributes.number('RepetitionTime') ?? NaN,
    inversionTime: attributes.number('InversionTime') ?? NaN,
    flipAngle: attributes.number('FlipAngle') ?? NaN,
    fatSaturated: attributes.texts('ScanOptions').includes('FS'),
  }
}

function isMonochrome(attributes: Dataset): boolean {
  const interpretation = attributes.text('PhotometricInterpretation').toUpperCase()
  return interpretation === '' || interpretation.startsWith('MONOCHROME')
}

function triple(values: readonly number[]): Triple | null {
  const [x, y, z] = values
  return values.length === 3 && x !== undefined && y !== undefined && z !== undefined ? [x, y, z] : null
}

/** Six direction cosines of unit length, at right angles, within what scanners round to. */
function isOrientation(values: readonly number[]): boolean {
  if (values.length !== 6) return false
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = values
  const near = (value: number, target: number): boolean => Math.abs(value - target) < 0.01
  return near(Math.hypot(a, b, c), 1) && near(Math.hypot(d, e, f), 1) && near(a * d + b * e + c * f, 0)
}
