import { readFileSync } from 'node:fs'
import test from 'ava'
import { ERRORS } from '../../src/errors.js'
import { REJECTIONS } from '../../src/exam/rejection.js'

const page = readFileSync(new URL('../../docs/exams.md', import.meta.url), 'utf8')
const volume = readFileSync(new URL('../../src/exam/volume.ts', import.meta.url), 'utf8')

/** First cells of the table under a heading. */
function rows(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  return [...section.matchAll(/^\| ([A-Z0-9_]+) +\|/gm)].map((match) => match[1] ?? '')
}

/** Members of a union of string literals in volume.ts. */
function union(name: string): string[] {
  const [, body = ''] = new RegExp(`export type ${name} =([^\\n]*(?:\\n  \\|[^\\n]*)*)`).exec(volume) ?? []
  return [...body.matchAll(/'([A-Z0-9_]+)'/g)].map((match) => match[1] ?? '')
}

test('every reason for a refusal is documented, in the order of precedence', (t) => {
  t.deepEqual(rows('Why an exam is refused'), [...REJECTIONS])
  for (const code of REJECTIONS) t.true(code in ERRORS)
})

test('every reason for leaving frames out is documented', (t) => {
  t.true(union('LeftOutReason').length > 5)
  t.deepEqual(rows('Which series').sort(), union('LeftOutReason').sort())
})

test('every warning is documented', (t) => {
  t.true(union('WarningCode').length > 5)
  t.deepEqual(rows('Warnings').sort(), union('WarningCode').sort())
})
