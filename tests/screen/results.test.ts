import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Outcome } from '../../src/cli/screen/outcome.js'
import { examAnswer } from '../../src/cli/screen/outcome.js'
import { Results } from '../../src/cli/screen/results.js'
import { temporaryFolder } from '../process/sentinode.js'
import { answer } from './fake-server.js'

const FRESH = { retryRefused: false }
const NAMES = ['one', '=1+1', 'with, "both"', 'dörte', 'refused']

function outcome(exam: string): Outcome {
  return exam === 'refused'
    ? { exam, error: { code: 'MISSING_SLICE', message: 'a slice is missing,\nhere' } }
    : examAnswer(exam, answer(), {})
}

async function write(path: string, names: readonly string[], options = FRESH): Promise<string[]> {
  const results = await Results.open(path, options)
  const todo = names.filter((name) => !results.has(name))
  for (const name of todo) await results.append(outcome(name))
  await results.close()
  return todo
}

for (const kind of ['jsonl', 'csv']) {
  test(`a ${kind} file cut anywhere is taken up without losing or repeating an exam`, async (t) => {
    const folder = temporaryFolder()
    t.teardown(folder.remove)
    const path = join(folder.path, `results.${kind}`)
    t.deepEqual(await write(path, NAMES), NAMES)
    const whole = readFileSync(path)
    let before = -1
    // Around every line end, and here and there between them.
    const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([at]) => at)
    const near = (size: number): boolean => ends.some((end) => Math.abs(size - end - 1) < 3)
    for (let size = 0; size <= whole.length; size++) {
      if (!near(size) && size % 97 !== 0) continue
      truncateSync(path, 0)
      writeFileSync(path, whole.subarray(0, size))
      const done = NAMES.length - (await write(path, NAMES)).length
      t.true(done >= before && done <= NAMES.length)
      before = done
      t.deepEqual(readFileSync(path), whole, `cut at ${size}`)
    }
    t.is(before, NAMES.length)
  })

  test(`refused exams of a ${kind} file are screened again where that is asked for`, async (t) => {
    const folder = temporaryFolder()
    t.teardown(folder.remove)
    const path = join(folder.path, `results.${kind}`)
    await write(path, NAMES)
    t.deepEqual(await write(path, NAMES), [])
    t.deepEqual(await write(path, NAMES, { retryRefused: true }), ['refused'])
    t.is(readFileSync(path, 'utf8').match(/MISSING_SLICE/g)?.length, 1)
  })
}

test('a file that is no results file is left alone', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  for (const [name, text] of [
    ['a.csv', 'exam,age\nx,5\n'],
    ['a.jsonl', 'hello\n'],
    ['b.jsonl', 'one line without an end'],
    ['c.jsonl', '{"exam":"a","findings":[]}\n{"other":1}\n'],
    ['b.csv', 'exam,age'],
    ['a.txt', ''],
  ] as const) {
    const path = join(folder.path, name)
    writeFileSync(path, text)
    await t.throwsAsync(Results.open(path, FRESH), { code: 'INVALID_OPTION' })
    t.is(readFileSync(path, 'utf8'), text)
  }
})
