import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { sentinode, temporaryFolder } from '../process/sentinode.js'

/** SHA-256 of every file of a folder, by its path. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const hashes = files.map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return [
      path.slice(folder.length + 1),
      createHash('sha256').update(readFileSync(path)).digest('hex'),
    ] as const
  })
  return Object.fromEntries(hashes.sort())
}

test('a cohort is the same whatever the number of threads, and an exam the same by itself', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const simulate = async (name: string, ...args: string[]) => {
    const out = join(folder.path, name)
    const run = await sentinode(['simulate', '--seed', '5', '--masks', '--out', out, ...args]).finished
    t.is(run.code, 0, run.stderr)
    return contents(out)
  }
  const one = await simulate('one', '--exams', '3', '--jobs', '1')
  const two = await simulate('two', '--exams', '3', '--jobs', '2')
  t.deepEqual(two, one)
  t.is(Object.keys(one).length, 3 + 3 + 4)
  const alone = await simulate('alone', '--exams', '1', '--first', '2')
  for (const kind of ['exams', 'masks']) {
    const path = `${kind}/sim-00002.nii.gz`
    t.is(alone[path], one[path])
  }
})

test('what is asked for wrongly is refused before anything is written', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  for (const args of [
    [],
    ['--out', folder.path, '--exams', '0'],
    ['--out', folder.path, '--seed', 'x'],
    ['--out', folder.path, '--format', 'png'],
    ['--out', new URL('.', import.meta.url).pathname],
  ]) {
    const run = await sentinode(['simulate', ...args]).finished
    t.is(run.code, 2, args.join(' '))
  }
  t.deepEqual(readdirSync(folder.path), [])
})
