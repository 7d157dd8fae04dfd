import test from 'ava'
import { Slots } from '../../src/intake/index.js'

const never = new AbortController().signal

test('work that fails, and work that is given up, give their slot back', async (t) => {
  const slots = new Slots(1)
  const fault = new Error('fault')
  t.is(await t.throwsAsync(slots.during(never, () => Promise.reject(fault))), fault)
  t.is(
    await t.throwsAsync(
      slots.during(never, () => {
        throw fault
      }),
    ),
    fault,
  )
  const gone = AbortSignal.abort(new Error('gone'))
  await t.throwsAsync(
    slots.during(gone, () => Promise.resolve()),
    { message: 'gone' },
  )
  t.is(await slots.during(never, () => Promise.resolve(7)), 7)
})
