import test from 'ava'
import { watchedDaemon } from './held.js'
import { HOSTILE } from './hostile-messages.js'
import { residentBytes, temporaryFolder } from './sentinode.js'

const BYTES = 8 * 2 ** 20
/** Twice what is promised: a garbage collection may fall into a turn. Decoded as they come, these take seconds. */
const LONGEST_MS = 100
const LARGEST_GROWTH = 256 * 2 ** 20

test('no message holds the event loop, and everybody is answered after it', async (t) => {
  t.timeout(280_000)
  const folder = temporaryFolder()
  const watched = await watchedDaemon(folder.path)
  t.teardown(async () => {
    await watched.stop()
    folder.remove()
  })
  const before = residentBytes(watched.daemon)
  for (const { title, path, make } of HOSTILE) {
    const message = make(BYTES)
    const { error, heldMs } = await watched.send(path, message)
    t.truthy(error, title)
    t.true(heldMs < LONGEST_MS, `${title}: ${heldMs} ms`)
  }
  t.true(residentBytes(watched.daemon) - before < LARGEST_GROWTH)
  const { error } = await watched.send('/grpc.health.v1.Health/Check', Buffer.alloc(0))
  t.is(error, null)
})
