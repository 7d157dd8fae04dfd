import { SentinodeError } from '../../errors.js'
import type { ExamRequest } from '../../grpc/services/screening-backend.js'
import type { ModelManager } from '../../models/lifecycle.js'
import type { ServableModel } from '../../models/servable.js'
import {
  acceptRegion,
  type Contract,
  readClinical,
  type Region,
  requireExplainable,
  requireOperatingPoint,
  type ScreeningWarning,
} from '../../screening/index.js'

/** Which model an exam goes to. */
export interface Route {
  readonly model: ServableModel
  readonly contract: Contract
  /** The model asked for knows every name; one that does without some of its values need not. */
  readonly unknownClinicalNames: 'refuse' | 'leave-out'
  readonly warnings: readonly ScreeningWarning[]
}

/**
 * The model that answers: the one asked for, or the one that its contract names for an exam without some
 * clinical value, and so on. Checks what can be known before the exam is there, so that nothing is uploaded
 * in vain: clinical values, the region's kind, the operating point.
 * @throws SentinodeError MODEL_NOT_FOUND, MODEL_NOT_READY, NOT_A_SCREENING_MODEL, CLINICAL_INVALID,
 * CLINICAL_MISSING, REGION_INVALID, INVALID_REQUEST, EXPLANATION_TOO_LARGE
 */
export function chooseRoute(models: ModelManager, request: ExamRequest): Route {
  const warnings: ScreeningWarning[] = []
  const passed: string[] = []
  let model = models.get(request.model, request.version)
  for (;;) {
    const contract = contractOf(model)
    const unknownClinicalNames = passed.length === 0 ? 'refuse' : 'leave-out'
    const clinical =
      contract.clinical === null
        ? null
        : readClinical(contract.clinical.variables, request.clinical, { unknownNames: unknownClinicalNames })
    if (clinical?.kind !== 'other-model') {
      acceptRegion(kindOnly(request.region), contract.image.region.accept)
      requireOperatingPoint(contract.findings, request.operatingPoint)
      if (request.explain) requireExplainable(contract)
      return { model, contract, unknownClinicalNames, warnings }
    }
    passed.push(model.name)
    const missing = clinical.missing.join(', ')
    if (passed.includes(clinical.model)) {
      const expected = `expected a value of ${missing}, found none; the models that do without name each other`
      throw new SentinodeError('CLINICAL_MISSING', expected)
    }
    warnings.push({
      code: 'CLINICAL_OTHER_MODEL',
      message: `${missing} is missing; the contract of ${model.name} sends the exam to ${clinical.model}`,
    })
    model = models.get(clinical.model, '')
  }
}

function contractOf({ name, contract }: ServableModel): Contract {
  if (contract !== null) return contract
  throw new SentinodeError(
    'NOT_A_SCREENING_MODEL',
    `the model ${name} has no screening.yaml and takes no exams`,
  )
}

/** Where a mask lies is known once it is read. */
function kindOnly(region: ExamRequest['region']): Region | null {
  return region?.kind === 'mask' ? { kind: 'mask', low: [0, 0, 0], high: [0, 0, 0] } : region
}
