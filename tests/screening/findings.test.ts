import test from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import { calibrate, logit, sigmoid } from '../../src/screening/calibration.js'
import { readFindings } from '../../src/screening/findings.js'
import { contractWith } from './exams.js'

const near = (a: number | null, b: number, within = 1e-6) => a !== null && Math.abs(a - b) <= within
const outputs = (...values: number[]) => new Map([['probability', Float32Array.from(values)]])

test('Platt calibration is a logistic function of the log odds', (t) => {
  // p = 0.8 has log odds ln 4; 1 / (1 + e^-(1.2 ln 4 - 0.3)) = 1 / (1 + 4^-1.2 e^0.3).
  t.true(
    near(calibrate({ method: 'platt', a: 1.2, b: -0.3 }, 0.8), 1 / (1 + 4 ** -1.2 * Math.exp(0.3)), 1e-12),
  )
  t.true(near(calibrate({ method: 'platt', a: 1, b: 0 }, 0.3), 0.3, 1e-12))
  t.true(
    near(calibrate({ method: 'platt', a: 2, b: 0 }, 0), 0) &&
      near(calibrate({ method: 'platt', a: 2, b: 0 }, 1), 1),
  )
  t.true(near(sigmoid(logit(0.123)), 0.123, 1e-12))
})

test('isotonic calibration runs straight between its points and stays level beyond them', (t) => {
  const calibration = { method: 'isotonic' as const, x: [0.2, 0.4, 0.8], y: [0.1, 0.5, 0.6] }
  const at = (probability: number) => calibrate(calibration, probability)
  t.deepEqual([at(0), at(0.2), at(0.8), at(1)], [0.1, 0.1, 0.6, 0.6])
  t.true(near(at(0.3), 0.3) && near(at(0.6), 0.55) && near(at(0.4), 0.5))
})

test('no calibration is called by its name, and the network may calibrate itself', (t) => {
  t.is(calibrate({ method: 'none' }, 0.4), null)
  t.is(calibrate({ method: 'in_graph' }, 0.4), 0.4)
  const contract = contractWith([
    'method: platt, a: 1.2, b: -0.3',
    'method: in_graph, raw: { output: raw, index: 1 }',
  ])
  const given = new Map([...outputs(0.4, 0.1), ['raw', Float32Array.of(0, 0.7)]])
  const [finding] = readFindings(contract.findings, 'rule_out', null, given)
  t.true(near(finding?.probability ?? null, 0.7) && near(finding?.calibrated ?? null, 0.4))
})

test('a finding is positive from the threshold of its operating point on, by the calibrated probability', (t) => {
  const { findings } = contractWith(['method: platt, a: 1.2, b: -0.3', 'method: platt, a: 1, b: -2'])
  // Calibrated: 0.5 becomes 1 / (1 + e^2) = 0.119, below 0.15, though the probability is above.
  const [first, second] = readFindings(findings, 'rule_out', null, outputs(0.5, 0.25))
  t.true(near(first?.probability ?? null, 0.5) && near(first?.calibrated ?? null, 1 / (1 + Math.exp(2))))
  t.is(first?.positive, false)
  t.is(second?.calibrated, null)
  t.is(second?.positive, true)
  t.is(first?.operatingPoint.name, 'rule_out')
  t.is(first?.operatingPoint.sensitivity, 0.95)
})

test('a request may choose another operating point that every finding has', (t) => {
  const { findings } = contractWith()
  const code = (point: string) => {
    const error = t.throws(() => readFindings(findings, 'rule_out', point, outputs(0.5, 0.5)))
    return isSentinodeError(error) ? error.code : 'none'
  }
  t.is(code('balanced'), 'INVALID_REQUEST')
  const [only] = readFindings(findings.slice(0, 1), 'rule_out', 'balanced', outputs(0.5, 0.5))
  t.is(only?.operatingPoint.threshold, 0.45)
})

test('logits become probabilities, and an ensemble its spread', (t) => {
  const { findings } = contractWith([
    '    index: 0\n',
    '    index: 0\n    scale: logit\n    spread: { output: spread, index: 0 }\n',
  ])
  const [finding] = readFindings(
    findings,
    'rule_out',
    null,
    new Map([...outputs(-1.5, 0.1), ['spread', Float32Array.of(0.25)]]),
  )
  t.true(near(finding?.probability ?? null, 1 / (1 + Math.exp(1.5))))
  t.is(finding?.spread, 0.25)
})

test('outputs that are missing, not finite or no probabilities are a coded error, not an answer', (t) => {
  const { findings } = contractWith()
  for (const values of [[0.5], [NaN, 0.5], [0.5, Infinity], [1.2, 0.5], [0.5, -0.1]]) {
    const error = t.throws(() => readFindings(findings, 'rule_out', null, outputs(...values)))
    t.true(isSentinodeError(error) && error.code === 'SCREENING_OUTPUT_INVALID', String(values))
  }
  const [rounded] = readFindings(findings, 'rule_out', null, outputs(1 + 1e-7, 0))
  t.is(rounded?.probability, 1)
})
