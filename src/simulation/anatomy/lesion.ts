/** The lesion: where it lies, its shape and margin, and where in it fast and slow tissue are. */

import { boxAround, dot, eachVoxel, voxelCount, type Grid, type Vector } from '../grid.js'
import type { Random } from '../random.js'
import type { Latents } from '../risk/model.js'
import { depthOf, distanceToSkin, inside, type Breast } from './breast.js'
import { smoothField } from './field.js'

export interface LesionShape {
  readonly centre: Vector
  readonly radiusMm: number
  /** Depth of lobulations and length of spicules, relative to the radius. */
  readonly irregularity: number
  readonly spiculation: number
  /** How much less the middle takes up than the rim, 0 to 1. */
  readonly rim: number
}

/** Where fast and slow tissue are: 0 or more, mean 1 over the lesion. */
export interface Habitats {
  /** 1 - cosine of the angle between the two maps: 0 where they are the same. */
  readonly parting: number
  /** Standard deviation of the lesion's uptake within any one phase, relative to its mean. */
  readonly heterogeneity: number
}

export interface LesionTissue {
  /** Share of each voxel. */
  readonly share: Float32Array
  /** Amount of fast and of slow tissue in the lesion's part of each voxel. */
  readonly fast: Float32Array
  readonly slow: Float32Array
}

const RADIUS_MM = { median: 9.5, spread: 0.14, range: [6.5, 14] } as const
const CORE = { radius: 0.66, border: 0.08 } as const
/** Edge of the patches of tissue. */
const PATCH_MM = 7
const SPICULES = 14

export function drawLesion(breast: Breast, { morphology }: Latents, random: Random): LesionShape {
  const [low, high] = RADIUS_MM.range
  const radiusMm = Math.min(high, Math.max(low, random.around(RADIUS_MM.median, RADIUS_MM.spread)))
  const degree = 1 / (1 + Math.exp(-2.4 * morphology))
  return {
    centre: place(breast, radiusMm, random),
    radiusMm,
    irregularity: 0.03 + 0.13 * degree * random.around(1, 0.1),
    spiculation: 0.9 * degree * random.around(1, 0.1),
    rim: 0.93 * degree * Math.min(1.06, random.around(1, 0.05)),
  }
}

/** A place with room for the lesion and its spicules, more often lateral and above, as cancers are. */
function place(breast: Breast, radius: number, random: Random): Vector {
  const { base, side, halfWidthMm, halfHeightMm, lengthMm } = breast
  for (let spare = 6; ; spare -= 0.02) {
    const x = base[0] + halfWidthMm * (0.12 * side + 0.3 * random.normal())
    const z = base[2] + halfHeightMm * (0.1 + 0.3 * random.normal())
    const y = base[1] - lengthMm * random.between(0.15, 0.8)
    const free = Math.min(-distanceToSkin(breast, x, y, z), depthOf(breast, x, y))
    if (free > radius + spare) return [x, y, z]
  }
}

/**
 * The lesion on a grid. The two maps have equal variance; each takes part in every phase to the extent that
 * its tissue does, and `weights` (the fast tissue's share of the uptake, a phase each) serve to keep the
 * heterogeneity within one phase the same whatever the parting: only the change from phase to phase shows it.
 */
export function lesionTissue(
  shape: LesionShape,
  habitats: Habitats,
  weights: readonly number[],
  grid: Grid,
  random: Random,
): LesionTissue {
  const share = new Float32Array(voxelCount(grid))
  const fast = new Float32Array(share.length)
  const slow = new Float32Array(share.length)
  const { centre, radiusMm } = shape
  const { from, to } = boxAround(grid, centre, radiusMm * (1.6 + shape.spiculation))
  const size = [to[0] - from[0], to[1] - from[1], to[2] - from[2]] as const
  const maps = [0, 1].map(() => smoothField(random, size, grid.spacingMm, PATCH_MM))
  const distance = surface(shape, random)
  const voxels: number[] = []
  const uptake: number[] = []
  const values: [number[], number[]] = [[], []]
  let n = 0
  eachVoxel(
    grid,
    (i, x, y, z) => {
      const { outside, depth } = distance(x - centre[0], y - centre[1], z - centre[2])
      const part = inside(outside)
      if (part > 0) {
        share[i] = part
        const middle = 1 / (1 + Math.exp((depth - CORE.radius) / CORE.border))
        voxels.push(i)
        uptake.push(1 - shape.rim * middle)
        // Squashed, so that there are two kinds of place and not a few extremes.
        for (const m of [0, 1] as const) values[m].push(Math.tanh(2.5 * (maps[m]?.[n] ?? 0)))
      }
      n++
    },
    from,
    to,
  )
  const shares = voxels.map((i) => share[i]!)
  const mean = weighted(uptake, shares)
  const mass = uptake.map((value, v) => value * shares[v]!)
  const [first, second] = orthonormal(values[0], values[1], mass)
  const cosine = 1 - habitats.parting
  const sine = Math.sqrt(1 - cosine ** 2)
  const variance = average(weights.map((w) => w ** 2 + (1 - w) ** 2 + 2 * w * (1 - w) * cosine))
  const depth = habitats.heterogeneity / Math.sqrt(variance)
  const fill = (into: Float32Array, at: (v: number) => number) => {
    const amounts = voxels.map((_, v) => Math.max(0.02, 1 + depth * at(v)))
    const norm = weighted(amounts, mass)
    voxels.forEach((i, v) => (into[i] = (uptake[v]! * amounts[v]!) / (mean * norm)))
  }
  fill(fast, (v) => first[v]!)
  fill(slow, (v) => cosine * first[v]! + sine * second[v]!)
  return { share, fast, slow }
}

/** Millimetres outside of the surface (negative inside), and how deep: 0 in the middle, 1 on the surface. */
function surface(
  { radiusMm, irregularity, spiculation }: LesionShape,
  random: Random,
): (x: number, y: number, z: number) => { outside: number; depth: number } {
  const waves = Array.from({ length: 6 }, () => ({
    axis: random.direction(),
    phase: random.between(0, 6.28),
  }))
  const spicules = Array.from({ length: SPICULES }, () => ({
    axis: random.direction(),
    tip: radiusMm * (1 + spiculation * random.between(0.5, 1.1)),
    base: random.between(2.8, 3.8),
  }))
  return (x, y, z) => {
    const r = Math.hypot(x, y, z)
    const unit: Vector = r < 1e-6 ? [1, 0, 0] : [x / r, y / r, z / r]
    const lobes = waves.reduce((sum, { axis, phase }) => sum + Math.cos(4 * dot(axis, unit) + phase), 0)
    const border = radiusMm * (1 + (irregularity * lobes) / Math.sqrt(3))
    let outside = r - border
    for (const { axis, tip, base } of spicules) {
      const t = axis[0] * x + axis[1] * y + axis[2] * z
      if (t <= 0 || t >= tip) continue
      const aside = Math.sqrt(Math.max(0, r * r - t * t))
      outside = Math.min(outside, aside - base * (1 - t / tip))
    }
    return { outside, depth: r / border }
  }
}

/** Both with weighted mean 0 and variance 1, and without correlation. */
function orthonormal(
  a: readonly number[],
  b: readonly number[],
  mass: readonly number[],
): [number[], number[]] {
  const first = standard(a, mass)
  const raw = standard(b, mass)
  const along = weighted(
    raw.map((value, v) => value * first[v]!),
    mass,
  )
  return [
    first,
    standard(
      raw.map((value, v) => value - along * first[v]!),
      mass,
    ),
  ]
}

function standard(values: readonly number[], mass: readonly number[]): number[] {
  const middle = weighted(values, mass)
  const spread = Math.sqrt(
    weighted(
      values.map((value) => (value - middle) ** 2),
      mass,
    ),
  )
  return values.map((value) => (value - middle) / spread)
}

function weighted(values: readonly number[], mass: readonly number[]): number {
  let sum = 0
  let total = 0
  values.forEach((value, v) => {
    sum += value * mass[v]!
    total += mass[v]!
  })
  return sum / total
}

const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length
