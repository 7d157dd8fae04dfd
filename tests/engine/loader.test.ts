import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { builtAddon, loadAddon } from '../../src/engine/loader.js'
import { isSentinodeError } from '../../src/errors.js'

test('an addon that is not there, or is none, tells what to try', (t) => {
  const broken = join(mkdtempSync(join(tmpdir(), 'sentinode-loader-')), 'broken.node')
  writeFileSync(broken, 'no library')
  for (const path of [join(tmpdir(), 'nowhere.node'), broken]) {
    const error = t.throws(() => loadAddon({ addonPath: path, onnxruntimeLibrary: null }))
    t.true(isSentinodeError(error) && error.code === 'ADDON_NOT_FOUND')
    t.regex(error.message, /Possible solutions:\n {2}- .*/)
    t.false(error.message.includes(tmpdir()), 'no paths of the host')
  }
})

test('a path that is no ONNX Runtime library is a coded error', (t) => {
  t.throws(
    () =>
      loadAddon({
        addonPath: process.env['SENTINODE_ADDON'] ?? builtAddon(),
        onnxruntimeLibrary: '/nowhere/libonnxruntime.so',
      }),
    {
      name: 'SentinodeError',
      code: 'RUNTIME_NOT_FOUND',
    },
  )
})
