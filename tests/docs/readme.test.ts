import test from 'ava'
import { readFileSync } from 'node:fs'
import { ERRORS } from '../../src/errors.js'

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

test('the README lists every error code with its status and meaning, and no other', (t) => {
  const section = /<!-- errors -->\n\n([\s\S]*?)\n\n?<!-- \/errors -->/.exec(readme)?.[1] ?? ''
  const rows = [...section.matchAll(/^\| +`([A-Z0-9_]+)` +\| +([A-Z_]+) +\| +(.+?) +\|$/gm)].map(
    ([, code, status, meaning]) => [code, status, meaning],
  )
  const expected = Object.entries(ERRORS).map(([code, { status, meaning }]) => [
    code,
    status,
    meaning.replaceAll('|', '\\|'),
  ])
  t.deepEqual(rows, expected)
})
