import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { ERRORS } from '../../src/errors.js'

const native = new URL('../../native/', import.meta.url)

/** Literals that a Status is made of, wherever the code is chosen: "INVALID_OPTION", "MODEL_INVALID". */
const CODE = /"([A-Z]+(?:_[A-Z]+)+|INTERNAL|DISPOSED|CANCELLED)"/g
/** Of the same shape, and no codes. */
const OTHERS = new Set(['ORT_API_VERSION', 'ORT_DISABLE_TELEMETRY'])

test('every error code that native code gives is one of src/errors.ts', (t) => {
  const found = new Map<string, string>()
  for (const file of readdirSync(native, { recursive: true, encoding: 'utf8' })) {
    if (!/^(?:core|binding)\/.*\.(?:cc|h)$/.test(file)) continue
    for (const [, code = ''] of readFileSync(new URL(file, native), 'utf8').matchAll(CODE))
      found.set(code, file)
  }
  t.true(found.has('MEMORY_LIMIT') && found.has('MODEL_RUN_FAILED'), 'the search finds codes')
  const unknown = [...found].filter(([code]) => !OTHERS.has(code) && !Object.hasOwn(ERRORS, code))
  t.deepEqual(unknown, [])
})
