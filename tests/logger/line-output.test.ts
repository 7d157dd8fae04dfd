import test from 'ava'
import { LineOutput } from '../../src/line-output.js'

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** A descriptor that takes `room` bytes, then fails with `code`. */
function descriptor(): { room: number; code: string; text: string; write: (bytes: Uint8Array) => number } {
  const it = {
    room: Infinity,
    code: 'EAGAIN',
    text: '',
    write: (bytes: Uint8Array): number => {
      if (it.room === 0) throw failure(it.code)
      const written = Math.min(it.room, bytes.length)
      it.text += Buffer.from(bytes.subarray(0, written)).toString()
      it.room -= written
      return written
    },
  }
  return it
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('lines are written at once and in order', (t) => {
  const to = descriptor()
  const output = new LineOutput(2, { write: to.write })
  for (const line of ['one\n', 'zwei ä\n', 'three\n']) output.write(line)
  t.is(to.text, 'one\nzwei ä\nthree\n')
  t.is(output.lost, 0)
})

test('a reader that has stopped costs the lines beyond the buffer, and gets the others when it goes on', async (t) => {
  const to = descriptor()
  const output = new LineOutput(2, { write: to.write, maxBuffered: 12 })
  to.room = 2
  for (const line of ['one\n', 'two\n', 'three\n', 'four\n']) output.write(line)
  t.is(to.text, 'on')
  t.is(output.lost, 1, 'one of the four does not fit into twelve bytes')
  to.room = Infinity
  // The timer of the next attempt keeps no process alive, this test does.
  await until(() => to.text.endsWith('\n'))
  t.is(to.text, 'one\ntwo\nthree\n')
  output.write('five\n')
  t.is(to.text, 'one\ntwo\nthree\nfive\n')
})

for (const code of ['EPIPE', 'ENOSPC', 'EIO']) {
  test(`${code} costs the lines that meet it, and lines never run into each other`, (t) => {
    const to = descriptor()
    const output = new LineOutput(2, { write: to.write })
    Object.assign(to, { room: 3, code })
    for (const line of ['torn off\n', 'lost\n']) output.write(line)
    t.is(output.lost, 2)
    to.room = Infinity
    for (const line of ['again\n', 'and again\n']) output.write(line)
    t.is(to.text, 'tor\nagain\nand again\n')
    t.is(output.lost, 2)
  })
}

test('the end of the process waits a moment for a reader, and not for ever', (t) => {
  const to = descriptor()
  const output = new LineOutput(2, { write: to.write })
  to.room = 0
  output.write('last words\n')
  const begin = performance.now()
  output.finish()
  t.true(performance.now() - begin < 5000)
  t.is(to.text, '')
  to.room = Infinity
  output.finish()
  t.is(to.text, 'last words\n')
})
