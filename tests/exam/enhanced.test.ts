import test from 'ava'
import { writeDicom, type Dataset, type Element, type FileOptions } from './dicom-writer.js'
import {
  assertAccount,
  assertAffine,
  assertPhantom,
  assertTimes,
  read,
  refused,
  type Files,
} from './helpers.js'
import {
  AT,
  baseDataset,
  CANARY,
  COLUMNS,
  da,
  ds,
  framePixels,
  OBLIQUE,
  positionOf,
  ROWS,
  scramble,
  TIMES,
  tm,
} from './phantom.js'

interface Cell {
  readonly phase: number
  readonly slice: number
}

interface Spec {
  readonly cells?: readonly Cell[]
  /** What tells one frame from another besides its position; in FrameContentSequence unless a sequence itself. */
  readonly content: (cell: Cell) => Dataset
  readonly groups?: (cell: Cell) => Dataset
  readonly shared?: Dataset
  readonly extra?: Dataset
  readonly file?: FileOptions
  readonly perFrame?: number
}

const PHASES = [0, 1, 2]
const SLICES = 4
const SLICE_MAJOR: Cell[] = Array.from({ length: 4 }, (_, slice) =>
  PHASES.map((phase) => ({ phase, slice })),
).flat()
const PHASE_MAJOR: Cell[] = PHASES.flatMap((phase) =>
  Array.from({ length: 4 }, (_, slice) => ({ phase, slice })),
)

function enhanced({
  cells = SLICE_MAJOR,
  content,
  groups = () => [],
  shared = [],
  extra = [],
  file = {},
  perFrame,
}: Spec): Uint8Array {
  const own = baseDataset({
    phase: 0,
    slice: 0,
    drop: [0x00200032, 0x00200037, 0x00280030, 0x00180081, 0x00181314],
    extra: [],
  })
  const sharedGroups: Dataset = [
    [0x00209116, 'SQ', [[[0x00200037, 'DS', ds([...OBLIQUE.row, ...OBLIQUE.column])]]]],
    [
      0x00289110,
      'SQ',
      [
        [
          [0x00280030, 'DS', ds([OBLIQUE.spacing[0], OBLIQUE.spacing[1]])],
          [0x00180050, 'DS', '9'],
        ],
      ],
    ],
    [0x00189114, 'SQ', [[[0x00189082, 'FD', [2.4]]]]],
    ...shared,
  ]
  const items = cells
    .slice(0, perFrame)
    .map((cell): Dataset => [
      [0x00209111, 'SQ', [content(cell)]],
      [0x00209113, 'SQ', [[[0x00200032, 'DS', ds(positionOf(OBLIQUE, cell.slice))]]]],
      ...groups(cell),
    ])
  const pixels = Buffer.concat(cells.map(({ phase, slice }) => framePixels(phase, slice)))
  const functional: Element[] = [
    [0x00280008, 'IS', String(cells.length)],
    [0x52009229, 'SQ', [sharedGroups]],
    [0x52009230, 'SQ', items],
    [0x7fe00010, 'OW', pixels],
  ]
  const replaced = new Set(extra.map(([tag]) => tag))
  return writeDicom([...own, ...functional].filter(([tag]) => !replaced.has(tag)).concat(extra), file)
}

const one = (bytes: Uint8Array): Files => [{ id: 'IM', bytes }]
const index = ({ phase }: Cell): Element => [0x00209128, 'UL', [phase + 1]]
const offset = ({ phase }: Cell): Dataset => [[0x00209310, 'SQ', [[[0x0020930d, 'FD', [TIMES[phase] ?? 0]]]]]]
const acquiredAt = ({ phase }: Cell, at = AT): Element => [
  0x00189074,
  'DT',
  `${da(at + (TIMES[phase] ?? 0))}${tm(at + (TIMES[phase] ?? 0))}`,
]

for (const [name, cells] of [
  ['slice by slice', SLICE_MAJOR],
  ['phase by phase', PHASE_MAJOR],
] as const) {
  test(`frames stored ${name} come to the same volume`, async (t) => {
    const volume = await read(one(enhanced({ cells, content: (cell) => [index(cell)], groups: offset })))
    assertPhantom(t, volume, PHASES, SLICES)
    assertAffine(t, volume, OBLIQUE)
    assertTimes(t, volume, TIMES.slice(0, 3))
    assertAccount(t, volume)
    t.is(volume.phasesFrom, 'TemporalPositionIndex')
    t.is(volume.timesFrom, 'TemporalPositionTimeOffset')
  })
}

test('frames are read with delimited sequences, in implicit VR and deflated', async (t) => {
  for (const file of [
    { undefinedLengths: true },
    { syntax: '1.2.840.10008.1.2' },
    { syntax: '1.2.840.10008.1.2', undefinedLengths: true },
    { syntax: '1.2.840.10008.1.2.1.99' },
  ]) {
    assertPhantom(
      t,
      await read(one(enhanced({ content: (cell) => [index(cell)], groups: offset, file }))),
      PHASES,
      SLICES,
    )
  }
})

test('offsets alone order and time phases, and so do times of frames', async (t) => {
  const byOffset = await read(one(enhanced({ content: () => [], groups: offset })))
  t.is(byOffset.phasesFrom, 'TemporalPositionTimeOffset')
  assertTimes(t, byOffset, TIMES.slice(0, 3))
  const byTime = await read(one(enhanced({ content: (cell) => [acquiredAt(cell, 86_300)] })))
  t.is(byTime.phasesFrom, 'FrameAcquisitionDateTime')
  assertPhantom(t, byTime, PHASES, SLICES)
  assertTimes(t, byTime, TIMES.slice(0, 3))
})

test('a dimension that points at time orders phases', async (t) => {
  const dimensions: Dataset = [
    [0x00209222, 'SQ', [[[0x00209165, 'AT', [0x00200032]]], [[0x00209165, 'AT', [0x00209128]]]]],
  ]
  const content = ({ phase, slice }: Cell): Dataset => [[0x00209157, 'UL', [slice + 1, phase + 1]]]
  const volume = await read(one(enhanced({ content, extra: dimensions })), { requireTimes: false })
  assertPhantom(t, volume, PHASES, SLICES)
  t.is(volume.phasesFrom, 'TemporalDimensionIndex')
})

test('distinct indices count, not the largest', async (t) => {
  const content = ({ phase }: Cell): Dataset => [[0x00209128, 'UL', [[1, 3, 7][phase] ?? 0]]]
  assertPhantom(t, await read(one(enhanced({ content, groups: offset }))), PHASES, SLICES)
})

test('a rescale of each frame wins over one that all share', async (t) => {
  const transformation = (slope: string): Element => [
    0x00289145,
    'SQ',
    [
      [
        [0x00281052, 'DS', '1'],
        [0x00281053, 'DS', slope],
      ],
    ],
  ]
  const groups = (cell: Cell): Dataset => [
    ...offset(cell),
    ...(cell.phase === 1 ? [transformation('4')] : []),
  ]
  const volume = await read(
    one(enhanced({ content: (cell) => [index(cell)], groups, shared: [transformation('2')] })),
  )
  t.deepEqual([...volume.slopes], [2, 2, 2, 2, 4, 4, 4, 4, 2, 2, 2, 2])
})

test('one object for each phase is put together by the times of their frames', async (t) => {
  const files = PHASES.map((phase) => {
    const cells = PHASE_MAJOR.filter((cell) => cell.phase === phase)
    const extra: Dataset = [
      [0x0020000e, 'UI', `1.2.3.${9 - phase}`],
      [0x00200011, 'IS', String(9 - phase)],
    ]
    const content = (cell: Cell): Dataset => [[0x00209128, 'UL', [1]], acquiredAt(cell)]
    return { bytes: enhanced({ cells, content, extra }) }
  })
  const volume = await read(scramble(files))
  assertPhantom(t, volume, PHASES, SLICES)
  assertTimes(t, volume, TIMES.slice(0, 3))
})

test('frames that are derived by their own type are left out', async (t) => {
  const extra: Cell[] = Array.from({ length: 4 }, (_, slice) => ({ phase: 3, slice }))
  const type = ({ phase }: Cell): string =>
    phase === 3 ? 'DERIVED\\PRIMARY\\SUBTRACTION' : 'ORIGINAL\\PRIMARY\\M'
  const groups = (cell: Cell): Dataset => [
    ...offset(cell),
    [0x00189226, 'SQ', [[[0x00089007, 'CS', type(cell)]]]],
  ]
  const volume = await read(
    one(enhanced({ cells: [...PHASE_MAJOR, ...extra], content: (cell) => [index(cell)], groups })),
  )
  assertPhantom(t, volume, PHASES, SLICES)
  assertAccount(t, volume, { DERIVED: 4 })
})

test('frames without functional groups have no place and are left out', async (t) => {
  await refused(
    t,
    one(enhanced({ content: (cell) => [index(cell)], groups: offset, perFrame: 11 })),
    'INCOMPLETE_PHASE',
  )
})

test('an object that is cut short is refused', async (t) => {
  const bytes = enhanced({ content: (cell) => [index(cell)], groups: offset })
  await refused(t, one(bytes.subarray(0, bytes.length - 2)), 'TRUNCATED_PIXEL_DATA')
})

test('a duplicate, an absence and nothing to tell phases by are told apart', async (t) => {
  const spec = { content: (cell: Cell): Dataset => [index(cell)], groups: offset }
  await refused(
    t,
    one(enhanced({ ...spec, cells: [...PHASE_MAJOR, { phase: 1, slice: 1 }] })),
    'DUPLICATE_SLICE',
  )
  await refused(t, one(enhanced({ ...spec, cells: PHASE_MAJOR.slice(1) })), 'INCOMPLETE_PHASE')
  await refused(t, one(enhanced({ content: () => [] })), 'AMBIGUOUS_PHASES')
})

test('compressed frames are found by fragment, and by offset table when they have several', async (t) => {
  const cells = PHASE_MAJOR
  const frames = cells.map(({ phase, slice }) => rle(framePixels(phase, slice)))
  const spec = {
    cells,
    content: (cell: Cell): Dataset => [index(cell)],
    groups: offset,
    file: { syntax: '1.2.840.10008.1.2.5' },
  }
  const whole = enhanced({ ...spec, extra: [[0x7fe00010, 'OB', { fragments: frames }]] })
  assertPhantom(t, await read(one(whole)), PHASES, SLICES)
  const halves = frames.flatMap((frame) => [frame.subarray(0, 64), frame.subarray(64)])
  let at = 0
  const offsets = frames.map((frame) => {
    const start = at
    at += frame.length + 16
    return start
  })
  const split = enhanced({ ...spec, extra: [[0x7fe00010, 'OB', { fragments: halves, offsets }]] })
  assertPhantom(t, await read(one(split)), PHASES, SLICES)
  const lost = enhanced({ ...spec, extra: [[0x7fe00010, 'OB', { fragments: halves }]] })
  await refused(t, one(lost), 'CORRUPT_PIXEL_DATA')
})

/** RLE of 16-bit samples in literal runs only, of even length. */
function rle(bytes: Uint8Array): Uint8Array {
  const plane = (offset: number): Buffer => {
    const values = Array.from({ length: ROWS * COLUMNS }, (_, i) => bytes[2 * i + offset] ?? 0)
    const packed = Buffer.from([values.length - 1, ...values])
    return packed.length % 2 === 0 ? packed : Buffer.concat([packed, Buffer.from([0x80])])
  }
  const [high, low] = [plane(1), plane(0)]
  const header = Buffer.alloc(64)
  header.writeUInt32LE(2, 0)
  header.writeUInt32LE(64, 4)
  header.writeUInt32LE(64 + high.length, 8)
  return Buffer.concat([header, high, low])
}

test('no text of a file is in the answer', async (t) => {
  const volume = await read(
    one(enhanced({ content: (cell) => [index(cell), [0x00209158, 'LO', CANARY]], groups: offset })),
  )
  assertAccount(t, volume)
})
