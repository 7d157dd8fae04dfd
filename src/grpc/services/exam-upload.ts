import { SentinodeError } from '../../errors.js'
import type { ExamPath, ScreenRequest } from '../../generated/sentinode/v1/screening.js'
import type { Messages, StreamContext } from '../stream-calls.js'
import { interruptible } from '../waiting.js'
import type { BegunExam, ScreenedExam, ScreeningBackend } from './screening-backend.js'
import { decodeOptions } from './screening-codec.js'

/** The one exam of a Screen call. */
export async function receiveExam(
  backend: ScreeningBackend,
  messages: Messages<ScreenRequest>,
  { requestId: id, deadline, signal }: StreamContext,
  idleMs: number,
): Promise<ScreenedExam> {
  const next = (own: readonly AbortSignal[]): Promise<ScreenRequest | null> =>
    interruptible(messages.next(), { signals: own, withinMs: idleMs, late: uploadStalled })
  const first = await next([])
  if (first?.kind?.$case !== 'options') throw invalid('expected options first, found none')
  const exam = await backend.begin(decodeOptions(first.kind.value), { id, deadline, signal, patient: false })
  try {
    for (let message = await next([exam.signal]); message !== null; message = await next([exam.signal])) {
      if (message.kind?.$case !== 'chunk')
        throw invalid('expected chunks after the options, found something else')
      await exam.append(message.kind.value.file, message.kind.value.data)
    }
  } catch (error) {
    exam.abandon(error)
    throw error
  }
  return exam.screen()
}

/** The exam on the server that a request names. */
export function screenPlace(exam: BegunExam, place: ExamPath | undefined): Promise<ScreenedExam> {
  if (place !== undefined) return exam.screenPlace(place.root, place.path)
  const error = invalid('expected the root and the path of an exam, found none')
  exam.abandon(error)
  return Promise.reject(error)
}

export const invalid = (message: string): SentinodeError => new SentinodeError('INVALID_REQUEST', message)

export const uploadStalled = (): SentinodeError =>
  new SentinodeError('DEADLINE_EXCEEDED', 'the rest of the exam did not arrive')
