import { readFileSync } from 'node:fs'
import test from 'ava'
import { byteSize } from '../../src/config/units.js'
import { settingKeys, settings } from '../../src/config/schema.js'

test('the table of settings has every setting with its default and meaning, and no other', (t) => {
  const text = readFileSync(new URL('../../docs/serving.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `([a-z-]+)`\s*\| (.*?)\s*\| (.*?)\s*\|$/gm)]
  t.deepEqual(
    rows.map(([, key]) => key),
    [...settingKeys],
  )
  for (const [i, key] of settingKeys.entries()) {
    const [, , shown, meaning] = rows[i]!
    const standard: unknown = settings[key].parse(undefined)
    if (standard === null || Array.isArray(standard)) t.is(shown, '', key)
    else if (typeof standard === 'number' && /^\d+[KMG]iB$/.test(shown!))
      t.is(byteSize.parse(shown), standard, key)
    else t.is(shown, String(standard as string | number | boolean), key)
    t.is(meaning, settings[key].description, key)
  }
})
