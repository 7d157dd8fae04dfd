/** The room's door: from an exam and clinical values to a reasoned answer. */

export { makeAnswer, type Answer, type AnswerOptions, type ModelIdentity } from './answer.js'
export { readClinical, type ClinicalRecord, type ClinicalValue } from './clinical/read.js'
export { parseContract, type Contract } from './contract/contract.js'
export { checkNetwork, type NetworkTensor } from './contract/network.js'
export { makeExplanation, type Explanation } from './explain/explanation.js'
export {
  Occluder,
  planOcclusions,
  requireExplainable,
  type CropShape,
  type Occlusion,
  type OcclusionPlan,
} from './explain/occlusion.js'
export { readLogits, requireOperatingPoint, type Finding, type OutputRows } from './findings.js'
export { acceptRegion } from './plan/plan.js'
export {
  prepareExam,
  type OtherModel,
  type PrepareOptions,
  type PreparedExam,
  type Preprocess,
  type ScreeningTensor,
} from './prepare.js'
export { DEFAULT_MASK_OPTIONS, readMask, type MaskOptions } from './region/mask.js'
export { answerToCsv, csvCell, csvHeader, defusedText, errorToCsv } from './report/csv.js'
export { answerToHtml } from './report/html.js'
export { answerToJson, type AnswerJson } from './report/json.js'
export { takeOverlays, type Overlay } from './report/overlay.js'
export { takePictures, type Pictures } from './report/pictures.js'
export { readIdentity, readReference, type ExamIdentity, type ImageReference } from './report/sr/identity.js'
export { answerToSr, type ReportingDevice, type SrOptions } from './report/sr/report.js'
export type { Point, Region, ScreeningWarning } from './types.js'

/** The contract's file beside a model version's network. */
export const CONTRACT_FILE = 'screening.yaml'
