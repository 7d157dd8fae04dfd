/** Whether contrast agent can be seen to arrive: a sign that the right phases were chosen, not a measurement. */

import type { ExamWarning, Samples } from './volume.js'

/** Voxels brighter than this part of the brightest are tissue; this share of them must rise by so much. */
const TISSUE = 0.1
const SHARE = 0.001
const RISE = 0.1
const SAMPLED = 200_000

/** A warning when hardly any tissue becomes brighter after the first phase. */
export function enhancementWarning(
  shape: readonly [number, number, number, number],
  samples: Samples,
  slopes: Float64Array,
  intercepts: Float64Array,
): ExamWarning[] {
  const [phases, slices, rows, columns] = shape
  const plane = rows * columns
  const volume = slices * plane
  const stride = Math.max(1, Math.floor(volume / SAMPLED))
  const at = (phase: number, voxel: number): number => {
    const frame = phase * slices + Math.floor(voxel / plane)
    return (samples[phase * volume + voxel] as number) * (slopes[frame] ?? 1) + (intercepts[frame] ?? 0)
  }
  let brightest = 0
  for (let voxel = 0; voxel < volume; voxel += stride) brightest = Math.max(brightest, at(0, voxel))
  let tissue = 0
  let risen = 0
  for (let voxel = 0; voxel < volume; voxel += stride) {
    const before = at(0, voxel)
    if (before < TISSUE * brightest) continue
    tissue++
    let after = before
    for (let phase = 1; phase < phases; phase++) after = Math.max(after, at(phase, voxel))
    if (after >= before * (1 + RISE)) risen++
  }
  if (tissue > 0 && risen >= SHARE * tissue) return []
  return [
    { code: 'NO_VISIBLE_ENHANCEMENT', message: 'no tissue becomes visibly brighter after the first phase' },
  ]
}
