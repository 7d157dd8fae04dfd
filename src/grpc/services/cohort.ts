import type {
  ScreenCohortRequest,
  ScreenCohortResponse,
  ScreeningOptions,
} from '../../generated/sentinode/v1/screening.js'
import { isRetryable } from '../../errors.js'
import { Slots } from '../../intake/index.js'
import { toCoded } from '../status.js'
import type { Messages, Send, StreamContext, StreamOptions } from '../stream-calls.js'
import { interruptible } from '../waiting.js'
import { invalid, paced, screenPlace, uploadStalled, type Pace } from './exam-upload.js'
import type { BegunExam, ScreenedExam, ScreeningBackend } from './screening-backend.js'
import { decodeOptions, encodeAnswer } from './screening-codec.js'

export interface CohortOptions extends StreamOptions {
  readonly backend: ScreeningBackend
  readonly messages: Messages<ScreenCohortRequest>
  readonly send: Send<ScreenCohortResponse>
  readonly context: StreamContext
  /** Wraps an exam to tell how it ends. */
  readonly count: <T>(id: string, exam: Promise<T>) => Promise<T>
  readonly cohortWindow: number
  readonly draining: AbortSignal
  readonly pace: Pace
}

/**
 * The exams of a cohort, uploaded one after the other, screened as many at once as the daemon does, answered
 * in the order in which they began. No message is read while `cohortWindow` exams wait for their answer, or
 * for it to be read. What is wrong with one exam is its answer; what is wrong with the stream ends it, after
 * the answers to the exams before.
 */
export async function runCohort(options: CohortOptions): Promise<void> {
  const cohort = new Cohort(options)
  const failure = await cohort.read().then(
    () => null,
    (error: unknown) => error as Error,
  )
  await cohort.answered
  if (failure !== null) throw failure
}

class Cohort {
  answered: Promise<void> = Promise.resolve()
  readonly #window: Slots
  #sequence: bigint | null = null

  constructor(private readonly options: CohortOptions) {
    this.#window = new Slots(options.cohortWindow)
  }

  /** Resolves at the end of the stream; rejects with why it was not read to its end. */
  async read(): Promise<void> {
    const { messages, context, draining } = this.options
    const unlessDraining = <T>(promise: Promise<T>): Promise<T> =>
      interruptible(promise, { signals: [draining], withinMs: Infinity, late: uploadStalled })
    for (;;) {
      const leave = await unlessDraining(this.#window.take(context.signal))
      const message = await unlessDraining(this.#next(messages))
      if (message === null) return
      const { sequence, kind } = message
      if (kind?.$case !== 'options')
        throw invalid('expected the options of the next exam, found something else')
      if (this.#sequence !== null && sequence !== this.#sequence + 1n) {
        throw invalid('expected exams to be counted up by one, found another number')
      }
      this.#sequence = sequence
      const id = this.options.newRequestId()
      const uploaded = this.#receive(id, sequence, kind.value)
      // Begun now, so that answers keep the order; the stream is read on when the upload is complete.
      this.#answer(id, sequence, uploaded, leave)
      await uploaded
    }
  }

  /** A cohort that has all its answers and begins no exam is given up: it holds a place that another could have. */
  #next(messages: Messages<ScreenCohortRequest>): Promise<ScreenCohortRequest | null> {
    const next = messages.next()
    const waiting = { signals: [], withinMs: this.options.pace.idleMs, late: uploadStalled }
    return Promise.race([next, this.answered.then(() => interruptible(next, waiting))])
  }

  /**
   * Reads an exam's messages to their end, whatever happens to the exam itself: that is what `screened`
   * rejects with. Rejects where the stream is broken.
   */
  async #receive(
    id: string,
    sequence: bigint,
    options: ScreeningOptions,
  ): Promise<{ screened: Promise<ScreenedExam> }> {
    const { backend, context, messages, pace } = this.options
    const next = paced(messages, pace)
    const state: { exam: BegunExam | null; failure: Error | null } = { exam: null, failure: null }
    const fail = (error: Error): void => {
      state.failure ??= error
      state.exam?.abandon(error)
    }
    /** Does something with the exam, unless it has failed already. */
    const attempt = <T>(step: (exam: BegunExam) => Promise<T>): Promise<T> =>
      state.exam === null || state.failure !== null
        ? Promise.reject(state.failure ?? invalid('expected options first, found none'))
        : step(state.exam)
    try {
      const { deadline, signal } = context
      state.exam = await backend.begin(decodeOptions(options), { id, deadline, signal, patient: true })
    } catch (error) {
      fail(error as Error)
    }
    try {
      for (;;) {
        const message = await next([])
        if (message === null) throw invalid('expected the end of the exam, found the end of the stream')
        if (message.sequence !== sequence)
          throw invalid('expected a message of the exam that has begun, found another')
        const { kind } = message
        if (kind?.$case === 'chunk') {
          const { file, data } = kind.value
          await attempt((exam) => exam.append(file, data)).catch(fail)
        } else if (kind?.$case === 'end') return settled(attempt((exam) => exam.screen()))
        else if (kind?.$case === 'path') {
          const place = kind.value
          return settled(attempt((exam) => screenPlace(exam, place)))
        } else throw invalid('expected a chunk, a path or the end of the exam, found something else')
      }
    } catch (error) {
      fail(error as Error)
      throw error
    }
  }

  #answer(
    id: string,
    sequence: bigint,
    uploaded: Promise<{ screened: Promise<ScreenedExam> }>,
    leave: () => void,
  ): void {
    const { count, send } = this.options
    const exam = count(
      id,
      uploaded.then(({ screened }) => screened),
    )
    const response = exam.then(
      (screened): ScreenCohortResponse => ({
        sequence,
        kind: { $case: 'answer', value: encodeAnswer(screened) },
      }),
      (error: unknown) => this.#refusal(id, sequence, error),
    )
    const before = this.answered
    this.answered = before.then(async () => {
      // An exam that broke the stream is answered by the stream's end.
      if (
        await uploaded.then(
          () => true,
          () => false,
        )
      )
        await send(await response)
      leave()
    })
    this.answered.catch(() => undefined)
  }

  #refusal(id: string, sequence: bigint, error: unknown): ScreenCohortResponse {
    const { code, message } = toCoded(error, id)
    if (code === 'INTERNAL') this.options.onFault(error, id)
    return { sequence, kind: { $case: 'error', value: { code, message, retryable: isRetryable(code) } } }
  }
}

/** Wrapped, so that awaiting the upload does not await the answer. */
function settled(screened: Promise<ScreenedExam>): { screened: Promise<ScreenedExam> } {
  screened.catch(() => undefined)
  return { screened }
}
