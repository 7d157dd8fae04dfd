import test from 'ava'
import fc from 'fast-check'
import { isSentinodeError } from '../../src/errors.js'
import type { Affine } from '../../src/exam/volume.js'
import type { PhaseRule } from '../../src/screening/contract/schema.js'
import type { Contract, Region } from '../../src/screening/index.js'
import { choosePhases } from '../../src/screening/plan/phases.js'
import { makePlan, type ExamGeometry } from '../../src/screening/plan/plan.js'
import { ballExam, contractWith } from './exams.js'

const code = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (isSentinodeError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return ''
}

/** Where a plan puts the middle of its grid, and a grid voxel, in patient space. */
function place(affine: readonly number[], [x, y, z]: readonly [number, number, number]): number[] {
  return [0, 4, 8].map(
    (row) =>
      (affine[row] ?? 0) * x +
      (affine[row + 1] ?? 0) * y +
      (affine[row + 2] ?? 0) * z +
      (affine[row + 3] ?? 0),
  )
}

const near = (a: readonly number[], b: readonly number[], within = 1e-9) =>
  a.length === b.length && a.every((value, i) => Math.abs(value - (b[i] ?? NaN)) <= within)

const centre: Region = { kind: 'centre', centre: [3, -5, 7] }
const contract = contractWith()
const covering = contractWith(['size: [10, 32, 32]', 'size: null'], ['[centre, box, mask]', '[box, volume]'])
const acquired = contractWith([
  'spacing_mm: [2, 1, 1] }',
  'spacing_mm: [2, 1, 1], orientation: acquisition }',
])

test('a grid around a centre has its middle there, and axes to the left, back and head', (t) => {
  const plan = makePlan(ballExam(), contract, centre)
  t.deepEqual(plan.grid.size, [10, 32, 32])
  t.true(near(place(plan.grid.affine, [15.5, 15.5, 4.5]), [3, -5, 7]))
  t.true(near(place(plan.grid.affine, [16.5, 15.5, 4.5]), [4, -5, 7]))
  t.true(near(place(plan.grid.affine, [15.5, 15.5, 5.5]), [3, -5, 9]))
})

test("a grid along the acquisition's axes turns with the exam", (t) => {
  const [c, s] = [Math.cos(0.4), Math.sin(0.4)]
  const affineLps: Affine = [
    [0.5 * c, -2 * s, 0, 1],
    [0.5 * s, 2 * c, 0, 2],
    [0, 0, 3, 3],
    [0, 0, 0, 1],
  ]
  const plan = makePlan(ballExam({ affineLps }), acquired, centre)
  t.true(near(place(plan.grid.affine, [15.5, 15.5, 4.5]), [3, -5, 7]))
  t.true(near(place(plan.grid.affine, [16.5, 15.5, 4.5]), [3 + c, -5 + s, 7]))
  t.true(near(place(plan.grid.affine, [15.5, 16.5, 4.5]), [3 - s, -5 + c, 7]))
})

test('a grid without a size of its own covers the region, and no more than it must', (t) => {
  const box: Region = { kind: 'box', low: [-10, -4, 0], high: [10.2, 5, 3] }
  const plan = makePlan(ballExam(), covering, box)
  t.deepEqual(plan.grid.size, [2, 9, 21])
  t.true(near(plan.region.centreMm, [0.1, 0.5, 1.5]))
})

test('the whole volume is covered to its outer edges, also when it is oblique', (t) => {
  const plan = makePlan(ballExam(), covering, null)
  t.deepEqual(plan.grid.size, [12, 40, 40])
  t.true(near(plan.region.centreMm, [-0.5, -0.5, -0.75]))
  t.deepEqual(plan.warnings, [])
  const turned: Affine = [
    [0.6, -0.8, 0, 0],
    [0.8, 0.6, 0, 0],
    [0, 0, 1.5, 0],
    [0, 0, 0, 1],
  ]
  t.deepEqual(makePlan(ballExam({ affineLps: turned }), covering, null).grid.size, [12, 56, 56])
})

test('a region larger than the grid is cut off with a warning, or refused if the contract says so', (t) => {
  const box: Region = { kind: 'box', low: [-20, -4, 0], high: [20, 5, 3] }
  t.deepEqual(
    makePlan(ballExam(), contract, box).warnings.map(({ code }) => code),
    ['REGION_CUT_OFF'],
  )
  const strict = contractWith(['[centre, box, mask]', '[box], larger_than_grid: refuse'])
  t.is(
    code(() => makePlan(ballExam(), strict, box)),
    'REGION_INVALID: expected a region within 32 x 32 x 20 mm (x, y, z), found a larger one',
  )
  t.is(
    code(() => makePlan(ballExam(), strict, { ...box, low: [-12, -4, 0], high: [20, 5, 3] })),
    '',
  )
})

test('a region that the contract does not take, or none, or of no sense, is refused', (t) => {
  const refused: [Contract, Region | null, RegExp][] = [
    [contract, null, /expected a region of interest as centre or box or mask, found none/],
    [covering, centre, /expected a region of interest as box or volume, found a centre/],
    [contract, { kind: 'centre', centre: [NaN, 0, 0] }, /patient millimetres/],
    [contract, { kind: 'centre', centre: [1e9, 0, 0] }, /patient millimetres/],
    [contract, { kind: 'box', low: [0, 0, 0], high: [1, -1, 1] }, /turned round/],
    [covering, { kind: 'box', low: [-9e4, -9e4, -9e4], high: [9e4, 9e4, 9e4] }, /at most \d+ grid voxels/],
  ]
  for (const [rules, region, message] of refused) {
    const found = code(() => makePlan(ballExam(), rules, region))
    t.regex(found, /^REGION_INVALID/)
    t.regex(found, message)
  }
})

const times = [0, 88, 151, 222, 279]

test('the nearest phase within the tolerance is picked, and each phase once', (t) => {
  const rule: PhaseRule & { by: 'nearest_time' } = {
    by: 'nearest_time',
    times_s: [0, 150, 300],
    tolerance_s: 25,
  }
  const chosen = choosePhases(rule, 5, times)
  t.deepEqual(
    chosen.map(({ first }) => first),
    [0, 2, 4],
  )
  t.deepEqual(
    chosen.map(({ timeS }) => timeS),
    [0, 151, 279],
  )
  t.true(chosen.every(({ first, second, weight }) => first === second && weight === 0))
  t.regex(
    code(() => choosePhases({ ...rule, tolerance_s: 20 }, 5, times)),
    /^PHASES_UNSUITABLE: expected a phase within 20 s of 300 s, found the nearest at 279 s/,
  )
  t.regex(
    code(() => choosePhases({ ...rule, times_s: [140, 160] }, 5, times)),
    /^PHASES_UNSUITABLE: expected phases of their own/,
  )
})

test('interpolated phases lie between their neighbours, and a little beyond the last at most', (t) => {
  const rule: PhaseRule & { by: 'interpolated_time' } = {
    by: 'interpolated_time',
    times_s: [0, 44, 151, 200, 285],
    tolerance_s: 10,
  }
  const chosen = choosePhases(rule, 5, times)
  t.deepEqual(
    chosen.map(({ first, second }) => [first, second]),
    [
      [0, 0],
      [0, 1],
      [1, 2],
      [2, 3],
      [4, 4],
    ],
  )
  t.true(
    near(
      chosen.map(({ weight }) => weight),
      [0, 0.5, 1, 49 / 71, 0],
    ),
  )
  t.deepEqual(
    chosen.map(({ timeS }) => timeS),
    [0, 44, 151, 200, 279],
  )
  t.regex(
    code(() => choosePhases({ ...rule, times_s: [300] }, 5, times)),
    /^PHASES_UNSUITABLE: expected phases up to 300 s, found the last at 279 s/,
  )
})

test('interpolating a time that runs evenly gives the time asked for', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 1, max: 200, noNaN: true }), { minLength: 1, maxLength: 8 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (gaps, share) => {
        const rising = gaps.reduce<number[]>((so, gap) => [...so, (so.at(-1) ?? 0) + gap], [0])
        const wanted = share * (rising.at(-1) ?? 0)
        const [phase] = choosePhases(
          { by: 'interpolated_time', times_s: [wanted], tolerance_s: 0 },
          rising.length,
          rising,
        )
        if (phase === undefined) return false
        const at =
          (1 - phase.weight) * (rising[phase.first] ?? NaN) + phase.weight * (rising[phase.second] ?? NaN)
        return Math.abs(at - wanted) < 1e-6
      },
    ),
  )
  t.pass()
})

test('phases by place need no times; phases by time do', (t) => {
  const chosen = choosePhases({ by: 'order', indices: [0, 2, 3] }, 5, null)
  t.deepEqual(
    chosen.map(({ first, timeS }) => [first, timeS]),
    [
      [0, null],
      [2, null],
      [3, null],
    ],
  )
  t.is(
    code(() => choosePhases({ by: 'order', indices: [0, 5] }, 5, times)),
    'TOO_FEW_PHASES: expected at least 6 phases, found 5',
  )
  t.regex(
    code(() => choosePhases({ by: 'nearest_time', times_s: [0], tolerance_s: 1 }, 5, null)),
    /^AMBIGUOUS_TIMES/,
  )
})

test('what lies outside the exam follows the contract', (t) => {
  const geometry: ExamGeometry = ballExam()
  t.is(makePlan(geometry, contract, centre).outside, 0)
  t.is(
    makePlan(geometry, contractWith(['[centre, box, mask]', '[centre], outside: nearest']), centre).outside,
    null,
  )
  t.is(
    makePlan(geometry, contractWith(['[centre, box, mask]', '[centre], outside: -1024']), centre).outside,
    -1024,
  )
})
