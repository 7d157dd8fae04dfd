import { once } from 'node:events'
import { createDeflateRaw } from 'node:zlib'
import test from 'ava'
import { elementHeader, SYNTAX, writeDicom, type Dataset, type FileOptions } from './dicom-writer.js'
import {
  assertAccount,
  assertAffine,
  assertPhantom,
  assertTimes,
  read,
  refused,
  warningCodes,
  type Files,
} from './helpers.js'
import { acquired, AXIAL, baseDataset, exam, framePixels, TIMES, type FrameSpec } from './phantom.js'

const PHASES = [0, 1, 2]

function plain(file: FileOptions, extra: Dataset = []): ReturnType<typeof exam> {
  return exam({ frame: (phase) => ({ extra: [...acquired(phase), ...extra], file }) })
}

const READ: [string, FileOptions][] = [
  ['implicit VR little endian', { syntax: SYNTAX.implicit }],
  ['explicit VR little endian', { syntax: SYNTAX.explicit }],
  ['explicit VR big endian', { syntax: SYNTAX.bigEndian }],
  ['deflated explicit VR little endian', { syntax: SYNTAX.deflated }],
  ['meta information without a preamble', { noPreamble: true }],
  [
    'implicit VR without preamble and meta information',
    { syntax: SYNTAX.implicit, noPreamble: true, noMeta: true },
  ],
  ['explicit VR without preamble and meta information', { noPreamble: true, noMeta: true }],
  [
    'big endian without preamble and meta information',
    { syntax: SYNTAX.bigEndian, noPreamble: true, noMeta: true },
  ],
  ['a preamble without meta information', { noMeta: true }],
]

for (const [name, file] of READ) {
  test(`reads ${name}`, async (t) => {
    const volume = await read(plain(file))
    assertPhantom(t, volume, PHASES, 4)
    assertAffine(t, volume, AXIAL)
    assertTimes(t, volume, TIMES.slice(0, 3))
    assertAccount(t, volume)
    t.true(volume.samples instanceof Int16Array)
  })
}

const ODD_HEADERS: [string, Dataset, FileOptions][] = [
  [
    'sequences that end with delimiters',
    [[0x00081140, 'SQ', [[[0x00081150, 'UI', '1.2']], []]]],
    { undefinedLengths: true },
  ],
  ['empty sequences', [[0x00081140, 'SQ', []]], {}],
  ['values of the 64-bit VRs', [[0x00091001, 'OV', new Uint8Array(16)]], {}],
  ['a private element larger than one read', [[0x00091002, 'OB', new Uint8Array(300_000)]], {}],
  [
    'an icon with pixel data of its own',
    [
      [
        0x00880200,
        'SQ',
        [
          [
            [0x00280010, 'US', [9]],
            [0x7fe00010, 'OW', new Uint8Array(8)],
          ],
        ],
      ],
    ],
    {},
  ],
  [
    'an empty rescale',
    [
      [0x00281052, 'DS', ''],
      [0x00281053, 'DS', ''],
    ],
    {},
  ],
]

for (const [name, extra, file] of ODD_HEADERS) {
  test(`steps over ${name}`, async (t) => {
    assertPhantom(t, await read(plain(file, extra)), PHASES, 4)
    assertPhantom(t, await read(plain({ ...file, syntax: SYNTAX.implicit }, extra)), PHASES, 4)
  })
}

test('a sequence of unknown VR and undefined length is implicit VR inside', async (t) => {
  // (0009,1010) UN, undefined length, one item with (0028,0010) of implicit VR, delimiters.
  const inside = Buffer.from(
    'feff00e0ffffffff' + '28001000020000000900' + 'feff0de000000000' + 'feffdde000000000',
    'hex',
  )
  const head = Buffer.from('09001010554e0000ffffffff', 'hex')
  const files = exam({ frame: (phase) => ({ extra: acquired(phase) }) }).map(({ id, bytes }) => {
    // Patient's name is the first element of group 0010; the sequence goes before it.
    const at = Buffer.from(bytes).indexOf(Buffer.from('10001000504e', 'hex'))
    return { id, bytes: Buffer.concat([bytes.subarray(0, at), head, inside, bytes.subarray(at)]) }
  })
  assertPhantom(t, await read(files), PHASES, 4)
})

test('samples of 12 bits are cut from what else lies in their words', async (t) => {
  const noisy = (phase: number, slice: number): Uint8Array => {
    const bytes = framePixels(phase, slice)
    const words = new Uint16Array(bytes.buffer)
    words.forEach((word, i) => (words[i] = (word & 0x0fff) | (i % 2 === 0 ? 0xa000 : 0)))
    return bytes
  }
  const format: Dataset = [
    [0x00280101, 'US', [12]],
    [0x00280102, 'US', [11]],
  ]
  const files = exam({
    frame: (phase, slice) => ({
      extra: [...acquired(phase), ...format, [0x7fe00010, 'OW', noisy(phase, slice)]],
    }),
  })
  assertPhantom(t, await read(files), PHASES, 4)
})

test('eight-bit samples are read, in big-endian words too', async (t) => {
  const format: Dataset = [
    [0x00280100, 'US', [8]],
    [0x00280101, 'US', [8]],
    [0x00280102, 'US', [7]],
    [0x00280103, 'US', [0]],
  ]
  const values = Uint8Array.from({ length: 30 }, (_, i) => i * 3)
  const swapped = Uint8Array.from(values, (_, i) => values[i ^ 1] ?? 0)
  for (const [syntax, pixels] of [
    [SYNTAX.explicit, values],
    [SYNTAX.bigEndian, swapped],
  ] as const) {
    const frame = (phase: number): Partial<FrameSpec> => ({
      extra: [...acquired(phase), ...format, [0x7fe00010, 'OW', pixels]],
      file: { syntax },
    })
    const volume = await read(exam({ frame }))
    t.deepEqual([...volume.samples.subarray(0, 30)], [...values])
    t.true(volume.samples instanceof Uint16Array)
  }
})

test('unsigned samples above 32767 stay what they are', async (t) => {
  const pixels = Uint8Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? 1 : 0xf0))
  const extra: Dataset = [
    [0x00280103, 'US', [0]],
    [0x7fe00010, 'OW', pixels],
  ]
  const volume = await read(exam({ frame: (phase) => ({ extra: [...acquired(phase), ...extra] }) }))
  t.true(volume.samples instanceof Uint16Array)
  t.true(volume.samples.every((sample) => sample === 0xf001))
  t.true(warningCodes(volume).includes('NO_VISIBLE_ENHANCEMENT'))
})

test('phases that differ in signedness share a type that holds both', async (t) => {
  const unsigned: Dataset = [
    [0x00280103, 'US', [0]],
    [0x7fe00010, 'OW', new Uint8Array(60).fill(0xf0)],
  ]
  const volume = await read(
    exam({ frame: (phase) => ({ extra: [...acquired(phase), ...(phase === 1 ? unsigned : [])] }) }),
  )
  t.true(volume.samples instanceof Float32Array)
  t.is(volume.samples[120], 0xf0f0)
  t.is(volume.samples[0], -40)
})

test('float pixel data are read as they are', async (t) => {
  const values = new Float32Array(30).map((_, i) => i / 7)
  const extra: Dataset = [
    [0x00280100, 'US', [32]],
    [0x7fe00008, 'OF', new Uint8Array(values.buffer)],
  ]
  const volume = await read(
    exam({
      frame: (phase) => ({
        extra: [...acquired(phase), ...extra],
        drop: [0x00280101, 0x00280102, 0x00280103],
      }),
    }),
  )
  t.deepEqual(volume.samples.subarray(0, 30), values)
})

test('each frame keeps its own slope and intercept', async (t) => {
  const scale = (phase: number, slice: number): Dataset => [
    [0x00281052, 'DS', String(-slice)],
    [0x00281053, 'DS', String(phase + 0.5)],
  ]
  const volume = await read(
    exam({ frame: (phase, slice) => ({ extra: [...acquired(phase), ...scale(phase, slice)] }) }),
  )
  t.deepEqual(
    [...volume.slopes],
    [0, 1, 2].flatMap((phase) => Array<number>(4).fill(phase + 0.5)),
  )
  t.deepEqual(
    [...volume.intercepts],
    [0, 1, 2].flatMap(() => [0, -1, -2, -3]),
  )
  t.true(volume.samples instanceof Int16Array)
})

test('a slope of zero is refused', async (t) => {
  await refused(t, plain({}, [[0x00281053, 'DS', '0']]), 'UNSUPPORTED_PIXEL_FORMAT')
})

test('one-bit samples are refused', async (t) => {
  await refused(
    t,
    plain({}, [
      [0x00280100, 'US', [1]],
      [0x00280101, 'US', [1]],
      [0x00280102, 'US', [0]],
    ]),
    'UNSUPPORTED_PIXEL_FORMAT',
  )
})

test('a file cut within its pixel data is refused, plain and deflated', async (t) => {
  for (const syntax of [SYNTAX.explicit, SYNTAX.deflated]) {
    const files = plain({ syntax }).map((file, i) =>
      i === 5 ? { ...file, bytes: file.bytes.subarray(0, file.bytes.length - 20) } : file,
    )
    await refused(t, files, 'TRUNCATED_PIXEL_DATA')
  }
})

test('a deflated file that does not unpack is passed over or refused, by where it breaks', async (t) => {
  // Stored in blocks: garbage cannot pass for another code, and the break lies far behind the header.
  const pixels = new Uint8Array(2 * 512 * 512)
  const large: Dataset = [
    [0x00280010, 'US', [512]],
    [0x00280011, 'US', [512]],
    [0x7fe00010, 'OW', pixels],
  ]
  const files = plain({ syntax: SYNTAX.deflated, deflateLevel: 0 }, large)
  const broken = (from: number): Files =>
    files.map((file, i) =>
      i === 5 ? { ...file, bytes: file.bytes.map((byte, at) => (at < from ? byte : 0xff)) } : file,
    )
  await t.notThrowsAsync(read(files))
  await refused(t, broken(200), 'INCOMPLETE_PHASE')
  await refused(t, broken((files[5]?.bytes.length ?? 0) / 2), 'CORRUPT_PIXEL_DATA')
})

test('a deflated file that would unpack to far more is unpacked no further than it is asked for', async (t) => {
  // A private element of 192 MiB of zeros, packed to a thousandth of it.
  const header = elementHeader(0x00090010, 'OB', 48 * 2 ** 22, { explicit: true, big: false })
  const files = plain({ syntax: SYNTAX.deflated })
  const [first] = files
  const start = 132 + 12 + Buffer.from(first?.bytes ?? []).readUInt32LE(140)
  const packer = createDeflateRaw()
  const packed: Buffer[] = []
  packer.on('data', (piece: Buffer) => packed.push(piece))
  packer.write(header)
  for (let i = 0; i < 48; i++) if (!packer.write(Buffer.alloc(2 ** 22))) await once(packer, 'drain')
  packer.end()
  await once(packer, 'end')
  const bomb = Buffer.concat([(first?.bytes ?? new Uint8Array()).subarray(0, start), ...packed])
  const before = process.memoryUsage().arrayBuffers
  let peak = 0
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().arrayBuffers)), 1)
  await refused(t, [...files.slice(1), { id: 'bomb', bytes: bomb }], 'INCOMPLETE_PHASE')
  clearInterval(timer)
  t.true(peak - before < 64 * 2 ** 20, `${peak - before} bytes`)
})

test('a file cut within its header leaves its phase incomplete', async (t) => {
  const files = plain({}).map((file, i) => (i === 5 ? { ...file, bytes: file.bytes.subarray(0, 400) } : file))
  await refused(t, files, 'INCOMPLETE_PHASE')
})

test('files of other kinds are passed over and counted', async (t) => {
  const other = ['', 'hello', '\0'.repeat(1000), 'PK\x03\x04 not a dicom file'].map((text, i) => ({
    id: `x${i}`,
    bytes: Buffer.from(text),
  }))
  const volume = await read([...plain({}), ...other])
  assertPhantom(t, volume, PHASES, 4)
  t.deepEqual(warningCodes(volume), ['FILES_LEFT_OUT'])
  t.regex(volume.warnings[0]?.message ?? '', /^4 files/)
})

test('an exam without any DICOM or NIfTI file is refused', async (t) => {
  t.regex((await refused(t, [], 'NOT_DICOM')).message, /no files/)
  const error = await refused(t, [{ id: 'a', bytes: Buffer.from('a letter') }], 'NOT_DICOM')
  t.regex(error.message, /1 files that are neither/)
})

test('reports and other objects without pixels are counted as no images', async (t) => {
  const report = writeDicom([...baseDataset({ phase: 0, slice: 0, series: 99 })])
  const volume = await read([...plain({}), { id: 'report', bytes: report }])
  assertAccount(t, volume, { NOT_AN_IMAGE: 1 })
})

test('an image of the dynamic series without any pixel data is refused', async (t) => {
  const files = exam({
    phases: 4,
    frame: (phase) => ({ extra: acquired(phase), ...(phase === 3 ? { drop: [0x7fe00010] } : {}) }),
  })
  await refused(t, files, 'TRUNCATED_PIXEL_DATA')
})

test('numbers are read in the representation that the file gives them', async (t) => {
  const number = (value: number): Uint8Array => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, value, true)
    return bytes
  }
  const files = exam({
    frame: (phase) => ({
      extra: [
        ...acquired(phase),
        [0x00280010, 'IS', '6'],
        [0x00281052, 'FD', [-3]],
        [0x00281053, 'FD', [0.5]],
        [0x00200011, 'US', [5]],
        [0x00180081, 'UN', '2.4'],
        [0x00189082, 'UN', number(2.4)],
      ],
    }),
  })
  const volume = await read(files)
  t.deepEqual(volume.shape, [3, 4, 6, 5])
  t.deepEqual([volume.slopes[0], volume.intercepts[0], volume.series[0]?.number], [0.5, -3, 5])
})

test('a modality table in place of slope and intercept is refused', async (t) => {
  const table: Dataset = [[0x00283000, 'SQ', [[[0x00283002, 'US', [2, 0, 16]]]]]]
  await refused(t, plain({}, table), 'UNSUPPORTED_PIXEL_FORMAT')
})

test('bounds on files, frames and pixel bytes are kept', async (t) => {
  await refused(t, plain({}), 'EXAM_TOO_LARGE', { limits: { maxFiles: 11 } })
  await refused(t, plain({}), 'EXAM_TOO_LARGE', { limits: { maxFrames: 11 } })
  await refused(t, plain({}), 'EXAM_TOO_LARGE', { limits: { maxPixelBytes: 719 } })
  await t.notThrowsAsync(read(plain({}), { limits: { maxFiles: 12, maxFrames: 12, maxPixelBytes: 720 } }))
})

test('an object that claims a million frames is refused before anything is reserved for them', async (t) => {
  await refused(t, plain({}, [[0x00280008, 'IS', '1000000']]), 'EXAM_TOO_LARGE')
})

test('a reading that is called off stops with the reason of its signal', async (t) => {
  const reason = new Error('the caller went away')
  await t.throwsAsync(read(plain({}), { signal: AbortSignal.abort(reason) }), { is: reason })
})

test('the volume is asked for before it is allocated, and told which files it comes from', async (t) => {
  const files = exam({ frame: (phase) => ({ extra: acquired(phase) }) })
  const localizer = exam({
    phases: 1,
    slices: 2,
    frame: () => ({ series: 1, imageType: 'ORIGINAL\\PRIMARY\\LOCALIZER' }),
  }).map(({ bytes }, i) => ({ id: `localizer ${i}`, bytes }))
  const used: string[] = []
  const asked: number[] = []
  const volume = await read([...localizer, ...files], {
    allocate: (bytes) => Promise.resolve((asked.push(bytes), new ArrayBuffer(bytes))),
    onUsed: (files) => Promise.resolve(void used.push(...files.map(({ id }) => id))),
  })
  t.deepEqual(asked, [volume.samples.byteLength])
  t.deepEqual(used, files.map(({ id }) => id).sort())

  const full = new Error('no room')
  t.is(await t.throwsAsync(read(files, { allocate: () => Promise.reject(full) })), full)
})
