import { execFileSync } from 'node:child_process'
import { closeSync, fstatSync, ftruncateSync, readSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { apart, LAUNCHER, mapAndClose } from '../../src/apart/index.js'
import { temporaryFolder } from '../process/sentinode.js'

const addon = fileURLToPath(new URL('../../build/Release/sentinode_apart.node', import.meta.url))

test('memory is shared, keeps its size and is unmapped once', (t) => {
  const bytes = 3 * 4096
  const descriptor = apart().createMemory(bytes)
  const [one, two] = [apart().map(descriptor, bytes), apart().map(descriptor, bytes)]
  const [written, read] = [new Int32Array(one), new Int32Array(two)]
  t.true(read.every((word) => word === 0))
  written[1000] = 7
  t.is(read[1000], 7)
  t.throws(() => ftruncateSync(descriptor, 4096), { code: 'EPERM' })
  t.throws(() => ftruncateSync(descriptor, 2 * bytes), { code: 'EPERM' })
  closeSync(descriptor)
  apart().unmap(one)
  t.is(written.length, 0)
  t.notThrows(() => apart().unmap(one))
  t.is(read[1000], 7)
  apart().unmap(two)
  t.throws(() => apart().createMemory(0))
  t.throws(() => apart().map(999, 4096))
  t.throws(() => apart().unmap(new Uint8Array(4) as never))
  t.notThrows(() => apart().unmap(new ArrayBuffer(4)))
})

test('mappings beside one that was unmapped stay, wherever new ones come to lie', (t) => {
  const bytes = 64 * 1024
  const kept: Uint8Array[] = []
  for (let i = 0; i < 200; i++) {
    const buffer = mapAndClose(apart().createMemory(bytes), bytes)
    if (i % 2 === 0) apart().unmap(buffer)
    else kept.push(new Uint8Array(buffer).fill(i))
  }
  t.true(kept.every((view, i) => view.length === bytes && view[bytes - 1] === 2 * i + 1))
  for (const view of kept) apart().unmap(view.buffer as ArrayBuffer)
})

test('descriptors pass over a pair of sockets, in order, without waiting', (t) => {
  const [ours, theirs] = apart().socketPair()
  t.throws(() => apart().receive(theirs), { message: /temporarily unavailable/ })
  const sent = [10, 20].map((bytes) => apart().createMemory(bytes))
  for (const descriptor of sent) {
    apart().send(ours, descriptor)
    closeSync(descriptor)
  }
  const got = [apart().receive(theirs), apart().receive(theirs)]
  t.deepEqual(
    got.map((descriptor) => fstatSync(descriptor).size),
    [10, 20],
  )
  t.is(readSync(got[0]!, new Uint8Array(20)), 10)
  for (const descriptor of [...got, theirs, ours]) closeSync(descriptor)
  t.throws(() => apart().send(ours, 0))
})

/** What a process says that confines itself and then runs `attempts`, by name. */
function confined(attempts: Readonly<Record<string, string>>, folder: string): Record<string, string> {
  const script = `
    const addon = require(${JSON.stringify(addon)})
    const fs = require('node:fs'), net = require('node:net'), dgram = require('node:dgram')
    const http = require('node:http'), child = require('node:child_process')
    const folder = ${JSON.stringify(folder)}
    const once = (emitter, good) => new Promise((resolve) => {
      emitter.once(good, () => resolve('OK')); emitter.once('error', (error) => resolve(error.code))
    })
    const filtered = addon.confine(process.ppid, 2 ** 29)
    const attempts = { ${Object.entries(attempts)
      .map(([name, code]) => `${JSON.stringify(name)}: async () => ${code}`)
      .join(',\n')} }
    ;(async () => {
      const said = { filtered: String(filtered) }
      for (const [name, attempt] of Object.entries(attempts)) {
        said[name] = await attempt().then((value) => value ?? 'OK', (error) => error.code ?? error.message)
      }
      console.log(JSON.stringify(said))
      process.exit()
    })()`
  const env = { PATH: process.env['PATH'] }
  const args = [process.execPath, '-e', script]
  return JSON.parse(execFileSync(LAUNCHER, args, { encoding: 'utf8', env })) as never
}

test('a confined process reads files and computes, and does nothing else', (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  writeFileSync(`${folder.path}/file`, 'text')
  const said = confined(
    {
      read: "fs.readFileSync(folder + '/file', 'utf8')",
      list: 'fs.readdirSync(folder).join()',
      inflate: "require('node:zlib').inflateRawSync(require('node:zlib').deflateRawSync('x')).toString()",
      thread:
        "new Promise((resolve) => require('node:zlib').deflate('x', (error) => resolve(error?.code ?? 'OK')))",
      tcp: "once(net.connect(1, '127.0.0.1'), 'connect')",
      listen: "once(net.createServer().listen(0), 'listening')",
      unix: "once(net.connect('/tmp/none'), 'connect')",
      http: "once(http.get('http://127.0.0.1:1'), 'response')",
      program: "child.execFileSync('/bin/true')",
      fork: "once(child.fork(folder + '/file'), 'exit')",
      signal: "process.kill(process.ppid, 'SIGCONT') && 'OK'",
      write: "fs.writeFileSync(folder + '/file', 'other')",
      create: "fs.writeFileSync(folder + '/new', 'x')",
      remove: "fs.unlinkSync(folder + '/file')",
      rename: "fs.renameSync(folder + '/file', folder + '/other')",
      folder: "fs.mkdirSync(folder + '/deeper')",
      mode: "fs.chmodSync(folder + '/file', 0o777)",
      truncate: "fs.truncateSync(folder + '/file', 0)",
      memory: 'Buffer.alloc(2 ** 30).length',
    },
    folder.path,
  )
  const { read, list, inflate, thread, memory, filtered, ...refused } = said
  t.is(filtered, 'true')
  t.deepEqual([read, list, inflate, thread], ['text', 'file', 'x', 'OK'])
  t.regex(memory ?? '', /allocat|ERR_MEMORY/i)
  for (const [name, code] of Object.entries(refused)) t.regex(code, /^(EPERM|EACCES)$/, name)
})

test('a process confines itself to no parent that it does not have', (t) => {
  const script = `require(${JSON.stringify(addon)}).confine(1999999, 2 ** 30)`
  const error = t.throws(() => execFileSync(process.execPath, ['-e', script], { stdio: 'pipe' }))
  t.regex(error.message, /No such process/)
})
