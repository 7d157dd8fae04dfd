import { readFileSync } from 'node:fs'
import { fc, testProp } from '@fast-check/ava'
import test from 'ava'
import { decodeJpegLossless } from '../../src/exam/dicom/codecs/jpeg-lossless.js'

/** Codestreams by DCMTK's dcmcjpeg, with every predictor: noise, ramps, extremes, and frames of one value. */
interface Case {
  readonly predictor: number
  readonly bits: number
  readonly rows: number
  readonly columns: number
  /** The 16 bits of each, whatever their sign. */
  readonly samples: number[]
  readonly codestream: string
}
const CASES = JSON.parse(
  readFileSync(new URL('../fixtures/codestreams/jpeg-lossless.json', import.meta.url), 'utf8'),
) as Case[]

for (const [i, { predictor, bits, rows, columns, samples, codestream }] of CASES.entries()) {
  test(`case ${i}, predictor ${predictor}, ${bits} bits, ${rows} x ${columns}, is decoded exactly`, (t) => {
    const bytes = Buffer.from(codestream, 'base64')
    t.deepEqual([...(decodeJpegLossless(bytes) ?? [])], samples)
    // Whatever is cut off is noticed, and never guessed.
    for (let end = bytes.length - 4; end >= 0; end--) t.is(decodeJpegLossless(bytes.subarray(0, end)), null)
  })
}

interface Image {
  readonly rows: number
  readonly columns: number
  readonly precision: number
  readonly predictor: number
  readonly pointTransform: number
  /** Lines of one restart interval, 0 for none. */
  readonly restartLines: number
  readonly samples: readonly number[]
}

/** T.81, annex H, written the long way: one code of five bits for each category, bits as text. */
function encode({
  rows,
  columns,
  precision,
  predictor,
  pointTransform,
  restartLines,
  samples,
}: Image): Buffer {
  const segment = (marker: number, body: readonly number[]): number[] => {
    const length = body.length + 2
    return [0xff, marker, length >> 8, length & 255, ...body]
  }
  const categories = Array.from({ length: 17 }, (_, i) => i)
  const out = [0xff, 0xd8]
  out.push(...segment(0xc4, [0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...categories]))
  const size = [rows >> 8, rows & 255, columns >> 8, columns & 255]
  out.push(...segment(0xc3, [precision, ...size, 1, 1, 0x11, 0]))
  const interval = restartLines * columns
  if (interval > 0) out.push(...segment(0xdd, [interval >> 8, interval & 255]))
  out.push(...segment(0xda, [1, 1, 0, predictor, 0, pointTransform]))
  const value = (y: number, x: number): number => (samples[y * columns + x] ?? 0) >> pointTransform
  const floor = (n: number): number => Math.floor(n / 2)
  let bits = ''
  const flush = (): void => {
    bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1')
    for (let i = 0; i < bits.length; i += 8) {
      const byte = parseInt(bits.slice(i, i + 8), 2)
      out.push(byte, ...(byte === 0xff ? [0] : []))
    }
    bits = ''
  }
  for (let y = 0; y < rows; y++) {
    const first = restartLines === 0 ? y === 0 : y % restartLines === 0
    if (first && y > 0) {
      flush()
      out.push(0xff, 0xd0 + ((y / restartLines - 1) % 8))
    }
    for (let x = 0; x < columns; x++) {
      const [a, b, c] = [value(y, x - 1), value(y - 1, x), value(y - 1, x - 1)]
      const rules = [a, a, b, c, a + b - c, a + floor(b - c), b + floor(a - c), floor(a + b)]
      const start = 2 ** (precision - pointTransform - 1)
      const prediction = first ? (x === 0 ? start : a) : x === 0 ? b : (rules[predictor] ?? 0)
      // Modulo 2^16, from -32767 to 32768.
      const difference = ((value(y, x) - prediction + 32767) & 0xffff) - 32767
      const category = difference === 0 ? 0 : Math.floor(Math.log2(Math.abs(difference))) + 1
      bits += category.toString(2).padStart(5, '0')
      const low = difference < 0 ? difference + 2 ** category - 1 : difference
      if (category > 0 && category < 16) bits += low.toString(2).padStart(category, '0')
    }
  }
  flush()
  out.push(0xff, 0xd9)
  return Buffer.from(out)
}

const image = fc
  .record({
    rows: fc.integer({ min: 1, max: 12 }),
    columns: fc.integer({ min: 1, max: 12 }),
    precision: fc.integer({ min: 2, max: 16 }),
    predictor: fc.integer({ min: 1, max: 7 }),
    pointTransform: fc.integer({ min: 0, max: 3 }),
    restartLines: fc.integer({ min: 0, max: 4 }),
  })
  .filter(({ precision, pointTransform }) => pointTransform < precision)
  .chain((shape) =>
    fc
      .array(fc.integer({ min: 0, max: 2 ** shape.precision - 1 }), {
        minLength: shape.rows * shape.columns,
        maxLength: shape.rows * shape.columns,
      })
      .map((samples): Image => ({ ...shape, samples })),
  )

testProp(
  'precision, point transform and restart intervals are those of the codestream',
  [image],
  (t, given) => {
    const wanted = given.samples.map((sample) => (sample >> given.pointTransform) << given.pointTransform)
    const decoded = decodeJpegLossless(encode(given))
    t.deepEqual([...(decoded ?? [])], wanted)
    t.is(decoded instanceof Uint8Array, given.precision <= 8)
  },
)

test('what is no lossless codestream of one component is no image', (t) => {
  const [first] = CASES
  const bytes = Buffer.from(first?.codestream ?? '', 'base64')
  const sof = bytes.indexOf(Buffer.from([0xff, 0xc3]))
  const sos = bytes.indexOf(Buffer.from([0xff, 0xda]))
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at] = value
    return copy
  }
  t.not(decodeJpegLossless(bytes), null)
  t.is(decodeJpegLossless(changed(sof + 1, 0xc0)), null, 'baseline')
  t.is(decodeJpegLossless(changed(sof + 4, 17)), null, 'a precision of 17')
  t.is(decodeJpegLossless(changed(sos + 4, 3)), null, 'three components')
  t.is(decodeJpegLossless(changed(sos + 7, 0)), null, 'a predictor of hierarchical frames')
  t.is(decodeJpegLossless(changed(sos + 6, 0x30)), null, 'a table that is not there')
  t.is(decodeJpegLossless(Buffer.alloc(64, 0xff)), null, 'fill bytes alone')
})
