/**
 * Smooth random fields: cubic B-splines over normal numbers on a lattice, as wide as `scaleMm`. Interpolation
 * is separable, so that a field costs four products a voxel and not sixty-four.
 */

import type { Random } from '../random.js'

type Triple = readonly [number, number, number]

/**
 * @param size voxels in columns, rows and slices
 * @returns one value a voxel, mean 0 and variance 1 over the ensemble
 */
export function smoothField(random: Random, size: Triple, spacingMm: Triple, scaleMm: number): Float32Array {
  const axes = size.map((count, a) => splineAxis(count, (spacingMm[a] ?? 1) / scaleMm, random.uniform()))
  const [ax, ay, az] = axes as [SplineAxis, SplineAxis, SplineAxis]
  let field = Float32Array.from({ length: ax.knots * ay.knots * az.knots }, () => random.normal())
  field = along(field, ax, 1, ay.knots * az.knots)
  field = along(field, ay, size[0], az.knots)
  field = along(field, az, size[0] * size[1], 1)
  return field
}

interface SplineAxis {
  readonly count: number
  readonly knots: number
  /** First knot and four weights of each voxel. */
  readonly first: Int32Array
  readonly weights: Float64Array
}

/** Variance of the spline between knots is a little lower than on them; this is its mean over the interval. */
const VARIANCE = 0.4793650793650794

function splineAxis(count: number, step: number, phase: number): SplineAxis {
  const first = new Int32Array(count)
  const weights = new Float64Array(4 * count)
  for (let i = 0; i < count; i++) {
    const at = phase + i * step
    const t = at - Math.floor(at)
    first[i] = Math.floor(at)
    const spline = [(1 - t) ** 3, 3 * t ** 3 - 6 * t ** 2 + 4, -3 * t ** 3 + 3 * t ** 2 + 3 * t + 1, t ** 3]
    spline.forEach((weight, k) => (weights[4 * i + k] = weight / 6 / Math.sqrt(VARIANCE)))
  }
  return { count, knots: (first[count - 1] ?? 0) + 4, first, weights }
}

/** Interpolates one axis; `inner` values lie side by side below it, `outer` blocks above it. */
function along(
  from: Float32Array,
  axis: SplineAxis,
  inner: number,
  outer: number,
): Float32Array<ArrayBuffer> {
  const into = new Float32Array(outer * axis.count * inner)
  for (let block = 0; block < outer; block++) {
    for (let i = 0; i < axis.count; i++) {
      const start = (block * axis.knots + axis.first[i]!) * inner
      const at = (block * axis.count + i) * inner
      const [w0, w1, w2, w3] = axis.weights.subarray(4 * i, 4 * i + 4) as unknown as [
        number,
        number,
        number,
        number,
      ]
      for (let n = 0; n < inner; n++) {
        into[at + n] =
          w0 * from[start + n]! +
          w1 * from[start + inner + n]! +
          w2 * from[start + 2 * inner + n]! +
          w3 * from[start + 3 * inner + n]!
      }
    }
  }
  return into
}
