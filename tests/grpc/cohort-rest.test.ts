import test from 'ava'
import { SentinodeError } from '../../src/errors.js'
import {
  ScreenCohortRequest,
  ScreeningOptions,
  type ScreenCohortResponse,
} from '../../src/generated/sentinode/v1/screening.js'
import { runCohort } from '../../src/grpc/services/cohort.js'
import type { ScreeningBackend } from '../../src/grpc/services/screening-backend.js'
import { StreamLedger } from '../../src/grpc/stream-ledger.js'
import { later } from './harness.js'

const IDLE_MS = 100
const SCREEN_MS = 600

/** Every exam takes its time and is then refused. */
const backend: ScreeningBackend = {
  begin: (_, { signal }) =>
    Promise.resolve({
      signal,
      append: () => Promise.resolve(),
      screen: async () => {
        await later(SCREEN_MS)
        throw new SentinodeError('NOT_DICOM', 'expected DICOM files, found none')
      },
      screenPlace: () => Promise.reject(new Error('no path was given')),
      abandon: () => undefined,
    }),
  onOutcome: () => undefined,
}

/** Runs a cohort whose client sends these messages and then nothing. */
function cohort(messages: readonly ScreenCohortRequest[]): {
  ended: Promise<void>
  responses: ScreenCohortResponse[]
} {
  const left = [...messages]
  const responses: ScreenCohortResponse[] = []
  const ended = runCohort({
    backend,
    messages: {
      next: () => (left.length > 0 ? Promise.resolve(left.shift()!) : new Promise(() => undefined)),
    },
    send: (response) => {
      responses.push(response)
      return Promise.resolve()
    },
    context: { requestId: 'r', deadline: Infinity, signal: new AbortController().signal },
    count: (_, exam) => exam,
    cohortWindow: 3,
    draining: new AbortController().signal,
    pace: { idleMs: IDLE_MS, leastRate: 1 },
    ledger: new StreamLedger(),
    statusCodes: 'sentinode',
    newRequestId: () => 'r',
    onFault: () => undefined,
  })
  return { ended, responses }
}

const message = (kind: ScreenCohortRequest['kind']): ScreenCohortRequest => ({
  ...ScreenCohortRequest.fromPartial({ sequence: 1n }),
  kind,
})

test('a cohort that begins no exam is given up', async (t) => {
  const { ended } = cohort([])
  await t.throwsAsync(ended, { message: /did not arrive in time/ })
})

test('one that waits for an answer is not, until it has that', async (t) => {
  const { ended, responses } = cohort([
    message({ $case: 'options', value: ScreeningOptions.fromPartial({ model: 'm' }) }),
    message({ $case: 'end', value: {} }),
  ])
  const begun = performance.now()
  await t.throwsAsync(ended, { message: /did not arrive in time/ })
  t.true(performance.now() - begun >= SCREEN_MS)
  t.is(responses.length, 1)
})
