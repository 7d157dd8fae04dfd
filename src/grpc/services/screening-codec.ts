/** Between the messages of sentinode.v1 and what screening is asked and answers. */

import { SentinodeError } from '../../errors.js'
import {
  type Explanation as ExplanationMessage,
  ReportFormat,
  ScreeningAnswer,
  type ClinicalValue,
  type Point as PointMessage,
  type Region as RegionMessage,
  type ScreeningOptions,
} from '../../generated/sentinode/v1/screening.js'
import type { ClinicalRecord, Explanation, Finding, Point } from '../../screening/index.js'
import type { ExamRequest, ReportKind, RequestedRegion, ScreenedExam } from './screening-backend.js'

const KINDS: ReadonlyMap<ReportFormat, ReportKind> = new Map([
  [ReportFormat.REPORT_FORMAT_JSON, 'json'],
  [ReportFormat.REPORT_FORMAT_HTML, 'html'],
  [ReportFormat.REPORT_FORMAT_DICOM_SR, 'sr'],
])
const FORMATS = new Map([...KINDS].map(([format, kind]) => [kind, format]))

const invalid = (message: string): SentinodeError => new SentinodeError('INVALID_REQUEST', message)

/** @throws SentinodeError INVALID_REQUEST, REGION_INVALID */
export function decodeOptions(options: ScreeningOptions | undefined): ExamRequest {
  if (options === undefined || options.model === '')
    throw invalid('expected options that name a model, found none')
  return {
    model: options.model,
    version: options.modelVersion,
    operatingPoint: options.operatingPoint === '' ? null : options.operatingPoint,
    clinical: decodeClinical(options.clinical),
    region: decodeRegion(options.region),
    explain: options.explain,
    reports: decodeReports(options.reports),
    timesS: options.timesS.length === 0 ? null : options.timesS,
    uploadBytes: Number(options.uploadBytes),
  }
}

function decodeClinical(clinical: Readonly<Record<string, ClinicalValue>>): ClinicalRecord {
  // A value of this name has become the record's prototype and would be lost.
  if (Object.getPrototypeOf(clinical) !== Object.prototype)
    throw invalid('expected names of clinical variables, found __proto__')
  return Object.fromEntries(Object.entries(clinical).map(([name, { kind }]) => [name, kind?.value]))
}

function decodeReports(formats: readonly ReportFormat[]): ReportKind[] {
  return [...new Set(formats)].map((format) => {
    const kind = KINDS.get(format)
    if (kind === undefined)
      throw invalid(`expected reports of the formats JSON, HTML and DICOM_SR, found number ${format}`)
    return kind
  })
}

function decodeRegion(region: RegionMessage | undefined): RequestedRegion | null {
  if (region === undefined) return null
  const { kind } = region
  if (kind?.$case === 'centre') return { kind: 'centre', centre: decodePoint(kind.value) }
  if (kind?.$case === 'box') {
    const { low, high } = kind.value
    if (low !== undefined && high !== undefined)
      return { kind: 'box', low: decodePoint(low), high: decodePoint(high) }
  }
  if (kind?.$case === 'mask' && kind.value.source !== undefined) {
    const { source, segment } = kind.value
    return { kind: 'mask', file: { source: source.value, segment: segment === 0 ? null : segment } }
  }
  throw new SentinodeError(
    'REGION_INVALID',
    'expected a centre, a box with both corners, or a mask with its bytes or file, found none of them',
  )
}

const decodePoint = ({ x, y, z }: PointMessage): Point => [x, y, z]
const encodePoint = ([x, y, z]: Point): PointMessage => ({ x, y, z })

export function encodeAnswer({ answer, reports }: ScreenedExam): ScreeningAnswer {
  const { used, contract, model } = answer
  return {
    exam: answer.exam,
    findings: answer.findings.map((finding, i) => encodeFinding(finding, answer.explanations?.[i])),
    model: model.name,
    modelVersion: model.version,
    modelSha256: model.sha256,
    contractSha256: contract.sha256,
    notice: contract.provenance.notice ?? '',
    used: {
      series: used.series.map(({ number, ordinal, phases, frames }) => ({
        number: seriesNumber(number),
        ordinal,
        phases,
        frames: BigInt(frames),
      })),
      framesRead: BigInt(used.frames.read),
      framesUsed: BigInt(used.frames.used),
      leftOut: used.frames.leftOut.map(({ reason, series, count }) => ({
        reason,
        series: seriesNumber(series),
        count: BigInt(count),
      })),
      timesS: [...(used.timesS ?? [])],
      phasesFrom: used.phasesFrom,
      timesFrom: used.timesFrom ?? '',
      phases: used.phases.map(({ first, second, weight, timeS, mean }) => ({
        first,
        second,
        weight,
        timeS: timeS ?? undefined,
        mean,
      })),
      region: used.region.kind,
      centreMm: encodePoint(used.region.centreMm),
      sizeMm: encodePoint(used.region.sizeMm),
      grid: [...used.gridSize],
      outsideFraction: used.outsideFraction,
      clinicalGiven: [...used.clinicalGiven],
      clinicalImputed: used.clinicalImputed.map(({ name, value, unit }) => ({
        name,
        value: String(value),
        unit: unit ?? '',
      })),
    },
    warnings: answer.warnings.map(({ code, message }) => ({ code, message })),
    timingsMs: { ...answer.timingsMs },
    reports: reports.map(({ kind, data }) => ({
      format: FORMATS.get(kind) ?? ReportFormat.REPORT_FORMAT_UNSPECIFIED,
      data,
    })),
  }
}

function encodeFinding(
  finding: Finding,
  explanation: Explanation | undefined,
): ScreeningAnswer['findings'][number] {
  const { operatingPoint: point } = finding
  return {
    name: finding.name,
    title: finding.title,
    probability: finding.probability,
    calibrated: finding.calibrated ?? undefined,
    spread: finding.spread ?? undefined,
    positive: finding.positive,
    operatingPoint: point.name,
    threshold: point.threshold,
    sensitivity: point.sensitivity,
    specificity: point.specificity,
    explanation: explanation === undefined ? undefined : encodeExplanation(explanation),
  }
}

function encodeExplanation({
  grid,
  map,
  strongest,
  phaseDrops,
  patch,
  copies,
}: Explanation): ExplanationMessage {
  return {
    grid: [...grid.size],
    affine: [...grid.affine],
    map: [...map],
    strongestMm: encodePoint(strongest.mm),
    strongestDrop: strongest.drop,
    phaseDrops: [...phaseDrops],
    patch: [...patch],
    copies,
  }
}

/** SeriesNumber is an integer string; a file may hold anything. */
function seriesNumber(number: number | null): bigint | undefined {
  return number !== null && Number.isSafeInteger(number) ? BigInt(number) : undefined
}
