import test from 'ava'
import { systemClock } from '../../src/scheduling/clock.js'

const clock = systemClock()

test.serial('a timer never rings early, and not much later', async (t) => {
  for (const [precision, delay] of [
    ['fine', 0.3],
    ['fine', 7.5],
    ['coarse', 5.5],
  ] as const) {
    let late = Infinity
    // The machine may hold up one of them, and then another.
    for (let tries = 0; tries < 50 && late > 100; tries++) {
      const at = clock.now() + delay
      const rang = await new Promise<number>((resolve) =>
        clock.setTimer(at, () => resolve(clock.now()), precision),
      )
      t.true(rang >= at, `${precision} ${delay} rang ${at - rang} ms early`)
      late = rang - at
    }
    t.true(late <= 100, `${precision} ${delay} rang ${late} ms late`)
  }
})

test.serial('a timer in the past rings after the call that set it, once', async (t) => {
  let rings = 0
  clock.setTimer(clock.now() - 5, () => (rings += 1), 'fine')
  t.is(rings, 0)
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.is(rings, 1)
})

test.serial('a timer that was cancelled never rings, at whatever stage', async (t) => {
  let rings = 0
  const ring = (): void => void (rings += 1)
  for (const delay of [-1, 0.5, 1.5, 5, Infinity]) {
    const cancelAtOnce = clock.setTimer(clock.now() + delay, ring, 'fine')
    cancelAtOnce()
  }
  const cancelLater = clock.setTimer(clock.now() + 1500, ring, 'fine')
  await new Promise((resolve) => setTimeout(resolve, 5))
  cancelLater()
  await new Promise((resolve) => setTimeout(resolve, 1550))
  t.is(rings, 0)
})

test.serial('what is deferred runs after what this turn received, before timers', async (t) => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    setTimeout(() => {
      order.push('timer')
      resolve()
    }, 5)
    clock.defer(() => order.push('deferred'))
    process.nextTick(() => order.push('tick'))
    order.push('call')
  })
  t.deepEqual(order, ['call', 'tick', 'deferred', 'timer'])
})
