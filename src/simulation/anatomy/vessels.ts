/** Vessels: tubes that wander from the chest wall through the breast. */

import { boxAround, eachVoxel, voxelCount, type Grid, type Vector } from '../grid.js'
import type { Random } from '../random.js'
import { distanceToSkin, inside, type Breast } from './breast.js'

const STEP_MM = 1.2

/** @returns share of blood in each voxel */
export function vesselTissue(breast: Breast, lesion: Vector, grid: Grid, random: Random): Float32Array {
  const blood = new Float32Array(voxelCount(grid))
  const { base, halfWidthMm, halfHeightMm, lengthMm } = breast
  const count = 5 + Math.floor(4 * random.uniform())
  for (let vessel = 0; vessel < count; vessel++) {
    const angle = random.between(0, 2 * Math.PI)
    const start: Vector = [
      base[0] + 0.75 * halfWidthMm * Math.cos(angle),
      base[1] - random.between(6, 14),
      base[2] + 0.75 * halfHeightMm * Math.sin(angle),
    ]
    // Some feed the lesion, the others run towards the nipple.
    const aim: Vector =
      vessel < 2 ? lesion : [base[0], base[1] - random.between(0.4, 0.9) * lengthMm, base[2]]
    drawTube(blood, grid, breast, start, aim, random)
  }
  return blood
}

function drawTube(
  blood: Float32Array,
  grid: Grid,
  breast: Breast,
  start: Vector,
  aim: Vector,
  random: Random,
): void {
  let [x, y, z] = start
  const [swayX, swayY, swayZ] = random.direction()
  const [turn, wave] = [random.between(0, 6), random.between(14, 26)]
  const whole = Math.hypot(aim[0] - x, aim[1] - y, aim[2] - z)
  for (let gone = 0; gone < whole; gone += STEP_MM) {
    const left = Math.hypot(aim[0] - x, aim[1] - y, aim[2] - z)
    if (left < STEP_MM) return
    const bend = 0.8 * Math.sin(gone / wave + turn)
    x += STEP_MM * ((aim[0] - x) / left + bend * swayX)
    y += STEP_MM * ((aim[1] - y) / left + bend * swayY)
    z += STEP_MM * ((aim[2] - z) / left + bend * swayZ)
    if (distanceToSkin(breast, x, y, z) > -3) continue
    const radius = 1.5 - (0.7 * gone) / whole
    const { from, to } = boxAround(grid, [x, y, z], radius + 1.5)
    const mark = (i: number, vx: number, vy: number, vz: number) => {
      blood[i] = Math.max(blood[i]!, inside(Math.hypot(vx - x, vy - y, vz - z) - radius))
    }
    eachVoxel(grid, mark, from, to)
  }
}
