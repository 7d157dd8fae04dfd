import { readFileSync } from 'node:fs'
import test from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import { canonicalJson } from '../../src/screening/contract/canonical.js'
import { checkNetwork, parseContract, type NetworkTensor } from '../../src/screening/index.js'

const text = readFileSync(new URL('../fixtures/screening/screening.yaml', import.meta.url), 'utf8')

/** The message of the refusal of the fixture with `from` replaced by `to`. */
function refusal(from: string | RegExp, to: string): string {
  const changed = text.replace(from, to)
  if (changed === text) throw new Error(`the fixture has no ${String(from)}`)
  try {
    parseContract(changed)
  } catch (error) {
    if (isSentinodeError(error) && error.code === 'CONTRACT_INVALID') return error.message
    throw error
  }
  return ''
}

test('the fixture is a contract, with what its file says and its defaults', (t) => {
  const contract = parseContract(text)
  t.is(contract.image.input, 'image')
  t.is(contract.image.layout, 'NCTDHW')
  t.is(contract.image.grid.orientation, 'patient')
  t.is(contract.image.region.outside, 0)
  t.deepEqual(
    contract.clinical?.variables.map(({ name }) => name),
    ['age', 'er', 'her2', 'ki67', 'grade'],
  )
  t.is(contract.findings.length, 2)
  t.is(contract.provenance.notice, 'NOT FOR CLINICAL USE; trained on simulated exams')
})

test('a fault is named with file, line and column, the field, and what was expected and found', (t) => {
  const line = text.split('\n').findIndex((row) => row.includes('size: [10')) + 1
  const column = (text.split('\n')[line - 1] ?? '').indexOf('32') + 1
  t.regex(
    refusal('size: [10, 32, 32]', 'size: [10, big, 32]'),
    new RegExp(`^screening.yaml:${line}:${column}: image.grid.size.1: .*expected number, received string`),
  )
})

const faults: [what: string, from: string | RegExp, to: string, message: RegExp][] = [
  [
    'an unknown field',
    'format: 1',
    'format: 1\ncolour: red',
    /screening\.yaml:3:1: the contract: no field of that name: colour/,
  ],
  [
    'an unknown field inside',
    'tolerance_s: 40',
    'tolerance_s: 40, tolerence: 2',
    /image\.phases: no field of that name: tolerence/,
  ],
  ['a missing field', 'format: 1\n', '', /format/],
  ['YAML that is broken', 'title:', 'title: [', /screening\.yaml:\d+:\d+: /],
  ['a key given twice', 'format: 1', 'format: 1\nformat: 1', /unique/],
  ['another version of the format', 'format: 1', 'format: 2', /format/],
  ['phases by a rule that there is none of', 'by: nearest_time', 'by: feeling', /image\.phases/],
  ['times out of order', '[0, 90, 150', '[0, 190, 150', /times_s: expected times in rising order/],
  ['per-phase statistics under another name', 'phases: all', 'phases: per_phase', /image\.intensity\.phases/],
  [
    'an imputed value out of range',
    'value: 20',
    'value: 120',
    /variables\.3\.missing: expected a number from 0 to 100/,
  ],
  [
    'an imputed category that is none',
    'value: positive',
    'value: maybe',
    /variables\.1\.missing: expected one of the categories negative, positive/,
  ],
  [
    'a unit other than the standard one',
    'standard: ki67',
    'standard: ki67, unit: fraction',
    /variables\.3\.unit: expected percent/,
  ],
  [
    'a standard variable of another type',
    'standard: grade',
    'standard: grade, type: number',
    /variables\.4\.type/,
  ],
  ['a variable without type', 'standard: grade, ', '', /variables\.4\.type/],
  [
    'two variables of one name',
    'name: grade, standard: grade',
    'name: ER status, standard: grade',
    /variables\.4: expected a name of its own, found one that er goes by/,
  ],
  ['division by zero', 'divide: 12', 'divide: 0', /divide/],
  [
    'a default operating point that a finding lacks',
    'default_operating_point: rule_out',
    'default_operating_point: balanced',
    /findings\.1\.operating_points: expected one named balanced/,
  ],
  ['a sensitivity in percent', 'sensitivity: 0.95', 'sensitivity: 95', /sensitivity/],
  ['findings of one name', 'name: cN+', 'name: pN+', /findings\.1\.name: expected a name of its own/],
  [
    'isotonic points that fall',
    'method: platt, a: 1.2, b: -0.3',
    'method: isotonic, x: [0, 0.5, 1], y: [0, 0.6, 0.5]',
    /calibration\.y: expected numbers that never fall/,
  ],
  [
    'isotonic points of two lengths',
    'method: platt, a: 1.2, b: -0.3',
    'method: isotonic, x: [0, 1], y: [0]',
    /calibration\.y: expected as many/,
  ],
  [
    'a grid without size where a centre is enough',
    'size: [10, 32, 32]',
    'size: null',
    /image\.grid\.size: expected a fixed size/,
  ],
  [
    'percentiles the wrong way round',
    '{ method: zscore, over: crop, phases: all }',
    '{ method: percentile, over: crop, phases: all, lower: 99, upper: 1 }',
    /upper percentile above/,
  ],
]
for (const [what, from, to, message] of faults) {
  test(`a contract is refused for ${what}`, (t) => {
    t.regex(refusal(from, to), message)
  })
}

test('the hash follows what a contract says, and not how it is laid out', (t) => {
  const { sha256 } = parseContract(text)
  t.regex(sha256, /^[0-9a-f]{64}$/)
  const relaid = text
    .replace('# A screening', '# An older screening')
    .replace('format: 1\n', '')
    .concat('format: 1\n')
  t.is(parseContract(relaid).sha256, sha256)
  t.not(parseContract(text.replace('threshold: 0.15', 'threshold: 0.16')).sha256, sha256)
})

test('canonical JSON orders keys at every depth and keeps lists as they are', (t) => {
  t.is(
    canonicalJson({ b: [2, 1, { d: null, c: 'x"' }], a: 0.5 }),
    '{"a":0.5,"b":[2,1,{"c":"x\\"","d":null}]}',
  )
})

test('a contract that does not fit its network is refused with the tensor', (t) => {
  const contract = parseContract(text)
  const image: NetworkTensor = { name: 'image', dataType: 'FP32', shape: [-1, 1, 5, 10, 32, 32] }
  const clinical: NetworkTensor = { name: 'clinical', dataType: 'FP32', shape: [-1, 5] }
  const output: NetworkTensor = { name: 'probability', dataType: 'FP32', shape: [-1, 2] }
  t.notThrows(() => checkNetwork(contract, [image, clinical], [output]))
  const misfits: [RegExp, NetworkTensor[], NetworkTensor[]][] = [
    [/expected an input clinical/, [image], [output]],
    [
      /expected input image to take \[1, 1, 5, 10, 32, 32\], found \[-1, 1, 4, 10, 32, 32\]/,
      [{ ...image, shape: [-1, 1, 4, 10, 32, 32] }, clinical],
      [output],
    ],
    [/expected input image as FP32, found FP16/, [{ ...image, dataType: 'FP16' }, clinical], [output]],
    [
      /expected a use of every input of the network, found none of extra/,
      [image, clinical, { ...clinical, name: 'extra' }],
      [output],
    ],
    [
      /expected element 1 of output probability, found 1 elements a row/,
      [image, clinical],
      [{ ...output, shape: [-1, 1] }],
    ],
    [/expected an output probability/, [image, clinical], []],
  ]
  for (const [message, inputs, outputs] of misfits) {
    t.throws(() => checkNetwork(contract, inputs, outputs), { message })
  }
})
