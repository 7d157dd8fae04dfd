import type { ScreeningBackend } from '../../grpc/services/screening-backend.js'
import { type ExamBudget, HELD_PER_BYTE } from '../../intake/index.js'
import type { ModelManager } from '../../models/lifecycle.js'
import { Exam } from './exam.js'
import { chooseRoute } from './route.js'
import type { Screening } from './screening.js'

export interface ScreeningBackendOptions {
  readonly models: ModelManager
  readonly screening: Screening
  readonly budget: ExamBudget
  /** Aborted, with the error that newcomers then get, when the daemon begins to drain. */
  readonly draining: AbortSignal
  readonly onOutcome: ScreeningBackend['onOutcome']
}

/** Exams as the screening service asks for them. */
export function screeningBackend(options: ScreeningBackendOptions): ScreeningBackend {
  const { models, screening, budget, draining } = options
  return {
    begin: async (request, context) => {
      draining.throwIfAborted()
      const route = chooseRoute(models, request)
      const abort = new AbortController()
      const wanted = {
        bytes: HELD_PER_BYTE * request.uploadBytes,
        announced: request.uploadBytes > 0,
        patient: context.patient,
        onEvict: (error: Error) => abort.abort(error),
      }
      const claim = context.patient
        ? await budget.openWhenRoom(wanted, AbortSignal.any([context.signal, draining]))
        : budget.open(wanted)
      try {
        const expected = route.model.expect(request.explain ? Infinity : 1)
        return new Exam(screening, request, context, route, { claim, expected, abort })
      } catch (error) {
        claim.release()
        throw error
      }
    },
    onOutcome: options.onOutcome,
  }
}
