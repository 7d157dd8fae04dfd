/** What a network's outputs say, finding by finding, at an operating point. */

import { SentinodeError } from '../errors.js'
import { calibrate, logit, sigmoid } from './calibration.js'
import type { Contract } from './contract/contract.js'
import type { FindingRule, OperatingPoint } from './contract/schema.js'

export interface Finding {
  readonly name: string
  readonly title: string
  /** Before calibration. */
  readonly probability: number
  /** null where the contract calls none calibrated. */
  readonly calibrated: number | null
  readonly calibration: FindingRule['calibration']['method']
  /** Standard deviation over an ensemble; null where the network gives none. */
  readonly spread: number | null
  /** The one that decided. */
  readonly operatingPoint: OperatingPoint
  readonly positive: boolean
  /** All that the contract states, to show where the probability lies among them. */
  readonly operatingPoints: readonly OperatingPoint[]
  /** For the DICOM report. */
  readonly codes: FindingRule['codes']
}

/** One exam's row of every output, by name. */
export type OutputRows = ReadonlyMap<string, Float32Array>

/**
 * @param pointName operating point that decides; null for the contract's default
 * @throws SentinodeError INVALID_REQUEST for an operating point that a finding does not have,
 * SCREENING_OUTPUT_INVALID for outputs that are missing or no probabilities
 */
export function readFindings(
  rules: readonly FindingRule[],
  defaultPoint: string,
  pointName: string | null,
  outputs: OutputRows,
): Finding[] {
  return rules.map((rule) => {
    const operatingPoint = choosePoint(rule, pointName ?? defaultPoint)
    const value = element(outputs, rule.output, rule.index)
    const network = asProbability(rule, rule.scale === 'logit' ? sigmoid(value) : value)
    const { calibration } = rule
    const calibrated = calibrate(calibration, network)
    const raw = calibration.method === 'in_graph' ? calibration.raw : undefined
    const probability =
      raw === undefined ? network : asProbability(rule, element(outputs, raw.output, raw.index))
    const spread = rule.spread === undefined ? null : element(outputs, rule.spread.output, rule.spread.index)
    return {
      name: rule.name,
      title: rule.title ?? rule.name,
      probability,
      calibrated,
      calibration: calibration.method,
      spread,
      operatingPoint,
      positive: (calibrated ?? probability) >= operatingPoint.threshold,
      operatingPoints: rule.operating_points,
      codes: rule.codes,
    }
  })
}

/**
 * Logits of the findings' probabilities before calibration, which may have steps where nothing changes.
 * @throws SentinodeError SCREENING_OUTPUT_INVALID
 */
export function readLogits(contract: Contract, outputs: OutputRows): number[] {
  const findings = readFindings(contract.findings, contract.default_operating_point, null, outputs)
  return findings.map(({ probability }) => logit(probability))
}

/** Throws INVALID_REQUEST where a finding does not have the operating point; null, the default, is always there. */
export function requireOperatingPoint(rules: readonly FindingRule[], pointName: string | null): void {
  if (pointName !== null) for (const rule of rules) choosePoint(rule, pointName)
}

function choosePoint(rule: FindingRule, name: string): OperatingPoint {
  const point = rule.operating_points.find((candidate) => candidate.name === name)
  if (point !== undefined) return point
  const known = rule.operating_points.map((candidate) => candidate.name).join(', ')
  throw new SentinodeError(
    'INVALID_REQUEST',
    `expected an operating point of ${rule.name} (${known}), found another name`,
  )
}

function element(outputs: OutputRows, output: string, index: number): number {
  const value = outputs.get(output)?.[index]
  if (value === undefined) {
    throw new SentinodeError(
      'SCREENING_OUTPUT_INVALID',
      `expected element ${index} of output ${output}, found none`,
    )
  }
  if (!Number.isFinite(value)) {
    throw new SentinodeError(
      'SCREENING_OUTPUT_INVALID',
      `expected a finite number in output ${output}, found none`,
    )
  }
  return value
}

function asProbability(rule: FindingRule, value: number): number {
  // A softmax in float32 may exceed 1 by a rounding.
  if (value < -1e-6 || value > 1 + 1e-6) {
    throw new SentinodeError(
      'SCREENING_OUTPUT_INVALID',
      `expected a probability of ${rule.name} from 0 to 1, found another number`,
    )
  }
  return Math.min(Math.max(value, 0), 1)
}
