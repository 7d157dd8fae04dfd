import test from 'ava'
import type { Dataset } from './dicom-writer.js'
import { assertPhantom, assertTimes, read, refused, warningCodes } from './helpers.js'
import { acquired, AT, da, exam, TIMES, tm, type FrameSpec } from './phantom.js'

const THREE = TIMES.slice(0, 3)
const MIDNIGHT = 86_400 - 100

function content(seconds: number): Dataset {
  return [
    [0x00080023, 'DA', da(seconds)],
    [0x00080033, 'TM', tm(seconds)],
  ]
}

const position = (value: number): Dataset => [[0x00200100, 'IS', String(value)]]
const trigger = (seconds: number): Dataset => [[0x00181060, 'DS', String(seconds * 1000)]]
const acquisition = (value: number): Dataset => [[0x00200012, 'IS', String(value)]]

function each(
  extra: (phase: number, slice: number) => Dataset,
  more: Partial<FrameSpec> = {},
): ReturnType<typeof exam> {
  return exam({ frame: (phase, slice) => ({ ...more, extra: extra(phase, slice) }) })
}

const TIMED: [string, (phase: number) => Dataset, string][] = [
  ['TriggerTime', (p) => trigger(TIMES[p] ?? 0), 'TriggerTime'],
  ['AcquisitionTime', (p) => acquired(p), 'AcquisitionTime'],
  [
    'AcquisitionDateTime',
    (p) => [[0x0008002a, 'DT', `${da(0)}${tm(AT + (TIMES[p] ?? 0))}`]],
    'AcquisitionDateTime',
  ],
  ['ContentTime', (p) => content(AT + (TIMES[p] ?? 0)), 'ContentTime'],
]

for (const [name, extra, from] of TIMED) {
  test(`${name} alone orders and times phases`, async (t) => {
    const volume = await read(each(extra))
    assertPhantom(t, volume, [0, 1, 2], 4)
    assertTimes(t, volume, THREE)
    t.is(volume.phasesFrom, from)
    t.is(volume.timesFrom, from)
  })
}

const INDEXED: [string, (phase: number) => Dataset][] = [
  ['TemporalPositionIdentifier', position],
  ['AcquisitionNumber', acquisition],
]

for (const [name, extra] of INDEXED) {
  test(`${name} alone orders phases and gives no times`, async (t) => {
    await refused(
      t,
      each((p) => extra(p + 1)),
      'AMBIGUOUS_TIMES',
    )
    const volume = await read(
      each((p) => extra(p + 1)),
      { requireTimes: false },
    )
    assertPhantom(t, volume, [0, 1, 2], 4)
    t.is(volume.timesS, null)
    t.true(warningCodes(volume).includes('TIMES_UNKNOWN'))
  })
}

test('indices order as numbers, not as text', async (t) => {
  const files = exam({
    phases: 3,
    frame: (p) => ({ extra: [...position([9, 10, 11][p] ?? 0), ...acquired(p)] }),
  })
  assertPhantom(t, await read(files), [0, 1, 2], 4)
})

test('times come from the first attribute that agrees with the order', async (t) => {
  // AcquisitionTime stays that of the series, ContentTime of each slice is the same in all phases.
  const volume = await read(
    each((p, z) => [...position(p + 1), ...acquired(0), ...content(AT + 900 + z)]),
    { requireTimes: false },
  )
  t.is(volume.timesS, null)
  const timed = await read(
    each((p) => [...position(p + 1), ...acquired(0), ...content(AT + (TIMES[p] ?? 0))]),
  )
  assertTimes(t, timed, THREE)
  t.is(timed.timesFrom, 'ContentTime')
})

test("a phase's time is the smallest of its slices", async (t) => {
  const volume = await read(
    each((p, z) => [...position(p + 1), ...acquired(0, AT + (TIMES[p] ?? 0) + ((z + 2) % 4))]),
  )
  assertTimes(t, volume, THREE)
})

test('a clock that runs backwards against the index does not time phases', async (t) => {
  await refused(
    t,
    each((p) => [...position(p + 1), ...acquired(2 - p)]),
    'AMBIGUOUS_TIMES',
  )
  const volume = await read(
    each((p) => [...position(p + 1), ...acquired(2 - p)]),
    { requireTimes: false },
  )
  t.true(warningCodes(volume).includes('ATTRIBUTES_DISAGREE'))
})

test('reconstruction in reverse order is not taken for time', async (t) => {
  const reversed = (p: number): Dataset => content(AT + 1000 - 60 * p)
  const volume = await read(each((p) => [...acquired(p), ...reversed(p)]))
  assertPhantom(t, volume, [0, 1, 2], 4)
  assertTimes(t, volume, THREE)
  await refused(
    t,
    each((p) => [...acquisition(p + 1), ...reversed(p)]),
    'AMBIGUOUS_TIMES',
  )
  const ordered = await read(
    each((p) => [...acquisition(p + 1), ...reversed(p)]),
    { requireTimes: false },
  )
  assertPhantom(t, ordered, [0, 1, 2], 4)
})

test('a reconstruction clock that ticks in milliseconds neither orders nor times', async (t) => {
  await refused(
    t,
    each((p) => content(AT + 0.003 * p)),
    'AMBIGUOUS_PHASES',
  )
  await refused(
    t,
    each((p) => [...acquisition(p + 1), ...content(AT + 0.003 * p)]),
    'AMBIGUOUS_TIMES',
  )
})

test('slices of one volume with a content time each are not phases', async (t) => {
  await refused(
    t,
    exam({ phases: 1, slices: 8, frame: (_, z) => ({ extra: content(AT + 2 * z) }) }),
    'TOO_FEW_PHASES',
  )
})

test('midnight between phases is honoured by dates', async (t) => {
  const volume = await read(each((p) => acquired(p, MIDNIGHT)))
  assertPhantom(t, volume, [0, 1, 2], 4)
  assertTimes(t, volume, THREE)
  t.false(warningCodes(volume).includes('DATE_NOT_ADVANCED'))
})

test('midnight is passed without dates, and with dates that do not advance', async (t) => {
  const clock = (p: number): Dataset => [[0x00080032, 'TM', tm(MIDNIGHT + (TIMES[p] ?? 0))]]
  const undated = await read(each(clock))
  assertPhantom(t, undated, [0, 1, 2], 4)
  assertTimes(t, undated, THREE)
  const stuck = await read(each((p) => [...clock(p), [0x00080022, 'DA', '20260102']]))
  assertTimes(t, stuck, THREE)
  t.true(warningCodes(stuck).includes('DATE_NOT_ADVANCED'))
})

test('each time is read with its own date', async (t) => {
  // Acquired before midnight, content set after it: mixing the two dates would add a day.
  const volume = await read(each((p) => [...acquired(p, AT), ...content(86_400 + 5)]))
  assertTimes(t, volume, THREE)
})

test('date times with an offset from UTC compare across it', async (t) => {
  const zoned = (p: number): Dataset => {
    const zone = p === 1 ? 3600 : 0
    return [[0x0008002a, 'DT', `20260102${tm(AT + (TIMES[p] ?? 0) + zone)}${p === 1 ? '+0100' : '+0000'}`]]
  }
  assertTimes(t, await read(each(zoned)), THREE)
})

test('nothing that tells phases apart is a refusal', async (t) => {
  const error = await refused(
    t,
    each(() => acquired(0)),
    'AMBIGUOUS_PHASES',
  )
  t.deepEqual(error.facts, { frames: 12, positions: 4 })
})

test('an attribute that is missing from one frame is not used', async (t) => {
  const files = exam({
    frame: (p, z) => ({ extra: [...(p === 1 && z === 2 ? [] : position(p + 1)), ...acquired(p)] }),
  })
  const volume = await read(files)
  t.is(volume.phasesFrom, 'AcquisitionTime')
})

test('a position that is absent from one phase is named', async (t) => {
  const error = await refused(
    t,
    exam({ frame: (p, z) => (p === 1 && z === 2 ? null : { extra: acquired(p) }) }),
    'INCOMPLETE_PHASE',
  )
  t.deepEqual(error.facts, { position: 3, phase: 2, positions: 4, phases: 3, count: 1 })
})

test('a scan that was stopped in its last phase is incomplete', async (t) => {
  await refused(
    t,
    exam({ slices: 6, frame: (p, z) => (p === 2 && z > 1 ? null : { extra: acquired(p) }) }),
    'INCOMPLETE_PHASE',
  )
  await refused(
    t,
    exam({ slices: 6, frame: (p, z) => (p === 2 && z > 3 ? null : { extra: acquired(p) }) }),
    'INCOMPLETE_PHASE',
  )
})

test('a frame that is there twice is named', async (t) => {
  const files = each((p) => acquired(p))
  const [first] = files
  const error = await refused(
    t,
    [...files, { id: 'again', bytes: first?.bytes ?? new Uint8Array() }],
    'DUPLICATE_SLICE',
  )
  t.is(error.facts['count'], 1)
})

test('a phase that is there twice, as another series, is a duplicate', async (t) => {
  const files = exam({ phases: 4, frame: (p) => ({ series: 10 + p, extra: acquired(p === 3 ? 2 : p) }) })
  await refused(t, files, 'DUPLICATE_SLICE')
})

test('a slice that is absent from all phases is a gap', async (t) => {
  const error = await refused(
    t,
    exam({ slices: 6, frame: (p, z) => (z === 3 ? null : { extra: acquired(p) }) }),
    'MISSING_SLICE',
  )
  t.is(error.facts['after'], 3)
  await refused(
    t,
    exam({ slices: 7, frame: (p, z) => (z === 3 || z === 5 ? null : { extra: acquired(p) }) }),
    'MISSING_SLICE',
  )
})

test('fewer phases than a model needs are refused', async (t) => {
  await refused(
    t,
    each((p) => acquired(p)),
    'TOO_FEW_PHASES',
    { minPhases: 4 },
  )
  await t.notThrowsAsync(
    read(
      each((p) => acquired(p)),
      { minPhases: 3 },
    ),
  )
})

test('phases hours apart are a warning', async (t) => {
  const hours = (p: number): Dataset => acquired(0, AT + 3600 * p)
  t.true(warningCodes(await read(each(hours))).includes('IMPLAUSIBLE_PHASE_TIMES'))
})

/** A series before contrast agent and one after it. */
const series = (phase: number): number => (phase === 0 ? 5 : 6)
/** The clock stands still through each series, as GE's does. */
const begun = (phase: number): Dataset => acquired(Math.min(phase, 1))

test('what counts anew in each series is put behind the clock of its series', async (t) => {
  const since = (phase: number): number => (phase === 0 ? 0 : (TIMES[phase] ?? 0) - (TIMES[1] ?? 0))
  const timed = exam({
    phases: 4,
    frame: (p) => ({ series: series(p), extra: [...begun(p), ...trigger(since(p))] }),
  })
  const volume = await read(timed)
  assertPhantom(t, volume, [0, 1, 2, 3], 4)
  assertTimes(t, volume, TIMES.slice(0, 4))
  t.is(volume.timesFrom, 'AcquisitionTime + TriggerTime')

  const indexed = exam({
    phases: 4,
    frame: (p) => ({ series: series(p), extra: [...begun(p), ...position(Math.max(1, p))] }),
  })
  await refused(t, indexed, 'AMBIGUOUS_TIMES')
  assertPhantom(t, await read(indexed, { requireTimes: false }), [0, 1, 2, 3], 4)
})

test('a series before contrast agent may have no trigger time at all', async (t) => {
  const files = exam({
    frame: (p) => ({ series: series(p), extra: [...begun(p), ...(p === 0 ? [] : trigger(80 * (p - 1)))] }),
  })
  const volume = await read(files)
  assertPhantom(t, volume, [0, 1, 2], 4)
  assertTimes(t, volume, [0, TIMES[1] ?? 0, (TIMES[1] ?? 0) + 80])
})

test('an index that starts anew in each series blames no slice for it', async (t) => {
  const extra = (p: number): Dataset => [...begun(p), ...position(Math.max(1, p))]
  const frame = (p: number): Partial<FrameSpec> => ({ series: series(p), extra: extra(p) })
  const absent = exam({ phases: 4, frame: (p, z) => (p === 2 && z === 1 ? null : frame(p)) })
  await refused(t, absent, 'INCOMPLETE_PHASE')
  const whole = exam({ phases: 4, frame })
  await refused(t, [...whole, { id: 'again', bytes: whole[3]?.bytes ?? new Uint8Array() }], 'DUPLICATE_SLICE')
})

test('series that begin together are not put one after the other', async (t) => {
  const files = exam({
    phases: 4,
    frame: (p) => ({ series: series(p), extra: [...acquired(0), ...position(Math.max(1, p))] }),
  })
  await refused(t, files, 'DUPLICATE_SLICE')
})
