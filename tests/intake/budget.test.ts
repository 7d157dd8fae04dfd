import { testProp, fc } from '@fast-check/ava'
import test, { type ExecutionContext } from 'ava'
import { isSentinodeError, type ErrorCode, type SentinodeError } from '../../src/errors.js'
import { ExamBudget, type Claim, type ClaimOptions, type ClaimState } from '../../src/intake/index.js'

const never = new AbortController().signal

interface Exam {
  readonly claim: Claim
  readonly evicted: () => boolean
}

/** An exam that lets go at once when it has to give way. */
function open(budget: ExamBudget, options: Partial<ClaimOptions> = {}): Exam {
  let evicted = false
  const claim = budget.open({
    bytes: 0,
    announced: false,
    patient: false,
    onEvict: () => {
      evicted = true
      claim.release()
    },
    ...options,
  })
  return { claim, evicted: () => evicted }
}

async function rejectsWith(t: ExecutionContext, call: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await t.throwsAsync(call)
  t.is(isSentinodeError(error) ? error.code : error, code)
}

function refusedWith(t: ExecutionContext, call: () => unknown, code: ErrorCode): void {
  const error = t.throws(call)
  t.is(isSentinodeError(error) ? error.code : error, code)
}

/** Whether a promise is still open after everything that could settle it has run. */
async function isOpen(promise: Promise<unknown>): Promise<boolean> {
  const marker = Symbol('open')
  const first = Promise.race([promise.catch(() => undefined), new Promise((r) => setImmediate(r, marker))])
  return (await first) === marker
}

test('an announced exam that does not fit is refused at once, one that never could as too large', (t) => {
  const budget = new ExamBudget(100)
  open(budget, { bytes: 60, announced: true })
  refusedWith(t, () => open(budget, { bytes: 60, announced: true }), 'EXAM_STORE_FULL')
  refusedWith(t, () => open(budget, { bytes: 101, announced: true }), 'EXAM_TOO_LARGE')
  t.is(budget.used, 60)
  t.is(budget.exams, 1)
})

test('of uploads that outgrow the budget the oldest is finished and the youngest gives way', async (t) => {
  const budget = new ExamBudget(100)
  const [first, second, third] = [open(budget), open(budget), open(budget)]
  for (const { claim } of [first, second, third]) await claim.grow(30, never)
  await first.claim.grow(30, never)
  t.deepEqual(
    [first, second, third].map((exam) => exam.evicted()),
    [false, false, true],
  )
  await rejectsWith(t, second.claim.grow(30, never), 'EXAM_STORE_FULL')
  second.claim.release()
  await first.claim.grow(40, never)
  t.is(budget.used, 100)
})

test('an upload that was announced never gives way to another', async (t) => {
  const budget = new ExamBudget(100)
  const grows = open(budget, { bytes: 40 })
  const announced = open(budget, { bytes: 60, announced: true })
  await rejectsWith(t, grows.claim.grow(1, never), 'EXAM_STORE_FULL')
  t.false(announced.evicted())
})

test('room that is kept for what does not come is given to others after a while; what has come stays', async (t) => {
  let now = 0
  const budget = new ExamBudget(100, () => now)
  const slow = open(budget, { bytes: 100, announced: true })
  slow.claim.fill(10)
  refusedWith(t, () => open(budget, { bytes: 60, announced: true }), 'EXAM_STORE_FULL')
  now = 10_000
  const honest = open(budget, { bytes: 60, announced: true })
  t.is(budget.used, 70)
  t.is(slow.claim.bytes, 10)
  // It goes on as an upload that announced nothing does.
  await slow.claim.grow(30, never)
  await rejectsWith(t, slow.claim.grow(10, never), 'EXAM_STORE_FULL')
  t.false(honest.evicted())
  slow.claim.release()
  honest.claim.release()
  t.is(budget.used, 0)
})

test('a complete exam waits for those at work, and gets its room when they are done', async (t) => {
  const budget = new ExamBudget(100)
  const [busy, complete] = [open(budget, { bytes: 60 }), open(budget, { bytes: 40 })]
  busy.claim.state = 'working'
  complete.claim.state = 'working'
  const grown = complete.claim.grow(20, never)
  t.true(await isOpen(grown))
  const state = (): ClaimState => complete.claim.state
  t.is(state(), 'waiting')
  busy.claim.shrinkTo(30)
  await grown
  t.is(state(), 'working')
  t.is(budget.used, 90)
})

test('when every exam is complete and waits for another, the youngest gives way', async (t) => {
  const budget = new ExamBudget(100)
  const exams = [open(budget, { bytes: 40 }), open(budget, { bytes: 30 }), open(budget, { bytes: 30 })]
  for (const { claim } of exams) claim.state = 'waiting'
  const [first] = exams
  first!.claim.state = 'working'
  await first!.claim.grow(50, never)
  t.deepEqual(
    exams.map((exam) => exam.evicted()),
    [false, true, true],
  )
  t.is(budget.used, 90)
})

test('the last of those that wait for each other is refused itself', async (t) => {
  const budget = new ExamBudget(100)
  const [older, younger] = [open(budget, { bytes: 50 }), open(budget, { bytes: 50 })]
  older.claim.state = 'waiting'
  younger.claim.state = 'working'
  await rejectsWith(t, younger.claim.grow(10, never), 'EXAM_STORE_FULL')
  t.false(older.evicted())
})

test('a patient upload waits for those at work; an impatient one gives way', async (t) => {
  const budget = new ExamBudget(100)
  const busy = open(budget, { bytes: 90 })
  busy.claim.state = 'working'
  const [patient, impatient] = [open(budget, { patient: true }), open(budget)]
  await rejectsWith(t, impatient.claim.grow(20, never), 'EXAM_STORE_FULL')
  impatient.claim.release()
  const grown = patient.claim.grow(20, never)
  t.true(await isOpen(grown))
  busy.claim.release()
  await grown
})

test('who waits to begin comes after those that have begun, in order, and nobody overtakes', async (t) => {
  const budget = new ExamBudget(100)
  const busy = open(budget, { bytes: 90 })
  busy.claim.state = 'working'
  const options = { announced: true, patient: true, onEvict: () => undefined }
  const order: string[] = []
  const second = budget.openWhenRoom({ ...options, bytes: 50 }, never).then((c) => (order.push('50'), c))
  const third = budget.openWhenRoom({ ...options, bytes: 5 }, never).then((c) => (order.push('5'), c))
  refusedWith(t, () => open(budget, { bytes: 1 }), 'EXAM_STORE_FULL')
  t.true(await isOpen(third))
  const grown = busy.claim.grow(5, never).then(() => order.push('grown'))
  await grown
  busy.claim.release()
  await Promise.all([second, third])
  t.deepEqual(order, ['grown', '50', '5'])
})

test('who stops waiting leaves no trace', async (t) => {
  const budget = new ExamBudget(100)
  const busy = open(budget, { bytes: 90 })
  busy.claim.state = 'working'
  const abort = new AbortController()
  const options = { announced: true, patient: true, onEvict: () => undefined }
  const waiting = budget.openWhenRoom({ ...options, bytes: 50 }, abort.signal)
  const behind = budget.openWhenRoom({ ...options, bytes: 10 }, never)
  t.true(await isOpen(behind))
  abort.abort(new Error('gone'))
  await t.throwsAsync(waiting, { message: 'gone' })
  await behind
  t.is(budget.used, 100)
})

testProp(
  'whatever exams do, the budget is kept, nobody waits for ever, and all of it comes back',
  [
    fc.array(
      fc.record({ size: fc.nat(60), extra: fc.nat(80), announced: fc.boolean(), patient: fc.boolean() }),
      { maxLength: 20 },
    ),
    fc.infiniteStream(fc.nat(3)),
  ],
  async (t, exams, delays) => {
    const budget = new ExamBudget(100)
    const pause = async (): Promise<void> => {
      const turns = delays.next().value as number
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
      t.true(budget.used <= budget.capacity)
    }
    /** The way of an exam: upload in two steps, then more for its pixels, then done. */
    const way = async ({ size, extra, announced, patient }: (typeof exams)[number]): Promise<string> => {
      const abort = new AbortController()
      const onEvict = (error: SentinodeError): void => abort.abort(error)
      const options = { bytes: announced ? size : 0, announced, patient, onEvict }
      await pause()
      let claim: Claim | null = null
      try {
        claim = patient ? await budget.openWhenRoom(options, abort.signal) : budget.open(options)
        for (const step of announced ? [] : [Math.floor(size / 2), size - Math.floor(size / 2)]) {
          await pause()
          abort.signal.throwIfAborted()
          await claim.grow(step, abort.signal)
        }
        claim.state = 'waiting'
        await pause()
        abort.signal.throwIfAborted()
        claim.state = 'working'
        await claim.grow(extra, abort.signal)
        await pause()
        abort.signal.throwIfAborted()
        return 'OK'
      } catch (error) {
        if (isSentinodeError(error)) return error.code
        throw error
      } finally {
        claim?.release()
      }
    }
    const outcomes = await Promise.all(exams.map(way))
    t.is(budget.used, 0)
    t.is(budget.exams, 0)
    exams.forEach(({ size, extra }, i) => {
      if (size + extra > 100) t.is(outcomes[i] === 'OK', false)
      else t.true(['OK', 'EXAM_STORE_FULL'].includes(outcomes[i] ?? ''), outcomes[i])
    })
    const possible = exams.filter(({ size, extra }) => size + extra <= 100)
    if (possible.length > 0 && possible.length === exams.length)
      t.true(outcomes.includes('OK'), 'somebody always gets through')
  },
  { numRuns: 300, interruptAfterTimeLimit: 20_000, timeout: 5_000 },
)
