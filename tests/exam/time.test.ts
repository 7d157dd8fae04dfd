import { fc, testProp } from '@fast-check/ava'
import test from 'ava'
import { moment, parseDate, parseDateTime, parseTime, timeline } from '../../src/exam/dicom/time.js'

const TIMES: [string, number | null][] = [
  ['103000', 37_800],
  ['103000.5', 37_800.5],
  ['1030', 37_800],
  ['10', 36_000],
  ['10:30:00.250', 37_800.25],
  ['235959.999999', 86_399.999999],
  ['235960', 86_400],
  ['', null],
  ['246000', null],
  ['106000', null],
  ['103000.1234567', null],
  ['noon', null],
]

for (const [text, seconds] of TIMES) {
  test(`time "${text}" is ${String(seconds)}`, (t) => {
    t.is(parseTime(text), seconds)
  })
}

const DATES: [string, number | null][] = [
  ['19700102', 1],
  ['1970.01.02', 1],
  ['20240229', 19_782],
  ['20230229', null],
  ['20231301', null],
  ['20230100', null],
  ['2023', null],
]

for (const [text, day] of DATES) {
  test(`date "${text}" is day ${String(day)}`, (t) => {
    t.is(parseDate(text), day)
  })
}

test('date times need a day and an hour', (t) => {
  t.deepEqual(parseDateTime('19700102103000.5'), { day: 1, seconds: 37_800.5 })
  t.deepEqual(parseDateTime('1970010210'), { day: 1, seconds: 36_000 })
  t.deepEqual(parseDateTime('19700102103000-0500'), { day: 1, seconds: 37_800 + 5 * 3600 })
  t.is(parseDateTime('19700102'), null)
  t.is(parseDateTime('1970'), null)
})

test('a time without a date has no day, and a date without a time is nothing', (t) => {
  t.deepEqual(moment('', '10'), { day: null, seconds: 36_000 })
  t.is(moment('19700102', ''), null)
})

/** Up to an hour of exam that starts anywhere in a day. */
const exam = fc.tuple(
  fc.integer({ min: 0, max: 86_399 }),
  fc.array(fc.integer({ min: 0, max: 3600 }), { minLength: 1, maxLength: 20 }),
)

testProp(
  'differences survive midnight with dates, without them, and with dates that stand still',
  [exam],
  (t, [start, offsets]) => {
    const clock = offsets.map((offset) => start + offset)
    const forms = [
      clock.map((seconds) => ({ day: 20_000 + Math.floor(seconds / 86_400), seconds: seconds % 86_400 })),
      clock.map((seconds) => ({ day: null, seconds: seconds % 86_400 })),
      clock.map((seconds) => ({ day: 20_000, seconds: seconds % 86_400 })),
    ]
    for (const form of forms) {
      const { seconds } = timeline(form)
      t.deepEqual(
        seconds.map((value) => value - (seconds[0] ?? 0)),
        offsets.map((offset) => offset - (offsets[0] ?? 0)),
      )
    }
  },
)
