/** The answer as JSON: the fields that programs rely on, in the command line's spelling. */

import type { Answer } from '../answer.js'
import type { Explanation } from '../explain/explanation.js'

/** One document per exam; numbers are as computed, not rounded. */
export function answerToJson(answer: Answer) {
  const { used } = answer
  return {
    exam: answer.exam,
    ...(answer.contract.provenance.notice === undefined ? {} : { notice: answer.contract.provenance.notice }),
    findings: answer.findings.map((finding, i) => ({
      name: finding.name,
      title: finding.title,
      probability: finding.probability,
      calibrated: finding.calibrated,
      calibration: finding.calibration,
      spread: finding.spread,
      operating_point: finding.operatingPoint.name,
      threshold: finding.operatingPoint.threshold,
      sensitivity: finding.operatingPoint.sensitivity,
      specificity: finding.operatingPoint.specificity,
      positive: finding.positive,
      ...explanationJson(answer.explanations?.[i]),
    })),
    model: answer.model.name,
    version: answer.model.version,
    model_sha256: answer.model.sha256,
    contract: answer.contract.title,
    contract_sha256: answer.contract.sha256,
    provenance: answer.contract.provenance,
    used: {
      series: used.series,
      frames: { read: used.frames.read, used: used.frames.used, left_out: used.frames.leftOut },
      times_s: used.timesS,
      phases_from: used.phasesFrom,
      times_from: used.timesFrom,
      phases: used.phases.map((phase) => ({
        time_s: phase.timeS,
        wanted_s: phase.wantedS,
        from: phase.first === phase.second ? [phase.first] : [phase.first, phase.second],
        weight: phase.weight,
        mean: phase.mean,
      })),
      region: { kind: used.region.kind, centre_mm: used.region.centreMm, size_mm: used.region.sizeMm },
      grid: used.gridSize,
      outside_fraction: used.outsideFraction,
      clinical: { given: used.clinicalGiven, imputed: used.clinicalImputed },
    },
    warnings: answer.warnings,
    timings_ms: answer.timingsMs,
  }
}

/** The map itself is a file of its own. */
function explanationJson(explanation: Explanation | undefined) {
  if (explanation === undefined) return {}
  const { strongest, phaseDrops, patch, copies } = explanation
  return {
    explanation: {
      method: 'occlusion',
      strongest_mm: strongest.mm,
      strongest_drop: strongest.drop,
      phase_drops: phaseDrops,
      patch_voxels: patch,
      copies,
    },
  }
}

export type AnswerJson = ReturnType<typeof answerToJson>
