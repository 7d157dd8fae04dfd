/** Slight rigid motion between phases. */

import type { Grid } from '../grid.js'
import type { Random } from '../random.js'

/** Millimetres along and radians about the axes of the grid. */
export interface Motion {
  readonly shift: readonly [number, number, number]
  readonly turn: readonly [number, number, number]
}

const SHIFT_MM = 0.2
const TURN = 0.002

export function drawMotion(random: Random): Motion {
  const three = (spread: number) =>
    [spread * random.normal(), spread * random.normal(), spread * random.normal()] as const
  return { shift: three(SHIFT_MM), turn: three(TURN) }
}

/** The image of what has moved, interpolated trilinearly; turns are about the grid's middle. */
export function rigidlyMoved(image: Float32Array, { size, spacingMm }: Grid, motion: Motion): Float32Array {
  const [nx, ny, nz] = size
  const [dx, dy, dz] = spacingMm
  const [a, b, c] = motion.turn
  const [sx, sy, sz] = motion.shift
  const moved = new Float32Array(image.length)
  for (let k = 0; k < nz; k++) {
    const w = (k - (nz - 1) / 2) * dz
    for (let j = 0; j < ny; j++) {
      const v = (j - (ny - 1) / 2) * dy
      for (let i = 0; i < nx; i++) {
        const u = (i - (nx - 1) / 2) * dx
        // Small turns commute, and are their own first order.
        const x = bounded(i - (sx + b * w - c * v) / dx, nx)
        const y = bounded(j - (sy + c * u - a * w) / dy, ny)
        const z = bounded(k - (sz + a * v - b * u) / dz, nz)
        const [i0, j0, k0] = [x | 0, y | 0, z | 0]
        const [fx, fy, fz] = [x - i0, y - j0, z - k0]
        const at = (k0 * ny + j0) * nx + i0
        const above = at + nx * ny
        const low = plane(image, at, nx, fx, fy)
        moved[(k * ny + j) * nx + i] = low + fz * (plane(image, above, nx, fx, fy) - low)
      }
    }
  }
  return moved
}

/** Kept so far inside that there are eight neighbours. */
const bounded = (at: number, count: number): number => Math.min(count - 1.001, Math.max(0, at))

function plane(image: Float32Array, at: number, row: number, fx: number, fy: number): number {
  const near = image[at]! + fx * (image[at + 1]! - image[at]!)
  const far = image[at + row]! + fx * (image[at + row + 1]! - image[at + row]!)
  return near + fy * (far - near)
}
