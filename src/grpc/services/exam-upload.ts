import { SentinodeError } from '../../errors.js'
import type { ExamPath, ScreenRequest } from '../../generated/sentinode/v1/screening.js'
import type { Messages, StreamContext } from '../stream-calls.js'
import { Patience } from '../patience.js'
import { interruptible } from '../waiting.js'
import type { BegunExam, ScreenedExam, ScreeningBackend } from './screening-backend.js'
import { decodeOptions } from './screening-codec.js'

/** How long an upload may rest in all, and the bytes a second that buy it another second of rest. */
export interface Pace {
  readonly idleMs: number
  readonly leastRate: number
}

/** The messages of one upload, of which no more rests are borne than its pace allows. */
export function paced<
  T extends { readonly kind?: { readonly $case: string; readonly value: unknown } | undefined },
>(
  messages: Messages<T>,
  { idleMs, leastRate }: Pace,
): (signals: readonly AbortSignal[]) => Promise<T | null> {
  const patience = new Patience(idleMs, leastRate)
  return async (signals) => {
    const asked = performance.now()
    const waiting = { signals, withinMs: patience.leftMs, late: uploadStalled }
    const message = await interruptible(messages.next(), waiting)
    patience.wait(performance.now() - asked)
    const { data } = (message?.kind?.value ?? {}) as { data?: Uint8Array }
    patience.moved(data?.byteLength ?? 0)
    return message
  }
}

/** The one exam of a Screen call. */
export async function receiveExam(
  backend: ScreeningBackend,
  messages: Messages<ScreenRequest>,
  { requestId: id, deadline, signal }: StreamContext,
  pace: Pace,
): Promise<ScreenedExam> {
  const next = paced(messages, pace)
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
  new SentinodeError('TRANSFER_TOO_SLOW', 'the rest of the exam did not arrive in time')
