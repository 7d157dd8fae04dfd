import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { writeDicom } from './dicom-writer.js'
import { assertPhantom, read, refused, warningCodes, type Files } from './helpers.js'
import { acquired, baseDataset, COLUMNS, ROWS, sample } from './phantom.js'

/** Compressed by DCMTK and OpenJPEG from the phantom: two phases of two slices. */
const ROOT = new URL('../fixtures/compressed/', import.meta.url).pathname

function folder(name: string): Files {
  return readdirSync(ROOT + name).map((id) => ({ id, bytes: readFileSync(`${ROOT}${name}/${id}`) }))
}

for (const name of ['rle', 'jpeg-lossless', 'jpeg-lossless-14', 'jpeg-ls']) {
  test(`${name} is read exactly, negative values included`, async (t) => {
    assertPhantom(t, await read(folder(name)), [0, 1], 2)
  })
}

function jpeg2000(change: (codestream: Uint8Array) => Uint8Array = (codestream) => codestream): Files {
  return readdirSync(`${ROOT}jpeg-2000`).map((id) => {
    const [phase = 0, slice = 0] = id.split(/[-.]/).map(Number)
    const codestream = change(Uint8Array.from(readFileSync(`${ROOT}jpeg-2000/${id}`)))
    const dataset = baseDataset({
      phase,
      slice,
      extra: [...acquired(phase), [0x7fe00010, 'OB', { fragments: [codestream] }]],
    })
    return { id, bytes: writeDicom(dataset, { syntax: '1.2.840.10008.1.2.4.90' }) }
  })
}

test('jpeg-2000 is read exactly, negative values included', async (t) => {
  assertPhantom(t, await read(jpeg2000()), [0, 1], 2)
})

test('jpeg-2000 in several fragments is put together', async (t) => {
  const files = readdirSync(`${ROOT}jpeg-2000`).map((id) => {
    const [phase = 0, slice = 0] = id.split(/[-.]/).map(Number)
    const codestream = Uint8Array.from(readFileSync(`${ROOT}jpeg-2000/${id}`))
    const fragments = [codestream.subarray(0, 50), codestream.subarray(50)]
    const dataset = baseDataset({
      phase,
      slice,
      extra: [...acquired(phase), [0x7fe00010, 'OB', { fragments }]],
    })
    return { id, bytes: writeDicom(dataset, { syntax: '1.2.840.10008.1.2.4.90' }) }
  })
  assertPhantom(t, await read(files), [0, 1], 2)
})

test('near-lossless jpeg-ls is within its bound, and said to be lossy', async (t) => {
  const volume = await read(folder('jpeg-ls-near'))
  t.deepEqual(volume.shape, [2, 2, ROWS, COLUMNS])
  t.true(volume.samples instanceof Uint16Array)
  const off = [...volume.samples].map((value, i) => {
    const frame = Math.floor(i / (ROWS * COLUMNS))
    const pixel = i % (ROWS * COLUMNS)
    // Stored without a sign: 40 more than the phantom.
    return Math.abs(value - 40 - sample(frame >> 1, frame & 1, Math.floor(pixel / COLUMNS), pixel % COLUMNS))
  })
  t.true(Math.max(...off) <= 2)
  t.true(warningCodes(volume).includes('LOSSY_COMPRESSION'))
})

test('eight-bit jpeg is close to what was compressed', async (t) => {
  const volume = await read(folder('jpeg-baseline'))
  // The encoder took the smallest value off each frame: a ramp from row to row is left.
  const off = [...volume.samples].map((value, i) => Math.abs(value - 10 * Math.floor((i % 30) / COLUMNS)))
  t.is(off.length, 120)
  t.true(Math.max(...off) <= 2)
})

test('a codestream that is broken, or of another size than the header, is refused', async (t) => {
  await refused(
    t,
    jpeg2000((codestream) => codestream.subarray(0, 30)),
    'CORRUPT_PIXEL_DATA',
  )
  const wide = (codestream: Uint8Array): Uint8Array => {
    codestream.set([0x7f, 0xff, 0xff, 0xff], 8)
    return codestream
  }
  await refused(t, jpeg2000(wide), 'CORRUPT_PIXEL_DATA')
  // The decoder that met them reads the next exam.
  assertPhantom(t, await read(jpeg2000()), [0, 1], 2)
})

test('compressed files that end early are refused as truncated', async (t) => {
  for (const name of ['rle', 'jpeg-ls']) {
    const files = folder(name).map(({ id, bytes }) => ({ id, bytes: bytes.subarray(0, bytes.length - 30) }))
    await refused(t, files, 'TRUNCATED_PIXEL_DATA')
  }
})

for (const [name, files, exact] of [
  ['jpeg-ls', folder('jpeg-ls'), true],
  ['jpeg-2000', jpeg2000(), true],
  ['jpeg-baseline', folder('jpeg-baseline'), false],
] as const) {
  test(`whatever a corrupt ${name} frame does to its decoder, the next exam is read`, async (t) => {
    const whole = await read(files)
    let refusals = 0
    for (let at = 1; at <= 60; at++) {
      const broken = files.map(({ id, bytes }) => {
        const copy = Uint8Array.from(bytes)
        // Frames lie at the end of these files: each round another run of bytes of theirs.
        copy.fill(at % 2 === 0 ? 0xff : 0, copy.length - 4 * at, copy.length - 4 * at + 4)
        return { id, bytes: copy }
      })
      await read(broken).catch(() => refusals++)
      const { samples } = await read(files)
      t.deepEqual(samples, whole.samples)
    }
    t.true(refusals > 0)
    if (exact) assertPhantom(t, await read(files), [0, 1], 2)
  })
}
