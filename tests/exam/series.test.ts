import test from 'ava'
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
import { writeDicom, type Dataset } from './dicom-writer.js'
import {
  acquired,
  AT,
  AXIAL,
  baseDataset,
  exam,
  framePixels,
  OBLIQUE,
  positionOf,
  SAGITTAL,
  ds,
  TIMES,
  tm,
  type ExamSpec,
  type Geometry,
} from './phantom.js'

const PLANES: Geometry[] = [AXIAL, SAGITTAL, { ...AXIAL, column: [0, 0, -1] }]

function localizer(series = 1, imageType = 'ORIGINAL\\PRIMARY\\LOCALIZER'): Files {
  return exam({
    phases: 1,
    slices: 3,
    frame: (_, z) => ({ series, imageType, geometry: PLANES[z] ?? AXIAL }),
  })
}

function t2(series = 2): Files {
  return exam({ phases: 1, slices: 5, frame: () => ({ series, echoTime: '90' }) })
}

function derived(imageType: string, series = 9): Files {
  return exam({ phases: 2, slices: 4, frame: (phase) => ({ series, imageType, extra: acquired(phase + 1) }) })
}

function dynamic(series = 5, more: Partial<ExamSpec> = {}): Files {
  return exam({ frame: (phase) => ({ series, extra: acquired(phase) }), ...more })
}

for (const [name, geometry] of [
  ['axial', AXIAL],
  ['sagittal', SAGITTAL],
  ['oblique', OBLIQUE],
] as const) {
  test(`slices of an ${name} stack ascend along row x column`, async (t) => {
    const volume = await read(exam({ frame: (phase) => ({ geometry, extra: acquired(phase) }) }))
    assertPhantom(t, volume, [0, 1, 2], 4)
    assertAffine(t, volume, geometry)
    const [rows, columns, slices] = geometry.spacing
    const off = volume.spacingMm.map((mm, i) => Math.abs(mm - ([slices, rows, columns][i] ?? 0)))
    t.true(Math.max(...off) < 1e-6)
  })
}

test('InstanceNumber is not looked at', async (t) => {
  const files = exam({
    frame: (phase, slice) => ({
      extra: [...acquired(phase), [0x00200013, 'IS', String(99 - phase * 7 - slice * 3)]],
    }),
  })
  assertPhantom(t, await read(files), [0, 1, 2], 4)
})

test('one series of all phases is found among the others of its study', async (t) => {
  const pile = [...localizer(), ...t2(), ...dynamic(), ...derived('DERIVED\\PRIMARY\\SUBTRACTION')]
  const volume = await read(pile)
  assertPhantom(t, volume, [0, 1, 2], 4)
  assertAccount(t, volume, { LOCALIZER: 3, T2_WEIGHTED: 5, DERIVED: 8 })
  t.deepEqual(volume.series, [{ number: 5, ordinal: 3, phases: 3, frames: 12 }])
})

test('a series before and one after contrast agent belong together', async (t) => {
  const files = exam({ frame: (phase) => ({ series: phase === 0 ? 5 : 6, extra: acquired(phase) }) })
  const volume = await read([...files, ...t2()])
  assertPhantom(t, volume, [0, 1, 2], 4)
  assertTimes(t, volume, TIMES.slice(0, 3))
  t.deepEqual(
    volume.series.map(({ number, phases }) => [number, phases]),
    [
      [5, 1],
      [6, 2],
    ],
  )
})

test('one series for each phase is put in order by time, not by number', async (t) => {
  const volume = await read(
    exam({ phases: 4, frame: (phase) => ({ series: 20 - phase, extra: acquired(phase) }) }),
  )
  assertPhantom(t, volume, [0, 1, 2, 3], 4)
  assertTimes(t, volume, TIMES.slice(0, 4))
})

test('series numbers order series that nothing else orders, without times', async (t) => {
  const files = exam({ frame: (phase) => ({ series: 5 + phase }) })
  await refused(t, files, 'AMBIGUOUS_TIMES')
  assertPhantom(t, await read(files, { requireTimes: false }), [0, 1, 2], 4)
})

test('TriggerTime counts from the start of its own series', async (t) => {
  const trigger = (seconds: number): Dataset => [[0x00181060, 'DS', String(seconds * 1000)]]
  // The second series restarts at a smaller value than the first one holds.
  const files = exam({
    frame: (phase) => ({
      series: phase === 0 ? 5 : 6,
      extra: [...acquired(phase), ...trigger(phase === 0 ? 500 : 30 * phase)],
    }),
  })
  const volume = await read(files)
  assertPhantom(t, volume, [0, 1, 2], 4)
  t.is(volume.timesFrom, 'AcquisitionTime')
})

const LEFT_OUT: [string, Files, string][] = [
  ['a subtraction by its image type', derived('ORIGINAL\\PRIMARY\\SUB'), 'DERIVED'],
  ['a secondary image', derived('ORIGINAL\\SECONDARY\\M'), 'DERIVED'],
  ['a projection', derived('DERIVED\\PRIMARY\\MIP'), 'DERIVED'],
  ['phase images', derived('ORIGINAL\\PRIMARY\\PHASE MAP\\P\\FFE'), 'NOT_MAGNITUDE'],
  ['diffusion images', derived('ORIGINAL\\PRIMARY\\DIFFUSION'), 'DIFFUSION'],
  ['mosaics', derived('ORIGINAL\\PRIMARY\\M\\MOSAIC'), 'MOSAIC'],
  ['copies that are corrected for motion', derived('ORIGINAL\\PRIMARY\\M\\ND\\MOCO'), 'DERIVED'],
  [
    'images of another modality',
    exam({ phases: 2, frame: (p) => ({ series: 9, extra: [[0x00080060, 'CS', 'CT'], ...acquired(p)] }) }),
    'NOT_MR',
  ],
  [
    'colour images',
    exam({
      phases: 2,
      frame: (p) => ({
        series: 9,
        extra: [[0x00280002, 'US', [3]], [0x00280004, 'CS', 'RGB'], ...acquired(p)],
      }),
    }),
    'COLOUR',
  ],
  [
    'images without a place',
    exam({ phases: 2, frame: (p) => ({ series: 9, extra: acquired(p), drop: [0x00200032] }) }),
    'NO_GEOMETRY',
  ],
  ['three planes that do not say they are a localizer', localizer(1, 'ORIGINAL\\PRIMARY\\M'), 'LOCALIZER'],
  ['another single series', exam({ phases: 1, frame: () => ({ series: 9, echoTime: '9' }) }), 'NOT_DYNAMIC'],
]

for (const [name, files, reason] of LEFT_OUT) {
  test(`${name}: left out as ${reason}`, async (t) => {
    const volume = await read([...files, ...dynamic()])
    assertPhantom(t, volume, [0, 1, 2], 4)
    assertAccount(t, volume, { [reason]: files.length })
  })
}

test('bolus timing, one slice many times, is not the dynamic series', async (t) => {
  const timing = exam({
    phases: 6,
    slices: 1,
    frame: (phase) => ({ series: 4, extra: acquired(phase, AT - 900) }),
  })
  assertAccount(t, await read([...timing, ...dynamic()]), { SINGLE_SLICE: 6 })
  await refused(t, [...localizer(), ...timing], 'NO_DYNAMIC_SERIES')
})

test('lossy compression does not make an image a derived one', async (t) => {
  const files = exam({
    frame: (phase) => ({
      imageType: 'DERIVED\\PRIMARY\\M',
      extra: [...acquired(phase), [0x00282110, 'CS', '01']],
    }),
  })
  const volume = await read(files)
  assertPhantom(t, volume, [0, 1, 2], 4)
  t.true(warningCodes(volume).includes('LOSSY_COMPRESSION'))
})

test('an exam without a series that could be dynamic says what it has', async (t) => {
  const error = await refused(
    t,
    [...localizer(), ...t2(), ...derived('DERIVED\\PRIMARY\\SUB')],
    'NO_DYNAMIC_SERIES',
  )
  t.deepEqual(error.facts, { LOCALIZER: 3, T2_WEIGHTED: 5, DERIVED: 8 })
})

test('a single phase is too few', async (t) => {
  await refused(t, [...localizer(), ...t2(), ...dynamic(5, { phases: 1 })], 'TOO_FEW_PHASES')
})

test('two dynamic series are ambiguous, of one region or of two', async (t) => {
  const later = exam({ frame: (phase) => ({ series: 7, extra: acquired(phase, AT + 2000) }) })
  const error = await refused(t, [...dynamic(), ...later], 'AMBIGUOUS_SERIES')
  t.regex(error.message, /number 5, number 7/)
  const right: Geometry = { ...SAGITTAL, origin: [60, -50, 60] }
  const breasts = [SAGITTAL, right].flatMap((geometry, i) =>
    exam({ frame: (phase) => ({ series: 5 + i, geometry, extra: acquired(phase) }) }),
  )
  await refused(t, breasts, 'AMBIGUOUS_SERIES')
})

test('another repetition of the sequence in another plane is left out', async (t) => {
  const delayed = exam({ phases: 1, frame: () => ({ series: 8, geometry: SAGITTAL, extra: acquired(5) }) })
  const volume = await read([...dynamic(), ...delayed])
  assertPhantom(t, volume, [0, 1, 2], 4)
  assertAccount(t, volume, { NOT_DYNAMIC: 4 })
})

test('with and without fat saturation are two sequences', async (t) => {
  const before = exam({ phases: 1, frame: () => ({ series: 4, extra: acquired(0, AT - 300) }) })
  const saturated = exam({ frame: (phase) => ({ extra: [...acquired(phase), [0x00180022, 'CS', 'FS']] }) })
  assertAccount(t, await read([...before, ...saturated]), { NOT_DYNAMIC: 4 })
})

test('two echoes of one series are not two phases', async (t) => {
  const echoes = exam({
    phases: 2,
    frame: (echo) => ({ series: 8, echoTime: echo === 0 ? '6' : '12', extra: acquired(0) }),
  })
  const volume = await read([...dynamic(), ...echoes])
  assertAccount(t, volume, { NOT_DYNAMIC: 8 })
})

test('a phase in another matrix is refused and not passed over', async (t) => {
  const wide = exam({
    phases: 1,
    frame: (_, slice) => ({
      series: 6,
      extra: [
        ...acquired(1),
        [0x00280011, 'US', [10]],
        [0x7fe00010, 'OW', framePixels(1, slice, false, 6, 10)],
      ],
    }),
  })
  const rest = exam({
    frame: (phase) => (phase === 1 ? null : { series: phase + 5, extra: acquired(phase) }),
  })
  await refused(t, [...wide, ...rest], 'INCONSISTENT_MATRIX')
  await refused(
    t,
    exam({ frame: (phase) => ({ extra: [...acquired(phase), ...(phase === 1 ? zoomed : [])] }) }),
    'INCONSISTENT_MATRIX',
  )
})

const zoomed: Dataset = [[0x00280030, 'DS', '0.91\\1.1']]

test('slices of two orientations in one series are refused', async (t) => {
  const tilted: Geometry = {
    ...AXIAL,
    row: [Math.cos(0.02), Math.sin(0.02), 0],
    column: [-Math.sin(0.02), Math.cos(0.02), 0],
  }
  for (const geometry of [SAGITTAL, tilted]) {
    const orientation: Dataset = [[0x00200037, 'DS', ds([...geometry.row, ...geometry.column])]]
    const files = exam({
      frame: (phase, slice) => ({
        extra: [...acquired(phase), ...(phase === 2 && slice === 1 ? orientation : [])],
      }),
    })
    await refused(t, files, 'MIXED_ORIENTATION')
  }
})

test('a phase that moved within its planes is refused', async (t) => {
  const moved: Geometry = { ...AXIAL, origin: [-9, -20, -30] }
  await refused(
    t,
    exam({ frame: (phase) => ({ geometry: phase === 1 ? moved : AXIAL, extra: acquired(phase) }) }),
    'INCONSISTENT_GEOMETRY',
  )
})

test('a sheared stack is refused', async (t) => {
  const sheared = (slice: number): Dataset => {
    const [x, y, z] = positionOf(AXIAL, slice)
    return [[0x00200032, 'DS', ds([x + slice * 0.5, y, z])]]
  }
  await refused(
    t,
    exam({ frame: (phase, slice) => ({ extra: [...acquired(phase), ...sheared(slice)] }) }),
    'INCONSISTENT_GEOMETRY',
  )
})

test('uneven slices are a warning within a tenth and a refusal beyond', async (t) => {
  const shifted = (by: number): Files =>
    exam({
      frame: (phase, slice) => {
        const [x, y, z] = positionOf(AXIAL, slice)
        return { extra: [...acquired(phase), [0x00200032, 'DS', ds([x, y, z + (slice === 3 ? by : 0)])]] }
      },
    })
  t.true(warningCodes(await read(shifted(0.12))).includes('UNEVEN_SPACING'))
  await refused(t, shifted(0.6), 'INCONSISTENT_GEOMETRY')
  await refused(t, shifted(2), 'MISSING_SLICE')
})

test('positions that differ in their last digits are one position', async (t) => {
  const files = exam({
    frame: (phase, slice) => {
      const [x, y, z] = positionOf(AXIAL, slice)
      return { extra: [...acquired(phase), [0x00200032, 'DS', ds([x, y, z + 0.003 * phase])]] }
    },
  })
  assertPhantom(t, await read(files), [0, 1, 2], 4)
})

test('files of two patients are refused before anything else', async (t) => {
  const other = (extra: Dataset, patient?: string): Files =>
    exam({
      frame: (phase, slice) => ({
        extra: [...acquired(phase), ...(slice === 1 ? extra : [])],
        ...(patient !== undefined && slice === 1 ? { patient } : {}),
      }),
    })
  await refused(t, other([], 'CANARY2'), 'MULTIPLE_PATIENTS')
  await refused(t, other([[0x00100030, 'DA', '19750102']]), 'MULTIPLE_PATIENTS')
  await refused(t, other([[0x00100010, 'PN', 'CANARY^OTHER']]), 'MULTIPLE_PATIENTS')
  await refused(
    t,
    [...t2(), ...exam({ phases: 1, frame: () => ({ patient: 'CANARY2' }) })],
    'MULTIPLE_PATIENTS',
  )
})

test("writers' habits in names do not make two patients", async (t) => {
  const names = ['CANARY^EXAM', 'Canary^Exam', 'CANARY^EXAM^^', 'CANARY^EXAM=X']
  const files = exam({
    frame: (phase, slice) => ({ extra: [...acquired(phase), [0x00100010, 'PN', names[slice] ?? '']] }),
  })
  await t.notThrowsAsync(read(files))
})

test('a transfer syntax that is not read is refused by its name, in the dynamic series only', async (t) => {
  const movie = (dataset: Dataset): Uint8Array =>
    writeDicom([...dataset, [0x7fe00010, 'OB', { fragments: [new Uint8Array(8)] }]], {
      syntax: '1.2.840.10008.1.2.4.201',
    })
  const files = [0, 1].flatMap((phase) =>
    [0, 1, 2].map((slice) => ({
      id: `${phase}${slice}`,
      bytes: movie(baseDataset({ phase, slice, extra: acquired(phase) })),
    })),
  )
  const error = await refused(t, files, 'UNSUPPORTED_TRANSFER_SYNTAX')
  t.regex(error.message, /High-Throughput JPEG 2000/)
  const scout = movie(
    baseDataset({ phase: 0, slice: 0, series: 1, imageType: 'ORIGINAL\\PRIMARY\\LOCALIZER' }),
  )
  assertAccount(t, await read([...dynamic(), { id: 'scout', bytes: scout }]), { LOCALIZER: 1 })
})

test('when several reasons apply, the documented first is given', async (t) => {
  const second =
    (extra: Dataset) =>
    (phase: number, slice: number): Dataset =>
      phase === 1 && slice === 1 ? extra : []
  const files = (...faults: Dataset[]): Files =>
    exam({
      slices: 6,
      frame: (p, z) =>
        z === 4
          ? null
          : {
              extra: [
                ...acquired(0),
                [0x00080031, 'TM', tm(AT)],
                ...faults.flatMap((fault) => second(fault)(p, z)),
              ],
            },
    })
  const turned: Dataset = [[0x00200037, 'DS', ds([0, 1, 0, 0, 0, -1])]]
  const short: Dataset = [[0x7fe00010, 'OW', new Uint8Array(10)]]
  // A gap, and phases that nothing tells apart, stand behind every other fault.
  await refused(t, files(zoomed, turned, short), 'INCONSISTENT_MATRIX')
  await refused(t, files(turned, short), 'MIXED_ORIENTATION')
  await refused(t, files(short), 'TRUNCATED_PIXEL_DATA')
  await refused(t, files(), 'AMBIGUOUS_PHASES')
})

/** Parts of a Dixon series, each a series of its own with all phases. */
function dixon(parts: readonly string[]): Files {
  return parts.flatMap((part, i) =>
    exam({
      frame: (phase) => ({
        series: 5 + i,
        imageType: `DERIVED\\PRIMARY\\DIXON\\${part}`,
        extra: acquired(phase),
      }),
    }),
  )
}

test('water images are dynamic, whatever scanners call them, and preferred to the other parts of Dixon', async (t) => {
  const water = await read(dixon(['WATER']))
  assertPhantom(t, water, [0, 1, 2], 4)
  assertAccount(t, water)
  const volume = await read(dixon(['IN_PHASE', 'WATER', 'FAT', 'OUT_PHASE']))
  assertPhantom(t, volume, [0, 1, 2], 4)
  assertAccount(t, volume, { NOT_WATER: 36 })
  t.is(volume.series[0]?.number, 6)
})

test('water beside another dynamic series is ambiguous, and so are parts without water', async (t) => {
  await refused(t, [...dixon(['WATER']), ...dynamic(9)], 'AMBIGUOUS_SERIES')
  await refused(t, dixon(['IN_PHASE', 'OUT_PHASE']), 'AMBIGUOUS_SERIES')
})

test('a localizer inside the dynamic series is a mixed orientation', async (t) => {
  const planes = exam({
    phases: 1,
    slices: 3,
    frame: (_, z) => ({ geometry: { ...(PLANES[z] ?? AXIAL), spacing: AXIAL.spacing }, extra: acquired(0) }),
  })
  await refused(t, [...dynamic(), ...planes], 'MIXED_ORIENTATION')
})

test('a series that lies beside the others along the normal is refused, one without an end incomplete', async (t) => {
  const moved = (mm: number): Geometry => ({
    ...AXIAL,
    origin: [AXIAL.origin[0], AXIAL.origin[1], AXIAL.origin[2] + mm],
  })
  const at = (mm: number): Files =>
    exam({
      phases: 3,
      slices: 6,
      frame: (p) => ({ series: 5 + p, geometry: p === 1 ? moved(mm) : AXIAL, extra: acquired(p) }),
    })
  const error = await refused(t, at(0.7), 'INCONSISTENT_GEOMETRY')
  t.regex(error.message, /0\.70 mm/)
  await refused(t, at(2 * AXIAL.spacing[2]), 'INCOMPLETE_PHASE')
})

test('frames of the dynamic series without a place are not passed over in silence', async (t) => {
  // A whole phase without positions: what is left would look complete.
  const files = exam({
    phases: 4,
    frame: (phase) => ({ extra: acquired(phase), ...(phase === 3 ? { drop: [0x00200032] } : {}) }),
  })
  const error = await refused(t, files, 'INCONSISTENT_GEOMETRY')
  t.is(error.facts['frames'], 4)
})

test('names in two character sets do not make two patients', async (t) => {
  const names = ['CANARY^\xc4NNE', 'CANARY^\xc3\x84NNE']
  const files = exam({
    frame: (phase, slice) => ({ extra: [...acquired(phase), [0x00100010, 'PN', names[slice % 2] ?? '']] }),
  })
  await t.notThrowsAsync(read(files))
})
