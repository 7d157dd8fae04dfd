import test from 'ava'
import { bayesLimits, expectedAuc } from '../../src/simulation/risk/bayes.js'
import { RISK } from '../../src/simulation/risk/parameters.js'

test('the task is neither trivial nor hopeless, and no part of the data solves it alone', (t) => {
  const { auc, prevalence } = bayesLimits(RISK)
  t.true(auc.pn.all >= 0.85 && auc.pn.all <= 0.92, String(auc.pn.all))
  for (const part of ['time', 'space', 'clinical'] as const) {
    t.true(auc.pn[part] > 0.6 && auc.pn[part] <= 0.75, `${part} ${auc.pn[part]}`)
  }
  t.true(prevalence.pn >= 0.35 && prevalence.pn <= 0.45, String(prevalence.pn))
})

test('the expected area counts pairs', (t) => {
  t.is(expectedAuc([1, 2, 3, 4], [0, 0, 1, 1]), 1)
  t.is(expectedAuc([4, 3, 2, 1], [0, 0, 1, 1]), 0)
  t.is(expectedAuc([1, 1, 1], [0, 1, 0]), 0.5)
  // Of the four pairs (positive, negative) three are in order.
  t.is(expectedAuc([1, 2, 3, 4], [0, 1, 0, 1]), 0.75)
})
