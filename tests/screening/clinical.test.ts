import test from 'ava'
import fc from 'fast-check'
import { isSentinodeError } from '../../src/errors.js'
import { readClinical, type ClinicalRecord, type ClinicalValue } from '../../src/screening/clinical/read.js'
import { standards, type StandardName } from '../../src/screening/clinical/standards.js'
import { resolveVariable, type Variable } from '../../src/screening/clinical/variables.js'

const noEncoding = { subtract: 0, divide: 1 }
const standard = (name: StandardName): Variable =>
  resolveVariable({ name, standard: name, aliases: [], missing: { policy: 'refuse' }, encode: noEncoding })

const five = (['age', 'er', 'her2', 'ki67', 'grade'] as const).map(standard)
const good: ClinicalRecord = { age: 54, er: 'positive', her2: 'negative', ki67: 20, grade: 2 }

function read(name: StandardName, value: ClinicalValue): number {
  const result = readClinical([standard(name)], { [name]: value })
  return result.kind === 'values' ? (result.vector[0] ?? NaN) : NaN
}

function refusal(record: ClinicalRecord, variables = five): string {
  try {
    readClinical(variables, record)
  } catch (error) {
    if (isSentinodeError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return ''
}

const accepted: [StandardName, ClinicalValue, number][] = [
  ['age', 54, 54],
  ['age', '54', 54],
  ['age', '054Y', 54],
  ['age', ' 54.5 years ', 54.5],
  ['er', 'Positive', 1],
  ['er', 'ER+', 1],
  ['er', true, 1],
  ['er', 0, 0],
  ['er', '1.0', 1],
  ['er', 'neg', 0],
  ['her2', '3+', 1],
  ['her2', 'IHC 1+', 0],
  ['her2', '0', 0],
  ['her2', false, 0],
  ['her2', 'FISH  positive', 1],
  ['ki67', 20, 20],
  ['ki67', '20 %', 20],
  ['ki67', '0.5 %', 0.5],
  ['ki67', 0, 0],
  ['ki67', 100, 100],
  ['grade', 2, 2],
  ['grade', 'G3', 3],
  ['grade', 'III', 3],
  ['grade', '1.0', 1],
]
for (const [name, value, expected] of accepted) {
  test(`${name} given as ${JSON.stringify(value)} is ${expected}`, (t) => {
    t.is(read(name, value), expected)
  })
}

const mistaken: [StandardName, ClinicalValue, RegExp][] = [
  ['ki67', 0.2, /as a fraction would be; send percent/],
  ['ki67', '.14', /as a fraction would be; send percent/],
  ['ki67', '15-20', /found a range/],
  ['ki67', '<5', /found a bound/],
  ['ki67', '12,5', /comma in a number/],
  ['ki67', 'high', /found a class; send percent/],
  ['ki67', 140, /expected a number in percent from 0 to 100, found a number outside/],
  ['ki67', -1, /outside/],
  ['her2', '2+', /equivocal result \(IHC 2\+\).*in-situ hybridisation/],
  ['her2', 'Equivocal', /in-situ hybridisation/],
  ['her2', 1, /bare 1/],
  ['her2', 'low', /HER2-low/],
  ['her2', '-', /dash, which may mean negative or not known/],
  ['her2', 'maybe', /expected one of negative, positive/],
  ['er', '90 %', /percentage of stained nuclei.*send positive/],
  ['er', 80, /percentage/],
  ['grade', 7, /Nottingham score/],
  ['grade', 0, /expected one of 1, 2, 3/],
  ['grade', '2-3', /not one grade/],
  ['age', '648M', /in months, weeks or days; send the age in years/],
  ['age', '1969', /year of birth/],
  ['age', '1969-04-01', /date or year of birth/],
  ['age', 5, /from 18 to 110/],
  ['age', '0x40', /something else/],
  ['age', Infinity, /something else/],
]
for (const [name, value, message] of mistaken) {
  test(`${name} given as ${JSON.stringify(value)} is refused with what to send`, (t) => {
    const found = refusal({ ...good, [name]: value })
    t.regex(found, /^CLINICAL_INVALID: /)
    t.true(found.includes(`${name}: `))
    t.regex(found, message)
  })
}

test('no message repeats a value or a name that was sent', (t) => {
  const secret = 'DOE^JANE 4711'
  for (const name of Object.keys(standards)) t.false(refusal({ ...good, [name]: secret }).includes('DOE'))
  const unknown = refusal({ ...good, [secret]: 1 })
  t.regex(unknown, /found one of another name/)
  t.false(unknown.includes('DOE'))
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{6,12}$/), (value) => {
      t.false(refusal({ ...good, grade: `zz${value}` }).includes(value))
    }),
  )
})

test('a Ki-67 of exactly 1 is read as one percent, with a doubt', (t) => {
  const result = readClinical(five, { ...good, ki67: 1 })
  t.true(result.kind === 'values' && result.vector[3] === 1)
  t.deepEqual(result.kind === 'values' && result.warnings.map(({ code }) => code), ['CLINICAL_DOUBTFUL'])
})

test('variables go by many names, but each by one value', (t) => {
  const result = readClinical(five, {
    Age: 54,
    'ER status': 'pos',
    'HER2/neu': 'neg',
    'Ki-67': 20,
    'Tumour grade': 2,
  })
  t.deepEqual(result.kind === 'values' && [...result.vector], [54, 1, 0, 20, 2])
  t.regex(refusal({ ...good, 'Ki-67': 30 }), /expected one value of ki67, found two/)
})

test('the vector has the contract order and encoding, whatever the order of what was sent', (t) => {
  const age = resolveVariable({
    name: 'age',
    standard: 'age',
    aliases: [],
    missing: { policy: 'refuse' },
    encode: { subtract: 50, divide: 8 },
  })
  const result = readClinical([standard('grade'), age], { age: 54, grade: 3 })
  t.deepEqual(result.kind === 'values' && [...result.vector], [3, 0.5])
})

test('a missing value is refused, imputed with a warning, or left to another model, as the contract says', (t) => {
  for (const absent of [null, undefined, '', ' ', 'NA', 'unknown', 'n/a', '?']) {
    t.is(
      refusal({ ...good, age: absent, grade: absent }),
      'CLINICAL_MISSING: expected a value of age, grade, found none',
    )
  }
  t.regex(refusal({ age: 54 }), /CLINICAL_MISSING: expected a value of er, her2, ki67, grade/)
  const imputing = resolveVariable({
    name: 'ki67',
    standard: 'ki67',
    aliases: [],
    missing: { policy: 'impute', value: 17 },
    encode: { subtract: 0, divide: 100 },
  })
  const imputed = readClinical([imputing], {})
  t.true(imputed.kind === 'values' && Math.abs((imputed.vector[0] ?? 0) - 0.17) < 1e-7)
  t.deepEqual(imputed.kind === 'values' && imputed.imputed, [{ name: 'ki67', value: 17, unit: 'percent' }])
  t.deepEqual(imputed.kind === 'values' && imputed.warnings.map(({ code }) => code), ['CLINICAL_IMPUTED'])
  const category = resolveVariable({
    name: 'er',
    standard: 'er',
    aliases: [],
    missing: { policy: 'impute', value: 'positive' },
    encode: noEncoding,
  })
  const positive = readClinical([category], { er: 'unknown' })
  t.true(positive.kind === 'values' && positive.vector[0] === 1)
  const leaving = resolveVariable({
    name: 'her2',
    standard: 'her2',
    aliases: [],
    missing: { policy: 'other_model', model: 'image_only' },
    encode: noEncoding,
  })
  t.deepEqual(readClinical([leaving, standard('age')], { age: 40 }), {
    kind: 'other-model',
    model: 'image_only',
    missing: ['her2'],
  })
  t.regex(refusal({}, [leaving, standard('age')]), /CLINICAL_MISSING: expected a value of age/)
})

test('a grade that could not be assessed is a missing value and not a mistake', (t) => {
  t.regex(refusal({ ...good, grade: 'GX' }), /^CLINICAL_MISSING/)
})

test('unknown names may be left out where a table has more columns than the model has variables', (t) => {
  const result = readClinical(five, { ...good, hospital: 'x' }, { unknownNames: 'leave-out' })
  t.is(result.kind, 'values')
})

test("a contract's own categories and synonyms go before the standard's", (t) => {
  const her2 = resolveVariable({
    name: 'her2',
    standard: 'her2',
    aliases: [],
    missing: { policy: 'refuse' },
    encode: noEncoding,
    values: { negative: 0, equivocal: 0.5, positive: 1 },
    synonyms: { equivocal: ['2+'] },
  })
  const result = readClinical([her2], { her2: '2+' })
  t.true(result.kind === 'values' && result.vector[0] === 0.5)
})

test('a variable that no standard knows is read by its own type, unit and range', (t) => {
  const size = resolveVariable({
    name: 'tumour_size',
    type: 'number',
    unit: 'mm',
    range: [1, 200],
    integer: true,
    aliases: ['size'],
    missing: { policy: 'refuse' },
    encode: noEncoding,
  })
  const result = readClinical([size], { Size: '23 mm' })
  t.true(result.kind === 'values' && result.vector[0] === 23)
  t.regex(refusal({ size: 23.5 }, [size]), /with decimals/)
  t.regex(refusal({ size: '2.3 cm' }, [size]), /expected a whole number in mm from 1 to 200/)
})
