import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { root, startDaemon } from './sentinode.js'

const inMemory = () => readdirSync('/dev/shm').filter((name) => name.startsWith('sentinode-'))

test('a model is served from memory where its compiled form cannot be written, and a warning says so', async (t) => {
  const before = new Set(inMemory())
  // A folder of the daemon's own in which nobody can make anything, as on a full disk.
  const daemon = await startDaemon(['--models', join(root, 'models'), '--cache-dir', '/proc/self/task'])
  t.teardown(() => daemon.child.kill('SIGKILL'))
  const response = await fetch(`http://${daemon.metrics}/readyz`)
  t.is(response.status, 200)
  const { stdout, stderr } = daemon.output()
  t.regex(stderr, /"state":"READY","reason":"","model":"lymph4d"/)
  t.is(
    (stdout + stderr).match(/could not be written to the cache folder \(\w+\)/g)?.length,
    1,
    'warned of once',
  )
  const made = inMemory().filter((name) => !before.has(name))
  const { code } = await daemon.stop()
  t.is(code, 0)
  for (const name of made) t.false(inMemory().includes(name), 'and nothing stays in memory')
})
