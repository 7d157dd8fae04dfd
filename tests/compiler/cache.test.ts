import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type CompileCache, compileCached } from '../../src/compiler/cache.js'
import type { CompileOptions } from '../../src/compiler/compile.js'
import { ModelProto, TensorProto_DataLocation, encodeModel } from '../../src/compiler/onnx.js'
import { confinedResolver, noFiles } from '../../src/compiler/resolver.js'
import { ModelBuilder } from './lib/model.js'
import { Random } from './lib/random.js'

async function temporary(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

function model(seed = 1): ModelBuilder {
  const builder = new ModelBuilder()
  builder.input('x', ['N', 1, 3, 4, 4, 4])
  builder.node('Conv', ['x', builder.floats([2, 1, 3, 3, 3, 3], new Random(seed).values(162))], {}, 'y')
  builder.output('y')
  return builder
}

const PORTABLE: CompileOptions = { target: 'cpu-portable', resolve: noFiles }

test('a second compilation is read from the cache, and anything that can change it is another entry', async (t) => {
  const cache: CompileCache = {
    folder: join(await temporary(t), 'deep', 'cache'),
    onnxruntime: '1.30.0',
    onednn: '2.6.3',
  }
  const first = await compileCached(model().bytes, PORTABLE, cache)
  t.is((await stat(cache.folder)).mode & 0o777, 0o700)
  const written = (await stat(first.path!)).mtimeMs
  const again = await compileCached(model().bytes, PORTABLE, cache)
  t.deepEqual(again, first)
  t.is((await stat(again.path!)).mtimeMs, written)

  const others = await Promise.all([
    compileCached(model(2).bytes, PORTABLE, cache),
    compileCached(model().bytes, { ...PORTABLE, target: 'cuda' }, cache),
    compileCached(model().bytes, { ...PORTABLE, target: 'cpu' }, cache),
    compileCached(model().bytes, { ...PORTABLE, target: 'cpu', exactTaps: true }, cache),
    compileCached(model().bytes, { ...PORTABLE, target: 'cpu', precision: 'bf16' }, cache),
    compileCached(model().bytes, { ...PORTABLE, target: 'cpu', hints: [[3, 4, 4, 4]] }, cache),
    compileCached(model().bytes, PORTABLE, { ...cache, onnxruntime: '1.31.0' }),
    compileCached(model().bytes, PORTABLE, { ...cache, onednn: null }),
  ])
  t.is(new Set([first, ...others].map((o) => o.path)).size, 9)
  t.is((await readdir(cache.folder)).length, 9)
})

test('a damaged entry is made again: cut short, changed, or without its manifest', async (t) => {
  const cache: CompileCache = { folder: await temporary(t), onnxruntime: 'a', onednn: 'b' }
  await chmod(cache.folder, 0o700)
  const options = { ...PORTABLE, target: 'cpu' } as const
  const { path } = await compileCached(model().bytes, options, cache)
  const entry = dirname(path!)
  const names = await readdir(entry)
  t.true(names.some((name) => name.endsWith('.weights')))
  const whole = await Promise.all(names.map((name) => readFile(join(entry, name))))
  const damages = [
    (file: string) => rm(file),
    async (file: string) => writeFile(file, (await readFile(file)).subarray(1)),
    async (file: string) => {
      const bytes = await readFile(file)
      bytes[bytes.length >> 1]! ^= 1
      await writeFile(file, bytes)
    },
  ]
  for (const name of names) {
    for (const damage of damages) {
      await damage(join(entry, name))
      await compileCached(model().bytes, options, cache)
      const now = await Promise.all(names.map((other) => readFile(join(entry, other))))
      now.forEach((bytes, i) => t.deepEqual(bytes, whole[i]))
    }
  }
  t.deepEqual(await readdir(cache.folder), [entry.split('/').at(-1)!], 'no drafts are left')
})

test('daemons that share a cache and compile at the same moment agree', async (t) => {
  const cache: CompileCache = { folder: await temporary(t), onnxruntime: 'a', onednn: 'b' }
  const all = await Promise.all(
    Array.from({ length: 8 }, () => compileCached(model().bytes, PORTABLE, cache)),
  )
  t.is(new Set(all.map((c) => c.path)).size, 1)
  t.is((await readdir(cache.folder)).length, 1)
})

test('a cache folder that others may write to is refused', async (t) => {
  const folder = await temporary(t)
  const cache: CompileCache = { folder, onnxruntime: 'a', onednn: 'b' }
  for (const mode of [0o770, 0o707, 0o777]) {
    await chmod(folder, mode)
    await t.throwsAsync(compileCached(model().bytes, PORTABLE, cache), { code: 'CACHE_UNSAFE' })
  }
  const file = join(folder, 'file')
  await writeFile(file, '')
  await t.throwsAsync(compileCached(model().bytes, PORTABLE, { ...cache, folder: join(file, 'x') }), {
    code: 'INVALID_OPTION',
  })
})

test('what keeps a compiled model from being written is named', async (t) => {
  // A folder of our own in which nobody can make anything.
  const cache: CompileCache = { folder: '/proc/self/task', onnxruntime: 'a', onednn: 'b' }
  const error = await t.throwsAsync(compileCached(model().bytes, PORTABLE, cache), {
    code: 'CACHE_NOT_WRITTEN',
  })
  t.regex(error.message, /\(E[A-Z]+\)/)
  t.false(error.message.includes('/proc'), 'no path of the host in a message')
})

const ofAnother = process.getuid?.() === 0 ? test : test.skip
ofAnother('a cache folder of another user is refused', async (t) => {
  const folder = await temporary(t)
  const { chown } = await import('node:fs/promises')
  await chown(folder, 12345, 12345)
  t.teardown(() => chown(folder, 0, 0))
  await t.throwsAsync(compileCached(model().bytes, PORTABLE, { folder, onnxruntime: 'a', onednn: 'b' }), {
    code: 'CACHE_UNSAFE',
  })
})

/** The model with its weights in a file beside it. */
async function external(
  folder: string,
  location: string,
  entries: Record<string, string> = {},
): Promise<Uint8Array> {
  const proto = ModelProto.decode(model().bytes)
  const tensor = proto.graph!.initializer[0]!
  await writeFile(join(folder, 'weights.bin'), Buffer.concat([Buffer.alloc(16), tensor.rawData!]))
  const fields = { location, offset: '16', length: String(tensor.rawData!.length), ...entries }
  tensor.externalData = Object.entries(fields).map(([key, value]) => ({ key, value }))
  tensor.dataLocation = TensorProto_DataLocation.EXTERNAL
  tensor.rawData = undefined
  return encodeModel(proto)
}

test('external data is read through the resolver, goes into the key, and into the compiled model', async (t) => {
  const folder = await temporary(t)
  const cache: CompileCache = { folder: join(folder, 'cache'), onnxruntime: 'a', onednn: 'b' }
  const bytes = await external(folder, 'weights.bin')
  const options = { target: 'cpu-portable', resolve: confinedResolver(folder) } as const
  const first = await compileCached(bytes, options, cache)
  const inline = await compileCached(model().bytes, PORTABLE, cache)
  t.deepEqual(await readFile(first.path!), await readFile(inline.path!))
  const data = await readFile(join(folder, 'weights.bin'))
  data[20]! ^= 1
  await writeFile(join(folder, 'weights.bin'), data)
  t.not((await compileCached(bytes, options, cache)).path, first.path)
})

test('names that lead out of the model folder are refused, and missing or short files are named', async (t) => {
  const folder = await temporary(t)
  const inside = join(folder, 'model')
  await mkdir(join(inside, 'sub'), { recursive: true })
  await writeFile(join(folder, 'secret'), 'secret')
  await symlink('../secret', join(inside, 'link'))
  await symlink('sub', join(inside, 'sublink'))
  await symlink('..', join(inside, 'up'))
  await writeFile(join(inside, 'sub', 'file'), 'content')
  const resolve = confinedResolver(inside)
  for (const name of [
    '../secret',
    '/etc/hostname',
    'link',
    'up/secret',
    'sub/../../secret',
    'a\0b',
    '',
    'sub\\..\\..\\secret',
  ]) {
    const error = await t.throwsAsync(resolve.read(name), { code: 'FILE_OUTSIDE_MODEL' }, name)
    t.false(error.message.includes(folder), 'no path of the host in a message')
  }
  for (const name of ['nothing', 'sub']) await t.throwsAsync(resolve.read(name), { code: 'FILE_NOT_FOUND' })
  await t.throwsAsync(resolve.read('sub/file', { offset: 4, length: 9 }), { code: 'FILE_NOT_FOUND' })
  t.is(Buffer.from(await resolve.read('sub/file', { offset: 3, length: 2 })).toString(), 'te')
  t.is(Buffer.from(await resolve.read('sublink/file')).toString(), 'content')

  const attempts = [
    ['../model/weights.bin', {}, 'FILE_OUTSIDE_MODEL'],
    ['nothing.bin', {}, 'FILE_NOT_FOUND'],
    ['weights.bin', { length: '99999' }, 'FILE_NOT_FOUND'],
    ['weights.bin', { length: '-1' }, 'MODEL_INVALID'],
    ['weights.bin', { length: '600' }, 'MODEL_INVALID'],
  ] as const
  for (const [location, entries, code] of attempts) {
    const bytes = await external(inside, location, entries)
    const options = { target: 'cpu-portable', resolve } as const
    const cache = { folder: join(folder, 'cache'), onnxruntime: 'a', onednn: 'b' }
    await t.throwsAsync(
      compileCached(bytes, options, cache),
      { code },
      `${location} ${JSON.stringify(entries)}`,
    )
  }
})
