import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { readExam } from '../../src/exam/read.js'
import { folderSource, memoryFile } from '../../src/exam/source.js'
import { assertPhantom } from './helpers.js'
import { acquired, exam } from './phantom.js'

async function ids(path: string): Promise<string[]> {
  const found: string[] = []
  for await (const file of folderSource(path).files()) found.push(file.id)
  return found
}

test('a folder gives the files below it in order, and no link that leads out', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'sentinode-'))
  try {
    const inside = join(root, 'exam')
    mkdirSync(join(inside, 'b', 'c'), { recursive: true })
    for (const name of ['z', 'a', 'b/c/x']) writeFileSync(join(inside, name), name)
    writeFileSync(join(root, 'secret'), 'secret')
    symlinkSync(join(root, 'secret'), join(inside, 'out'))
    symlinkSync(root, join(inside, 'up'))
    symlinkSync(join(inside, 'nowhere'), join(inside, 'broken'))
    symlinkSync('a', join(inside, 'in'))
    t.deepEqual(await ids(inside), ['a', 'b/c/x', 'in', 'z'])
    t.deepEqual(await ids(join(inside, 'a')), ['a'])
  } finally {
    rmSync(root, { recursive: true })
  }
})

test('a folder of a name that another one starts with is not inside it', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'sentinode-'))
  try {
    mkdirSync(join(root, 'exam'))
    mkdirSync(join(root, 'exam2'))
    writeFileSync(join(root, 'exam2', 'x'), 'x')
    symlinkSync(join(root, 'exam2', 'x'), join(root, 'exam', 'link'))
    t.deepEqual(await ids(join(root, 'exam')), [])
  } finally {
    rmSync(root, { recursive: true })
  }
})

test('headers are read without pixel data, and pixel data once', async (t) => {
  const padding = new Uint8Array(200_000)
  const files = exam({ frame: (phase) => ({ extra: [...acquired(phase), [0x00091001, 'OB', padding]] }) })
  let read = 0
  let open = 0
  const counted = files.map(({ id, bytes }) => {
    const file = memoryFile(id, bytes)
    return {
      ...file,
      async open() {
        const reader = await file.open()
        open++
        return {
          ...reader,
          async read(offset: number, length: number) {
            const got = await reader.read(offset, length)
            read += got.byteLength
            return got
          },
          close() {
            open--
            return reader.close()
          },
        }
      },
    }
  })
  async function* all(): AsyncGenerator<(typeof counted)[number]> {
    for (const file of counted) yield await Promise.resolve(file)
  }
  assertPhantom(t, await readExam({ files: all }), [0, 1, 2], 4)
  t.is(open, 0)
  t.true(read < files.length * 140_000, `${read} bytes were read`)
})
