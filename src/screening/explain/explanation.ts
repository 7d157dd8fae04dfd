/** What the scores of occluded copies say: where in space, and when, a finding comes from. */

import type { Grid } from '../plan/geometry.js'
import type { Point } from '../types.js'
import type { OcclusionPlan, Voxel } from './occlusion.js'

/**
 * Of one finding. A drop is the logit of its probability, before calibration, less the same of an occluded
 * copy: above zero where what was hidden spoke for the finding, below where it spoke against it.
 */
export interface Explanation {
  readonly finding: string
  readonly grid: Grid
  /** [D, H, W]: the mean drop over all patches with the voxel in them. */
  readonly map: Float32Array
  /** Where hiding changed most, in either direction. */
  readonly strongest: { readonly voxel: Voxel; readonly mm: Point; readonly drop: number }
  /** One a phase; empty where there is one phase only. */
  readonly phaseDrops: readonly number[]
  /** Voxels of a patch. */
  readonly patch: Voxel
  readonly copies: number
}

/**
 * @param whole logit of the exam as it is
 * @param occluded logits of the copies, in the order of the plan
 */
export function makeExplanation(
  finding: string,
  plan: OcclusionPlan,
  grid: Grid,
  whole: number,
  occluded: readonly number[],
): Explanation {
  const drops = occluded.map((logit) => whole - logit)
  const map = meanDrops(plan, drops)
  const voxel = strongestVoxel(map, grid.size)
  return {
    finding,
    grid,
    map,
    strongest: { voxel, mm: place(grid, voxel), drop: map[indexOf(voxel, grid.size)] ?? 0 },
    phaseDrops: drops.filter((_, i) => plan.occlusions[i]?.kind === 'phase'),
    patch: plan.patch,
    copies: plan.occlusions.length,
  }
}

function meanDrops({ shape, patch, occlusions }: OcclusionPlan, drops: readonly number[]): Float32Array {
  const [, depth, height, width] = shape
  const sums = new Float64Array(depth * height * width)
  const counts = new Uint16Array(sums.length)
  occlusions.forEach((occlusion, i) => {
    if (occlusion.kind !== 'patch') return
    const [z0, y0, x0] = occlusion.from
    for (let z = z0; z < z0 + patch[0]; z++) {
      for (let y = y0; y < y0 + patch[1]; y++) {
        for (let x = x0; x < x0 + patch[2]; x++) {
          const at = (z * height + y) * width + x
          sums[at] = (sums[at] ?? 0) + (drops[i] ?? 0)
          counts[at] = (counts[at] ?? 0) + 1
        }
      }
    }
  })
  return Float32Array.from(sums, (sum, i) => sum / (counts[i] ?? 1))
}

const indexOf = ([z, y, x]: Voxel, [, height, width]: Voxel): number =>
  (Math.floor(z) * height + Math.floor(y)) * width + Math.floor(x)

/** Patches that begin some voxels apart leave blocks of one value: the middle of the strongest one, in voxels. */
function strongestVoxel(map: Float32Array, size: Voxel): Voxel {
  const [, height, width] = size
  let best = 0
  for (let i = 1; i < map.length; i++) if (Math.abs(map[i] ?? 0) > Math.abs(map[best] ?? 0)) best = i
  const first = [
    Math.floor(best / (height * width)),
    Math.floor(best / width) % height,
    best % width,
  ] as const
  const middle = (axis: 0 | 1 | 2, stride: number): number => {
    let end = first[axis]
    while (end + 1 < size[axis] && map[best + (end + 1 - first[axis]) * stride] === map[best]) end++
    return (first[axis] + end) / 2
  }
  return [middle(0, height * width), middle(1, width), middle(2, 1)]
}

function place({ affine }: Grid, [z, y, x]: Voxel): Point {
  const row = (r: number): number =>
    [x, y, z, 1].reduce((sum, at, column) => sum + at * (affine[4 * r + column] ?? 0), 0)
  return [row(0), row(1), row(2)]
}
