import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { inSlices, runAtOnce, type Sliced } from '../../src/slices.js'

/** Holds the thread for `ms` in every one of `pieces`. */
function* busy(pieces: number, ms: number, done: () => void = () => undefined): Sliced<number> {
  for (let piece = 0; piece < pieces; piece++) {
    const end = performance.now() + ms
    while (performance.now() < end);
    yield
  }
  done()
  return pieces
}

test('short work is done at once, and its result does not wait for the event loop', async (t) => {
  let turned = false
  void setImmediate().then(() => (turned = true))
  const work = function* (): Sliced<string> {
    return 'done'
  }
  t.is(await inSlices(work()), 'done')
  t.false(turned)
  t.is(runAtOnce(work()), 'done')
})

/** Counts the turns of the event loop until `work` is done. */
async function turnsOf(work: Promise<unknown>, eachTurn: () => void = () => undefined): Promise<number> {
  const state = { done: false }
  void work.then(() => (state.done = true))
  for (let turns = 0; ; turns++) {
    if (state.done) return turns
    await setImmediate()
    eachTurn()
  }
}

test('the event loop turns while long work is done', async (t) => {
  // At most two pieces of 2 ms begin in one slice of 4 ms.
  const turns = await turnsOf(inSlices(busy(50, 2)))
  t.true(turns >= 20, `${turns} turns`)
})

test('long work does not hold up shorter work that came after it', async (t) => {
  const order: string[] = []
  const long = inSlices(busy(200, 1, () => order.push('long')))
  const short = inSlices(busy(3, 1, () => order.push('short')))
  await Promise.all([long, short])
  t.deepEqual(order, ['short', 'long'])
})

test('all work together takes one slice of a turn', async (t) => {
  let pieces = 0
  const work = function* (): Sliced<undefined> {
    for (const piece of busy(20, 1)) {
      pieces++
      yield piece
    }
  }
  const all = Promise.all(Array.from({ length: 16 }, () => inSlices(work())))
  pieces = 0
  let most = 0
  await turnsOf(all, () => {
    most = Math.max(most, pieces)
    pieces = 0
  })
  t.true(most <= 5, `${most} pieces of 1 ms in one turn`)
})

test('what the work throws is what the promise rejects with, at once or later', async (t) => {
  const fault = new Error('fault')
  const atOnce = function* (): Sliced<never> {
    throw fault
  }
  const later = function* (): Sliced<never> {
    yield
    throw fault
  }
  t.is(await t.throwsAsync(inSlices(atOnce())), fault)
  t.is(await t.throwsAsync(inSlices(later())), fault)
  t.is(
    t.throws(() => runAtOnce(later())),
    fault,
  )
})

test('work whose signal is aborted goes no further', async (t) => {
  const abort = new AbortController()
  const reason = new Error('the caller went away')
  let pieces = 0
  const work = function* (): Sliced<undefined> {
    for (;;) {
      if (++pieces === 3) abort.abort(reason)
      yield
    }
  }
  t.is(await t.throwsAsync(inSlices(work(), abort.signal)), reason)
  t.is(pieces, 3)
})
