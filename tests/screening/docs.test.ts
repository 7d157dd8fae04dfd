import { readFileSync } from 'node:fs'
import test from 'ava'
import { contractSchema } from '../../src/screening/contract/schema.js'
import { standards } from '../../src/screening/clinical/standards.js'
import { parseContract } from '../../src/screening/index.js'

const page = readFileSync(new URL('../../docs/screening.md', import.meta.url), 'utf8')

test('the contract on the documentation page is one', (t) => {
  const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  const contract = parseContract(example)
  t.is(contract.clinical?.variables.length, 5)
  const written = Object.keys(contractSchema.shape)
  for (const field of written)
    t.true(example.includes(`\n${field}:`) || example.startsWith(`${field}:`), field)
})

test('the documentation page names every standard variable and every warning', (t) => {
  for (const name of Object.keys(standards)) t.regex(page, new RegExp(`\\| \`${name}\` `))
  for (const code of [
    'CLINICAL_IMPUTED',
    'CLINICAL_DOUBTFUL',
    'CLINICAL_OTHER_MODEL',
    'REGION_CUT_OFF',
    'PARTLY_OUTSIDE',
  ])
    t.true(page.includes(`\`${code}\``))
})
