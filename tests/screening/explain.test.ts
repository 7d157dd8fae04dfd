import test from 'ava'
import {
  makeExplanation,
  Occluder,
  planOcclusions,
  type CropShape,
  type Explanation,
} from '../../src/screening/index.js'
import { rgbPng } from '../../src/screening/report/png.js'

const SHAPE: CropShape = [5, 16, 16, 16]
const SIZE = 16 ** 3
/** 2 mm along x and y, 3 mm along z, from (-10, 20, 5). */
const GRID = { size: [16, 16, 16] as const, affine: [2, 0, 0, -10, 0, 2, 0, 20, 0, 0, 3, 5, 0, 0, 0, 1] }

/** Tissue at -0.5 with a little texture, which a lesion of 6 voxels a side in the middle rises above over time. */
function crop(): Float32Array {
  const rise = [0, 2, 3, 2, 1.5]
  return Float32Array.from({ length: 5 * SIZE }, (_, i) => {
    const [t, voxel] = [Math.floor(i / SIZE), i % SIZE]
    const inside = places(voxel).every((at) => at >= 5 && at < 11)
    return -0.5 + 0.01 * ((voxel * 31) % 7) + (inside ? (rise[t] ?? 0) : 0)
  })
}

const places = (voxel: number): [number, number, number] => [voxel >> 8, (voxel >> 4) & 15, voxel & 15]

/** What an explanation says of a network that is a function of the crop. */
function explain(network: (crop: Float32Array) => number, timesS: number[] | null = null): Explanation {
  const plan = planOcclusions(SHAPE)
  const occluder = new Occluder(crop(), plan, timesS)
  const copy = new Float32Array(5 * SIZE)
  const scores = plan.occlusions.map((occlusion) => {
    occluder.write(occlusion, copy)
    return network(copy)
  })
  return makeExplanation('pN+', plan, GRID, network(crop()), scores)
}

/** Sum over a box of one phase. */
const boxSum =
  (phase: number, low: readonly number[], high: readonly number[], sign = 1) =>
  (values: Float32Array): number => {
    let sum = 0
    for (let voxel = 0; voxel < SIZE; voxel++) {
      if (places(voxel).every((at, axis) => at >= (low[axis] ?? 0) && at < (high[axis] ?? 0)))
        sum += sign * (values[phase * SIZE + voxel] ?? 0)
    }
    return sum
  }

test('patches overlap by half, cover every voxel, and their number does not grow with the grid', (t) => {
  t.is(planOcclusions(SHAPE).occlusions.length, 7 ** 3 + 5)
  for (const shape of [SHAPE, [3, 8, 24, 25], [1, 1, 17, 64], [5, 32, 64, 64], [2, 3, 2, 1]] as CropShape[]) {
    const { patch, occlusions } = planOcclusions(shape)
    const [phases, ...grid] = shape
    const covered = new Uint8Array(grid.reduce((product, side) => product * side, 1))
    for (const occlusion of occlusions) {
      if (occlusion.kind !== 'patch') continue
      const [z0, y0, x0] = occlusion.from
      for (let z = z0; z < z0 + patch[0]; z++)
        for (let y = y0; y < y0 + patch[1]; y++)
          for (let x = x0; x < x0 + patch[2]; x++) {
            t.true(z < grid[0] && y < grid[1] && x < grid[2])
            covered[(z * grid[1] + y) * grid[2] + x] = 1
          }
    }
    t.true(covered.every((one) => one === 1))
    t.is(occlusions.filter(({ kind }) => kind === 'phase').length, phases > 1 ? phases : 0)
    t.true(occlusions.length <= 8 ** 3 + phases)
  }
})

test('a crop that would be run for too long is refused by name', (t) => {
  const error = t.throws(() => planOcclusions([5, 160, 160, 160]))
  t.like(error, { code: 'EXPLANATION_TOO_LARGE' })
  t.regex(error.message, /expected at most 536870912 numbers .*, found 348 copies of 5 x 160 x 160 x 160/)
})

test('a hidden patch has the course of the tissue around, and nothing else changes', (t) => {
  const plan = planOcclusions(SHAPE)
  const occluder = new Occluder(crop(), plan, null)
  const copy = new Float32Array(5 * SIZE)
  occluder.write({ kind: 'patch', from: [6, 6, 6] }, copy)
  const before = crop()
  for (let i = 0; i < copy.length; i++) {
    if (places(i % SIZE).every((at) => at >= 6 && at < 10)) t.true(Math.abs(copy[i]! - -0.47) < 1e-6)
    else t.is(copy[i], before[i])
  }
})

test('a hidden phase is what its neighbours lead to expect, by their times', (t) => {
  const occluder = new Occluder(crop(), planOcclusions(SHAPE), [0, 60, 120, 300, 360])
  const copy = new Float32Array(5 * SIZE)
  const before = crop()
  const middle = (8 * 16 + 8) * 16 + 8
  for (const [phase, expected] of [
    [0, 2],
    [1, 1.5],
    [2, 2],
    [3, 3 - 1.5 * (180 / 240)],
    [4, 2],
  ] as const) {
    occluder.write({ kind: 'phase', phase }, copy)
    t.true(Math.abs(copy[phase * SIZE + middle]! - before[middle]! - expected) < 1e-5, `phase ${phase}`)
    for (let i = 0; i < copy.length; i++) if (Math.floor(i / SIZE) !== phase) t.is(copy[i], before[i])
  }
})

test('a network that looks at one place and one phase is found out', (t) => {
  const { map, strongest, phaseDrops, copies, patch } = explain(boxSum(2, [8, 6, 6], [10, 8, 8]))
  t.is(copies, 348)
  t.deepEqual(patch, [4, 4, 4])
  // Every patch over the box hides all of it.
  t.deepEqual(strongest.voxel, [8.5, 6.5, 6.5])
  t.deepEqual(strongest.mm, [-10 + 2 * 6.5, 20 + 2 * 6.5, 5 + 3 * 8.5])
  t.true(strongest.drop > 0)
  t.is(phaseDrops.indexOf(Math.max(...phaseDrops)), 2)
  t.deepEqual(
    phaseDrops.map((drop) => drop !== 0),
    [false, false, true, false, false],
  )
  const far = [...map.entries()].filter(([voxel]) => places(voxel).some((at) => at < 4 || at > 13))
  t.true(far.every(([, drop]) => drop === 0))
})

test('a corner is as good as the middle, and what speaks against a finding is below zero', (t) => {
  const corner = explain(boxSum(0, [14, 0, 14], [16, 2, 16]))
  t.deepEqual(corner.strongest.voxel, [14.5, 0.5, 14.5])
  const against = explain(boxSum(1, [6, 6, 6], [10, 10, 10], -1))
  t.true(against.strongest.drop < 0)
  t.true(against.strongest.voxel.every((at) => at >= 6 && at < 10))
  t.true(against.phaseDrops[1]! < 0)
})

test('a network that looks at nothing has an explanation of zeros', (t) => {
  const { map, strongest, phaseDrops } = explain(() => 0.25)
  t.true([...map, ...phaseDrops, strongest.drop].every((drop) => drop === 0))
  t.deepEqual(strongest.voxel, [7.5, 7.5, 7.5])
})

test('a picture in colour says so in its header', (t) => {
  const png = rgbPng(Uint8Array.of(255, 0, 0, 0, 255, 0), 2, 1)
  t.deepEqual([...png.subarray(16, 29)], [0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0])
})
