/**
 * A breast of a woman who lies prone, in patient millimetres (LPS): an ellipsoid that hangs from a curved
 * chest wall towards -y, with skin, fat, fibroglandular tissue in a cone behind the nipple, and muscle.
 */

import { eachVoxel, voxelCount, type Grid, type Vector } from '../grid.js'
import type { Random } from '../random.js'
import { smoothField } from './field.js'

export interface Breast {
  /** -1 right, 1 left: the sign of x. */
  readonly side: -1 | 1
  /** Middle of its base on the chest wall. */
  readonly base: Vector
  /** Half widths to the side and along the body, and how far the nipple is from the chest wall. */
  readonly halfWidthMm: number
  readonly halfHeightMm: number
  readonly lengthMm: number
  /** How much of it is fibroglandular, as a shift of the threshold on a random field. */
  readonly density: number
}

/** Shares of a voxel; what is missing to 1 is air (or lung, which gives no signal either). */
export interface Tissues {
  readonly fat: Float32Array
  readonly gland: Float32Array
  readonly muscle: Float32Array
  readonly skin: Float32Array
}

const SKIN_MM = 2.2
const SUBCUTANEOUS_MM = 9
const CHEST_WALL_MM = 22
const NIPPLE_RADIUS_MM = 5
const RIB = { everyMm: 24, halfHeightMm: 7, halfDepthMm: 4.5, depthMm: 15 } as const
/** The trunk, as an ellipse about the body's axis. */
const TRUNK = { halfWidthMm: 170, halfDepthMm: 110 } as const
/** Over what distance one tissue gives way to the next, so that voxels on a border hold both. */
const BORDER_MM = 1.2

export function drawBreast(random: Random): Breast {
  return {
    side: random.chance(0.5) ? 1 : -1,
    base: [0, 0, 0],
    halfWidthMm: random.between(50, 60),
    halfHeightMm: random.between(50, 60),
    lengthMm: random.between(62, 80),
    density: 0.35 * random.normal(),
  }
}

/** Millimetres from the chest wall, positive towards the nipple. */
export function depthOf({ side, base }: Breast, x: number, y: number): number {
  const middle = 85
  const fall = (at: number) =>
    TRUNK.halfDepthMm * (1 - Math.sqrt(1 - Math.min(0.98, (at / TRUNK.halfWidthMm) ** 2)))
  return base[1] + fall(middle + side * (x - base[0])) - fall(middle) - y
}

/** Millimetres from the skin of the breast alone, negative inside, good near the skin. */
export function distanceToSkin(breast: Breast, x: number, y: number, z: number): number {
  const across = x - breast.base[0]
  const along = z - breast.base[2]
  const depth = Math.max(0, depthOf(breast, x, y))
  const { halfWidthMm, halfHeightMm, lengthMm } = breast
  const rho = Math.hypot(across / halfWidthMm, along / halfHeightMm, depth / lengthMm)
  if (rho < 1e-3) return -Math.min(halfWidthMm, halfHeightMm)
  return (1 - 1 / rho) * Math.hypot(across, along, depth)
}

export function breastTissues(breast: Breast, grid: Grid, random: Random): Tissues {
  const count = voxelCount(grid)
  const [fat, gland, muscle, skin] = [0, 1, 2, 3].map(() => new Float32Array(count)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  const shape = smoothField(random, grid.size, grid.spacingMm, 45)
  const coarse = smoothField(random, grid.size, grid.spacingMm, 9)
  const fine = smoothField(random, grid.size, grid.spacingMm, 4)
  const { side, base, halfWidthMm, halfHeightMm, lengthMm, density } = breast
  eachVoxel(grid, (i, x, y, z) => {
    const depth = depthOf(breast, x, y)
    const nipple = Math.hypot(x - base[0], depth - lengthMm, z - base[2]) - NIPPLE_RADIUS_MM
    const breastSkin = Math.min(distanceToSkin(breast, x, y, z) + 1.5 * shape[i]!, nipple)
    const outside = smoothMinimum(breastSkin, depth - SUBCUTANEOUS_MM, 10)
    const body = inside(outside)
    if (body === 0 || depth < -CHEST_WALL_MM - 3) return
    const wall = inside(depth) // 1 where behind the chest wall
    const lung = inside(depth + CHEST_WALL_MM)
    muscle[i] = body * wall * (1 - lung) * (1 - 0.85 * rib(depth, z + 0.4 * side * x + 20 * density))
    const rest = body * (1 - wall)
    const inner = rest * inside(outside + SKIN_MM)
    skin[i] = rest - inner
    const cone =
      ((x - base[0]) / (0.8 * halfWidthMm)) ** 2 +
      ((z - base[2]) / (0.8 * halfHeightMm)) ** 2 +
      ((depth - 0.45 * lengthMm) / (0.55 * lengthMm)) ** 2
    const tissue = 0.5 * coarse[i]! + 0.25 * fine[i]! + density + 0.35 - 1.1 * cone
    const share = inner / (1 + Math.exp(-tissue / 0.12))
    gland[i] = share * inside(4 - depth)
    fat[i] = inner - gland[i]
  })
  return { fat, gland, muscle, skin }
}

/** Share of bone, which gives little signal: ribs across the body behind the pectoral muscle. */
function rib(depth: number, along: number): number {
  const fromMiddle = along - RIB.everyMm * Math.round(along / RIB.everyMm)
  const radius = Math.hypot(fromMiddle / RIB.halfHeightMm, (depth + RIB.depthMm) / RIB.halfDepthMm)
  return inside((radius - 1) * RIB.halfDepthMm)
}

/** Share of a voxel that lies inside, by its distance from the border (negative inside). */
export function inside(distanceMm: number): number {
  return Math.min(1, Math.max(0, 0.5 - distanceMm / (2 * BORDER_MM)))
}

/** The smaller of two, rounded where they are within `width` of each other. */
function smoothMinimum(a: number, b: number, width: number): number {
  const near = Math.max(0, width - Math.abs(a - b)) / width
  return Math.min(a, b) - (near * near * width) / 4
}
