import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import test from 'ava'
import * as nifti from 'nifti-reader-js'
import { saveNifti } from '../../src/exam/nifti/write.js'
import { assertTimes, read, refused, warningCodes } from './helpers.js'
import { acquired, affineOf, COLUMNS, exam, OBLIQUE, ROWS, sample } from './phantom.js'

interface Spec {
  readonly version?: 1 | 2
  readonly big?: boolean
  readonly size?: readonly number[]
  readonly datatype?: number
  readonly bits?: number
  readonly step?: number
  readonly units?: number
  readonly slope?: number
  readonly intercept?: number
  readonly sform?: readonly number[] | null
  readonly qform?: {
    readonly quaternion: readonly number[]
    readonly offset: readonly number[]
    readonly handed: number
  }
  readonly data?: Buffer
}

const SFORM = [-1.1, 0, 0, 10, 0, -0.9, 0, 20, 0, 0, 2, -30]

/** A NIfTI file laid out by the published structs nifti_1_header and nifti_2_header. */
function file(spec: Spec = {}): Buffer {
  const {
    version = 1,
    big = false,
    size = [3, 2, 2, 3],
    datatype = 4,
    bits = 16,
    step = 60,
    units = 10,
    sform = SFORM,
  } = spec
  const two = version === 2
  const header = Buffer.alloc(two ? 544 : 352)
  const view = new DataView(header.buffer, header.byteOffset, header.length)
  const short = (at: number, value: number): void => view.setInt16(at, value, !big)
  const real = (at: number, i: number, value: number): void => {
    if (two) view.setFloat64(at + 8 * i, value, !big)
    else view.setFloat32(at + 4 * i, value, !big)
  }
  const code = (at: number, value: number): void => (two ? view.setInt32(at, value, !big) : short(at, value))
  view.setInt32(0, two ? 540 : 348, !big)
  header.write(two ? 'n+2\0\r\n\x1a\n' : 'n+1\0', two ? 4 : 344, 'latin1')
  ;[size.length, ...size].forEach((n, i) => {
    if (two) view.setBigInt64(16 + 8 * i, BigInt(n), !big)
    else short(40 + 2 * i, n)
  })
  short(two ? 12 : 70, datatype)
  short(two ? 14 : 72, bits)
  ;[spec.qform?.handed ?? 1, 1.1, 0.9, 2, step].forEach((n, i) => real(two ? 104 : 76, i, n))
  if (two) view.setBigInt64(168, 544n, !big)
  else view.setFloat32(108, 352, !big)
  real(two ? 176 : 112, 0, spec.slope ?? 0)
  real(two ? 184 : 116, 0, spec.intercept ?? 0)
  if (two) view.setInt32(500, units, !big)
  else header.writeUInt8(units, 123)
  if (sform !== null) {
    code(two ? 348 : 254, 1)
    sform.forEach((n, i) => real(two ? 400 : 280, i, n))
  }
  if (spec.qform !== undefined) {
    code(two ? 344 : 252, 1)
    ;[...spec.qform.quaternion, ...spec.qform.offset].forEach((n, i) => real(two ? 352 : 256, i, n))
  }
  return Buffer.concat([
    header,
    spec.data ??
      values(
        size.reduce((a, b) => a * b, 1),
        big,
      ),
  ])
}

function values(count: number, big: boolean): Buffer {
  const data = Buffer.alloc(2 * count)
  for (let i = 0; i < count; i++) {
    if (big) data.writeInt16BE(7 * i - 50, 2 * i)
    else data.writeInt16LE(7 * i - 50, 2 * i)
  }
  return data
}

const one = (bytes: Uint8Array): { id: string; bytes: Uint8Array }[] => [{ id: 'a', bytes }]
const SAMPLES = Array.from({ length: 36 }, (_, i) => 7 * i - 50)

for (const version of [1, 2] as const) {
  for (const big of [false, true]) {
    test(`NIfTI-${version}, ${big ? 'big' : 'little'} endian, is read plain and gzipped`, async (t) => {
      const bytes = file({ version, big })
      for (const form of [bytes, gzipSync(bytes)]) {
        const volume = await read(one(form))
        t.deepEqual(volume.shape, [3, 2, 2, 3])
        t.deepEqual([...volume.samples], SAMPLES)
        t.true(volume.samples instanceof Int16Array)
        const lps = [1.1, 0, 0, -10, 0, 0.9, 0, -20, 0, 0, 2, -30, 0, 0, 0, 1]
        t.true(
          Math.max(...volume.affineLps.flat().map((value, i) => Math.abs(value - (lps[i] ?? NaN)))) < 1e-6,
        )
        assertTimes(t, volume, [0, 60, 120])
        t.true(warningCodes(volume).includes('EQUIDISTANT_TIMES_ASSUMED'))
      }
    })
  }
}

test('the qform places a file without sform, mirrored too', async (t) => {
  // Half a turn about z: (a, b, c, d) = (0, 0, 0, 1).
  for (const handed of [1, -1]) {
    const qform = { quaternion: [0, 0, 1], offset: [10, 20, -30], handed }
    const volume = await read(one(file({ sform: null, qform })))
    const wanted = [1.1, 0, 0, -10, 0, 0.9, 0, -20, 0, 0, 2 * handed, -30, 0, 0, 0, 1]
    t.true(
      Math.max(...volume.affineLps.flat().map((value, i) => Math.abs(value - (wanted[i] ?? NaN)))) < 1e-5,
    )
  }
})

test('the sform wins over the qform, and units are converted', async (t) => {
  const qform = { quaternion: [0, 0, 0], offset: [1, 2, 3], handed: 1 }
  const metres = await read(one(file({ qform, units: 1 | 16, step: 60_000 })))
  t.is(Math.round(metres.affineLps[0]?.[3] ?? 0), -10_000)
  assertTimes(t, metres, [0, 60, 120])
})

test('a file with neither form is refused', async (t) => {
  await refused(t, one(file({ sform: null })), 'INVALID_NIFTI')
})

const TYPES: [string, number, number, (data: DataView, i: number) => void, number][] = [
  ['uint8', 2, 8, (data, i) => data.setUint8(i, 200 + (i % 2)), 201],
  ['int8', 256, 8, (data, i) => data.setInt8(i, -3 * (i % 2)), -3],
  ['uint16', 512, 16, (data, i) => data.setUint16(2 * i, 60_000 + (i % 2), true), 60_001],
  ['int32', 8, 32, (data, i) => data.setInt32(4 * i, -70_000 * (i % 2), true), -70_000],
  ['uint32', 768, 32, (data, i) => data.setUint32(4 * i, 70_000 * (i % 2), true), 70_000],
  ['int64', 1024, 64, (data, i) => data.setBigInt64(8 * i, BigInt(-70_000 * (i % 2)), true), -70_000],
  ['uint64', 1280, 64, (data, i) => data.setBigUint64(8 * i, BigInt(70_000 * (i % 2)), true), 70_000],
  ['float32', 16, 32, (data, i) => data.setFloat32(4 * i, 0.5 * (i % 2), true), 0.5],
  ['float64', 64, 64, (data, i) => data.setFloat64(8 * i, 0.25 * (i % 2), true), 0.25],
]

for (const [name, datatype, bits, set, second] of TYPES) {
  test(`${name} samples are read`, async (t) => {
    const data = Buffer.alloc((36 * bits) / 8)
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    for (let i = 0; i < 36; i++) set(view, i)
    t.is((await read(one(file({ datatype, bits, data })))).samples[1], second)
  })
}

test('slope and intercept apply, and a slope of zero means none', async (t) => {
  const scaled = await read(one(file({ slope: 2, intercept: 5 })))
  t.deepEqual([scaled.slopes[5], scaled.intercepts[5]], [2, 5])
  const plain = await read(one(file({ slope: 0, intercept: 5 })))
  t.deepEqual([plain.slopes[0], plain.intercepts[0]], [1, 0])
})

test('complex samples are refused', async (t) => {
  await refused(t, one(file({ datatype: 32, bits: 64 })), 'UNSUPPORTED_PIXEL_FORMAT')
})

test('phases without an interval have no times unless the caller gives them', async (t) => {
  await refused(t, one(file({ step: 0 })), 'AMBIGUOUS_TIMES')
  assertTimes(t, await read(one(file({ step: 0 })), { timesS: [5, 95, 160] }), [0, 90, 155])
  await refused(t, one(file()), 'AMBIGUOUS_TIMES', { timesS: [0, 60] })
  await refused(t, one(file()), 'AMBIGUOUS_TIMES', { timesS: [0, 60, 50] })
  t.is((await read(one(file({ step: 0 })), { requireTimes: false })).timesS, null)
})

test('one file for each phase is ordered by the numbers in their names', async (t) => {
  const phase = (value: number): Buffer =>
    file({ size: [3, 2, 2], data: Buffer.alloc(24, Uint8Array.of(value, 0)) })
  const files = [10, 2, 1].map((n) => ({ id: `phase_${n}.nii`, bytes: phase(n) }))
  const volume = await read(files, { timesS: [0, 60, 130] })
  t.deepEqual([volume.samples[0], volume.samples[12], volume.samples[24]], [1, 2, 10])
  t.true(warningCodes(volume).includes('ORDER_FROM_FILE_NAMES'))
  await refused(t, files, 'AMBIGUOUS_TIMES')
  const turned = {
    id: 'phase_11',
    bytes: file({ size: [3, 2, 2], sform: SFORM.map((n, i) => (i === 3 ? n + 1 : n)) }),
  }
  await refused(t, [...files, turned], 'INCONSISTENT_GEOMETRY', { requireTimes: false })
  await refused(t, [...files, { id: 'x', bytes: file({ size: [3, 2, 1] }) }], 'INCONSISTENT_MATRIX', {
    requireTimes: false,
  })
  await refused(t, [...files, { id: 'x', bytes: file() }], 'AMBIGUOUS_SERIES', { requireTimes: false })
})

test('a single volume is too few, and a short file truncated', async (t) => {
  await refused(t, one(file({ size: [3, 2, 2] })), 'TOO_FEW_PHASES')
  const bytes = file()
  await refused(t, one(bytes.subarray(0, bytes.length - 1)), 'TRUNCATED_PIXEL_DATA')
  await refused(t, one(gzipSync(bytes.subarray(0, bytes.length - 1))), 'TRUNCATED_PIXEL_DATA')
  const cut = gzipSync(bytes)
  await refused(t, one(cut.subarray(0, cut.length - 12)), 'TRUNCATED_PIXEL_DATA')
})

test('a header that claims terabytes reserves nothing', async (t) => {
  const claim = file({ size: [30_000, 30_000, 1000, 3], data: Buffer.alloc(100) })
  await refused(t, one(claim), 'EXAM_TOO_LARGE')
  await refused(
    t,
    one(gzipSync(file({ size: [1000, 1000, 100, 3], data: Buffer.alloc(100) }))),
    'TRUNCATED_PIXEL_DATA',
  )
})

test('a saved volume is what another reader expects', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sentinode-'))
  try {
    const volume = await read(
      exam({
        frame: (phase) => ({ geometry: OBLIQUE, extra: [...acquired(phase), [0x00281053, 'DS', '2.5']] }),
      }),
    )
    const path = join(folder, 'out.nii.gz')
    await saveNifti(volume, path)
    const bytes = gunzipSync(readFileSync(path))
    const buffer = Uint8Array.from(bytes).buffer
    const header = nifti.readHeader(buffer)
    t.deepEqual(header.dims.slice(0, 5), [4, COLUMNS, ROWS, 4, 3])
    const lps = affineOf(OBLIQUE)
    const ras = lps.map((row, r) => row.map((value) => (r < 2 ? -value : value)))
    t.true(
      Math.max(...header.affine.flat().map((value, i) => Math.abs(value - (ras.flat()[i] ?? NaN)))) < 1e-5,
    )
    const saved = new Float32Array(nifti.readImage(header, buffer))
    const wanted: number[] = []
    for (let p = 0; p < 3; p++)
      for (let z = 0; z < 4; z++)
        for (let y = 0; y < ROWS; y++) for (let x = 0; x < COLUMNS; x++) wanted.push(2.5 * sample(p, z, y, x))
    t.deepEqual([...saved], wanted)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a form that is no place, or not a number, is refused', async (t) => {
  await refused(t, one(file({ sform: Array<number>(12).fill(0) })), 'INVALID_NIFTI')
  await refused(t, one(file({ sform: [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0] })), 'INVALID_NIFTI')
  await refused(t, one(file({ sform: SFORM.map((value, i) => (i === 3 ? NaN : value)) })), 'INVALID_NIFTI')
})
