import test from 'ava'
import { InvalidArgumentError } from 'commander'
import {
  assignment,
  numbers,
  positive,
  repeated,
  seconds,
  tolerance,
  whole,
} from '../../src/cli/option-values.js'

const refused = (parse: (text: string) => unknown) => (text: string) => {
  try {
    return `${text}: ${JSON.stringify(parse(text))}`
  } catch (error) {
    return error instanceof InvalidArgumentError ? null : error
  }
}

test('numbers are taken for what they say', (t) => {
  t.deepEqual(['0', '7', ' 12 '].map(whole), [0, 7, 12])
  t.is(positive('3'), 3)
  t.deepEqual(['0', '1e-4', '.5'].map(tolerance), [0, 1e-4, 0.5])
  t.deepEqual(seconds('0,90.5, 180'), [0, 90.5, 180])
  t.deepEqual(numbers('-1,2.5,3', 3, 'three numbers'), [-1, 2.5, 3])
})

test('what says no number, no text above all, is refused', (t) => {
  const none = (texts: readonly string[]): null[] => texts.map(() => null)
  const wrong = ['', ' ', 'x', '-1', 'NaN', 'Infinity']
  t.deepEqual(wrong.map(refused(tolerance)), none(wrong))
  const fractions = [...wrong, '1.5', '1e300']
  t.deepEqual(fractions.map(refused(whole)), none(fractions))
  t.deepEqual([...fractions, '0'].map(refused(positive)), none([...fractions, '0']))
  const lists = ['', '0,', '0,,90', '1;2']
  t.deepEqual(lists.map(refused(seconds)), none(lists))
  t.throws(() => numbers('1,2', 3, 'three numbers'), { message: 'expected three numbers' })
})

test('a value may hold what parts it from its name', (t) => {
  t.deepEqual(assignment('stage=T2=x'), ['stage', 'T2=x'])
  t.deepEqual(assignment('note='), ['note', ''])
  for (const text of ['', 'age', '=61']) t.throws(() => assignment(text), { message: 'expected NAME=VALUE' })
})

test('an option that is given again keeps what was given before', (t) => {
  t.deepEqual(repeated('b', repeated('a')), ['a', 'b'])
})
