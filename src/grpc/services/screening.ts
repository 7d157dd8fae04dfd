import { isSentinodeError, SentinodeError } from '../../errors.js'
import {
  ScreeningService,
  type ScreenCohortRequest,
  type ScreenCohortResponse,
  type ScreenPathRequest,
  type ScreenPathResponse,
  type ScreenRequest,
  type ScreenResponse,
} from '../../generated/sentinode/v1/screening.js'
import { unary } from '../call.js'
import { withDecoding } from '../codec.js'
import type { ServedService } from '../server.js'
import { bidirectional, clientStream, type StreamOptions } from '../stream-calls.js'
import { runCohort } from './cohort.js'
import { receiveExam, screenPlace, type Pace } from './exam-upload.js'
import type { ScreenedExam, ScreeningBackend } from './screening-backend.js'
import { decodeOptions, encodeAnswer } from './screening-codec.js'

export interface ScreeningServiceOptions extends StreamOptions {
  /** Streams at once; each may hold a few messages. */
  readonly maxStreams: number
  /** Exams of one cohort that are begun and not answered. */
  readonly cohortWindow: number
  /** Aborted, with the error that calls then get, when the server begins to drain. */
  readonly draining: AbortSignal
  /** An upload that rests for longer is given up. */
  readonly pace: Pace
}

/** `sentinode.v1.Screening`: decode, call, encode. */
export function screeningService(backend: ScreeningBackend, options: ScreeningServiceOptions): ServedService {
  let streams = 0
  /** Runs the handler of a stream, where there may be one more. */
  const bounded = async <T>(handler: () => Promise<T>): Promise<T> => {
    if (streams >= options.maxStreams) {
      const expected = `expected at most ${options.maxStreams} screening streams at once; retry later`
      throw new SentinodeError('QUEUE_FULL', expected)
    }
    streams++
    try {
      return await handler()
    } finally {
      streams--
    }
  }
  const count = <T>(id: string, exam: Promise<T>): Promise<T> => counted(backend, id, exam)
  return {
    name: 'sentinode.v1.Screening',
    definition: withDecoding(ScreeningService),
    implementation: {
      screen: clientStream<ScreenRequest, ScreenResponse>(async (messages, context) => {
        const upload = bounded(() => receiveExam(backend, messages, context, options.pace))
        return { answer: encodeAnswer(await count(context.requestId, upload)) }
      }, options),
      screenPath: unary<ScreenPathRequest, ScreenPathResponse>(async (request, context) => {
        const { requestId: id, deadline, signal } = context
        const exam = async (): Promise<ScreenedExam> => {
          const asked = { ...decodeOptions(request.options), uploadBytes: 0 }
          return screenPlace(
            await backend.begin(asked, { id, deadline, signal, patient: false }),
            request.exam,
          )
        }
        return { answer: encodeAnswer(await count(id, exam())) }
      }, options),
      screenCohort: bidirectional<ScreenCohortRequest, ScreenCohortResponse>(
        (messages, send, context) =>
          bounded(() => runCohort({ ...options, backend, messages, send, context, count })),
        options,
      ),
    },
  }
}

/** Told of how an exam ended, whatever kept it from being answered. */
async function counted<T>(backend: ScreeningBackend, id: string, exam: Promise<T>): Promise<T> {
  const begin = performance.now()
  const tell = (code: Parameters<ScreeningBackend['onOutcome']>[1]): void =>
    backend.onOutcome(id, code, (performance.now() - begin) / 1000)
  try {
    const screened = await exam
    tell('OK')
    return screened
  } catch (error) {
    tell(isSentinodeError(error) ? error.code : 'INTERNAL')
    throw error
  }
}
