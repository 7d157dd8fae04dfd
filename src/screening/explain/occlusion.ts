/**
 * Which parts of a crop are hidden, one at a time, to see what the answer rests on: occlusion sensitivity
 * (Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014), over space and time.
 */

import { SentinodeError } from '../../errors.js'
import type { Contract } from '../contract/contract.js'

/** [T, D, H, W] */
export type CropShape = readonly [number, number, number, number]
/** [z, y, x] */
export type Voxel = readonly [number, number, number]

export type Occlusion =
  /** A box of voxels, in all phases. */
  | { readonly kind: 'patch'; readonly from: Voxel }
  /** One phase, in all voxels. */
  | { readonly kind: 'phase'; readonly phase: number }

export interface OcclusionPlan {
  readonly shape: CropShape
  readonly patch: Voxel
  readonly occlusions: readonly Occlusion[]
}

/** A patch is a quarter of each side, and the next begins half a patch on: 7 to 8 places a side, whatever its size. */
const PATCHES_A_SIDE = 4
/** Numbers that the network may be given for one explanation, over all copies: 2 GiB of float32. */
const MAX_NUMBERS = 2 ** 29

/** @throws SentinodeError EXPLANATION_TOO_LARGE */
export function planOcclusions(shape: CropShape): OcclusionPlan {
  const [phases, ...grid] = shape
  const patch = grid.map((side) => Math.ceil(side / PATCHES_A_SIDE))
  const starts = grid.map((side, axis) => startsAlong(side, patch[axis] ?? 1))
  const [zs = [], ys = [], xs = []] = starts
  // A phase is hidden behind its neighbours, of which a single one has none.
  const times = phases > 1 ? phases : 0
  const copies = zs.length * ys.length * xs.length + times
  const numbers = copies * shape.reduce((product, side) => product * side, 1)
  if (numbers > MAX_NUMBERS) {
    throw new SentinodeError(
      'EXPLANATION_TOO_LARGE',
      `expected at most ${MAX_NUMBERS} numbers over all occluded copies, found ${copies} copies of ${shape.join(' x ')}`,
    )
  }
  return {
    shape,
    patch: [patch[0] ?? 1, patch[1] ?? 1, patch[2] ?? 1],
    occlusions: [
      ...zs.flatMap((z) => ys.flatMap((y) => xs.map((x) => ({ kind: 'patch', from: [z, y, x] }) as const))),
      ...Array.from({ length: times }, (_, phase) => ({ kind: 'phase', phase }) as const),
    ],
  }
}

/** Where a contract's grid is fixed, its explanations are too. Throws EXPLANATION_TOO_LARGE. */
export function requireExplainable({ image: { grid, phases } }: Contract): void {
  const times = phases.by === 'order' ? phases.indices : phases.times_s
  if (grid.size !== null) planOcclusions([times.length, ...grid.size])
}

/** The last patch ends where the side does. */
function startsAlong(side: number, patch: number): number[] {
  const step = Math.ceil(patch / 2)
  const last = side - patch
  return Array.from({ length: Math.ceil(last / step) + 1 }, (_, i) => Math.min(i * step, last))
}

/**
 * Makes the occluded copies of a crop.
 *
 * A patch is filled, phase by phase, with the median of the crop's outermost voxels: tissue around the lesion,
 * with its own course over time. It removes the lesion's enhancement and its shape and keeps the scale of
 * intensities. The mean of what surrounds the patch would not do: inside a lesion larger than the patch that is
 * lesion again. Neither would zero, which after a z-score is brighter than most tissue.
 *
 * A phase is filled with what the phases beside it lead to expect, linear in time, the first and last with
 * their only neighbour: what is lost is what this phase alone says. A blank phase is nothing that a network
 * has ever seen.
 */
export class Occluder {
  readonly #fill: readonly number[]

  /**
   * @param crop shape[0] * ... * shape[3] numbers, as the network is given them; not changed
   * @param timesS of the phases; null where only their order is known
   */
  constructor(
    private readonly crop: Float32Array,
    private readonly plan: OcclusionPlan,
    private readonly timesS: readonly number[] | null,
  ) {
    this.#fill = outerMedians(crop, plan.shape)
  }

  /** Writes the occluded copy of the whole crop. */
  write(occlusion: Occlusion, into: Float32Array): void {
    into.set(this.crop)
    if (occlusion.kind === 'patch') this.#hidePatch(occlusion.from, into)
    else this.#hidePhase(occlusion.phase, into)
  }

  #hidePatch([z0, y0, x0]: Voxel, into: Float32Array): void {
    const { patch, shape } = this.plan
    const [phases, depth, height, width] = shape
    for (let t = 0; t < phases; t++) {
      for (let z = z0; z < z0 + patch[0]; z++) {
        for (let y = y0; y < y0 + patch[1]; y++) {
          const row = ((t * depth + z) * height + y) * width + x0
          into.fill(this.#fill[t] ?? 0, row, row + patch[2])
        }
      }
    }
  }

  #hidePhase(phase: number, into: Float32Array): void {
    const [phases, ...grid] = this.plan.shape
    const size = grid.reduce((product, side) => product * side, 1)
    const [before, after] = [phase === 0 ? 1 : phase - 1, phase === phases - 1 ? phases - 2 : phase + 1]
    const time = (t: number): number => this.timesS?.[t] ?? t
    const weight = before === after ? 0 : (time(phase) - time(before)) / (time(after) - time(before))
    for (let i = 0; i < size; i++) {
      const [a, b] = [this.crop[before * size + i] ?? 0, this.crop[after * size + i] ?? 0]
      into[phase * size + i] = a + weight * (b - a)
    }
  }
}

/** Per phase; sides of one or two voxels have no inside and do not count. */
function outerMedians(crop: Float32Array, [phases, depth, height, width]: CropShape): number[] {
  const outer = (at: number, side: number): boolean => side > 2 && (at === 0 || at === side - 1)
  const size = depth * height * width
  const border: number[] = []
  for (let i = 0; i < size; i++) {
    const [z, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width]
    if (outer(z, depth) || outer(y, height) || outer(x, width)) border.push(i)
  }
  const voxels = border.length > 0 ? border : Array.from({ length: size }, (_, i) => i)
  return Array.from({ length: phases }, (_, t) => {
    const values = Float32Array.from(voxels, (i) => crop[t * size + i] ?? 0).sort()
    return values[values.length >> 1] ?? 0
  })
}
