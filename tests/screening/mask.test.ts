import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import test from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import { DEFAULT_MASK_OPTIONS, readMask } from '../../src/screening/index.js'

const fixture = (name: string) => readFileSync(new URL(`../fixtures/screening/${name}`, import.meta.url))
const boxes = JSON.parse(fixture('boxes.json').toString()) as Record<
  '1' | '2',
  { low: number[]; high: number[] }
>

const near = (a: readonly number[], b: readonly number[]) =>
  a.every((value, i) => Math.abs(value - (b[i] ?? NaN)) < 1e-4)

async function refusal(bytes: Uint8Array, segment: number | null = null): Promise<string> {
  try {
    await readMask(bytes, { ...DEFAULT_MASK_OPTIONS, segment })
  } catch (error) {
    if (isSentinodeError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return ''
}

/** A NIfTI-1 file of bytes 6 x 5 x 4, axes to the right, front and head (RAS), 2 x 1 x 3 mm. */
function nifti(marks: readonly (readonly [number, number, number, number])[], phases = 1): Buffer {
  const file = Buffer.alloc(352 + 120 * phases)
  file.writeInt32LE(348, 0)
  ;[phases > 1 ? 4 : 3, 6, 5, 4, phases].forEach((value, i) => file.writeInt16LE(value, 40 + 2 * i))
  file.writeInt16LE(2, 70)
  file.writeInt16LE(8, 72)
  ;[1, 2, 1, 3, 1].forEach((value, i) => file.writeFloatLE(value, 76 + 4 * i))
  file.writeFloatLE(352, 108)
  file.writeFloatLE(1, 112)
  file.writeUInt8(10, 123)
  file.writeInt16LE(1, 254)
  const rows = [
    [2, 0, 0, 10],
    [0, 1, 0, -4],
    [0, 0, 3, 7],
  ]
  rows.flat().forEach((value, i) => file.writeFloatLE(value, 280 + 4 * i))
  file.write('n+1\0', 344, 'latin1')
  for (const [x, y, z, label] of marks) file[352 + (z * 5 + y) * 6 + x] = label
  return file
}

test('a NIfTI mask is the box around its marked voxels, in LPS', async (t) => {
  const file = nifti([
    [1, 2, 0, 1],
    [3, 2, 2, 1],
  ])
  // RAS: x 10 + 2 * [0.5, 3.5], y -4 + [1.5, 2.5], z 7 + 3 * [-0.5, 2.5]; LPS turns the first two.
  const expected = { low: [-17, 1.5, 5.5], high: [-11, 2.5, 14.5] }
  for (const bytes of [file, gzipSync(file)]) {
    const region = await readMask(bytes)
    t.is(region.kind, 'mask')
    t.true(near(region.low, expected.low) && near(region.high, expected.high), JSON.stringify(region))
  }
})

test('a NIfTI mask of several labels needs the one that is meant', async (t) => {
  const file = nifti([
    [1, 2, 0, 1],
    [3, 2, 2, 2],
  ])
  t.regex(await refusal(file), /^REGION_INVALID: mask: expected one label.*found several/)
  const region = await readMask(file, { ...DEFAULT_MASK_OPTIONS, segment: 2 })
  t.true(near(region.low, [-17, 1.5, 11.5]) && near(region.high, [-15, 2.5, 14.5]), JSON.stringify(region))
})

test('a NIfTI mask that marks nothing, or is a series, or too large, or no mask at all, is refused', async (t) => {
  t.regex(await refusal(nifti([])), /expected at least one marked voxel, found none/)
  t.regex(await refusal(nifti([[0, 0, 0, 1]]), 7), /expected at least one marked voxel, found none/)
  t.regex(await refusal(nifti([[0, 0, 0, 1]], 2)), /expected one volume, found 2/)
  t.regex(await refusal(Buffer.from('not an image')), /^REGION_INVALID.*NOT_DICOM/)
  const small = await t.throwsAsync(readMask(nifti([[0, 0, 0, 1]]), { segment: null, maxBytes: 10 }))
  t.true(isSentinodeError(small) && small.code === 'REGION_INVALID')
})

test('a DICOM SEG is the box that pydicom and numpy say, oblique planes included', async (t) => {
  for (const name of ['one_segment.dcm', 'fractional.dcm']) {
    const region = await readMask(fixture(name))
    t.true(near(region.low, boxes['1'].low) && near(region.high, boxes['1'].high), name)
  }
})

test('a DICOM SEG of several segments needs the one that is meant', async (t) => {
  t.regex(await refusal(fixture('two_segments.dcm')), /expected one segment.*found several/)
  const region = await readMask(fixture('two_segments.dcm'), { ...DEFAULT_MASK_OPTIONS, segment: 2 })
  t.true(near(region.low, boxes['2'].low) && near(region.high, boxes['2'].high))
  t.regex(await refusal(fixture('two_segments.dcm'), 3), /expected at least one marked voxel, found none/)
})

test('a DICOM SEG cut anywhere is refused and never crashes', async (t) => {
  const whole = fixture('two_segments.dcm')
  for (let length = 132; length < whole.length - 20; length += 7) {
    t.regex(await refusal(whole.subarray(0, length), 1), /^REGION_INVALID/, `${length} bytes`)
  }
})

test('masks that are mutated anywhere are read or refused, and never crash', async (t) => {
  let state = 11
  const next = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8
  const files = [fixture('two_segments.dcm'), fixture('fractional.dcm'), nifti([[1, 2, 0, 1]])]
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(files[round % 3] ?? '')
    for (let i = 0; i < 3; i++) bytes[next() % bytes.length] = next() & 0xff
    const message = await refusal(bytes, 1)
    t.true(message === '' || message.startsWith('REGION_INVALID'), message)
  }
})
