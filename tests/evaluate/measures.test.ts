import { readFileSync } from 'node:fs'
import test from 'ava'
import { compare, type Figures } from '../../bench/evaluate/figures.js'
import {
  area,
  biopsiesAvoided,
  brier,
  calibrationError,
  proportion,
  thresholdFor,
  type Estimate,
} from '../../bench/evaluate/measures.js'
import { uniforms } from '../../src/demo/random.js'

/** What training/measures.py says of the same scores, ties among them. */
const expected = JSON.parse(
  readFileSync(new URL('../fixtures/evaluate/measures.json', import.meta.url), 'utf8'),
) as {
  score: number[]
  outcome: number[]
  threshold: number
  avoided: number
  brier: number
  calibration_error: number
} & Record<'auc' | 'sensitivity' | 'specificity', [number, number, number]>
const positive = expected.outcome.map(Boolean)

test('areas, proportions and calibration are those of training', (t) => {
  const near = (found: number, wanted: number): void =>
    void t.true(Math.abs(found - wanted) < 1e-9, `${found} for ${wanted}`)
  const estimate = ({ value, low, high }: Estimate, wanted: [number, number, number]): void => {
    near(value, wanted[0])
    near(low, wanted[1])
    near(high, wanted[2])
  }
  estimate(area(expected.score, positive), expected.auc)
  const threshold = thresholdFor(0.95, expected.score, positive)
  near(threshold, expected.threshold)
  const count = (of: boolean, above: boolean): number =>
    expected.score.filter((s, i) => positive[i] === of && s >= threshold === above).length
  const positives = positive.filter(Boolean).length
  estimate(proportion(count(true, true), positives), expected.sensitivity)
  estimate(proportion(count(false, false), positive.length - positives), expected.specificity)
  near(biopsiesAvoided(expected.score, positive, uniforms(1)).value, expected.avoided)
  near(brier(expected.score, positive), expected.brier)
  near(calibrationError(expected.score, positive), expected.calibration_error)
})

test('figures whose intervals do not meet are said to be apart', (t) => {
  const at = (value: number): Estimate => ({ value, low: value - 0.02, high: value + 0.02 })
  const figures = (auc: number): Figures => ({
    auc: at(auc),
    bayes_auc: 0.9,
    sensitivity: at(0.95),
    specificity: at(0.4),
    biopsies_avoided: at(0.4),
    brier: 0.15,
    calibration_error: 0.03,
  })
  t.false(compare('pn', figures(0.87), figures(0.85)).some((row) => row.endsWith('APART')))
  t.is(compare('pn', figures(0.87), figures(0.8)).filter((row) => row.endsWith('APART')).length, 1)
})
