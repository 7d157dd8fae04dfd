import { gzipSync } from 'node:zlib'
import { normals } from './random.js'

/** Size of the phantom: phases, slices, rows, columns, and its voxel's edge in millimetres. */
export const PHANTOM = { phases: 5, depth: 32, height: 64, width: 64, spacingMm: 2, intervalS: 75 } as const

/** The lesion's centre (slice, row, column) and radius in voxels. */
export const LESION = { centre: [17, 30, 36], radius: 6 } as const

/** Signal over the baseline per phase, in arbitrary units: a lesion that washes out, tissue that fills slowly. */
const WASH_OUT = [0, 420, 380, 330, 290] as const
const SLOW_FILL = [0, 25, 45, 60, 70] as const

/**
 * A breast in a dynamic contrast-enhanced exam, much simplified: fat, a core of glandular tissue that
 * enhances slowly, and one lesion that enhances fast with a rim and washes out. Simulated: no person
 * stands behind it.
 *
 * @returns gzipped NIfTI-1, int16, dimensions x, y, z, t.
 */
export function phantomExam(seed: number): Buffer {
  const { phases, depth, height, width } = PHANTOM
  const noise = normals(seed)
  const voxels = new Int16Array(phases * depth * height * width)
  let at = 0
  for (let t = 0; t < phases; t++) {
    for (let z = 0; z < depth; z++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) voxels[at++] = Math.max(0, signal(t, z, y, x) + 12 * noise())
      }
    }
  }
  return gzipSync(Buffer.concat([header(), Buffer.from(voxels.buffer)]))
}

function signal(t: number, z: number, y: number, x: number): number {
  const { depth, height, width } = PHANTOM
  const breast = Math.hypot(
    (z - depth / 2) / (depth / 2),
    (y - height) / height,
    (x - width / 2) / (width / 2),
  )
  if (breast > 1) return 0
  const [cz, cy, cx] = LESION.centre
  const lesion = Math.hypot(z - cz, y - cy, x - cx) / LESION.radius
  if (lesion < 1) return 260 + (WASH_OUT[t] ?? 0) * (0.6 + 0.4 * lesion)
  return breast < 0.6 ? 240 + (SLOW_FILL[t] ?? 0) : 420
}

/** A NIfTI-1 header (348 bytes and the empty extension), fields at the offsets of nifti1.h. */
function header(): Buffer {
  const { phases, depth, height, width, spacingMm, intervalS } = PHANTOM
  const bytes = Buffer.alloc(352)
  bytes.writeInt32LE(348, 0)
  for (const [i, size] of [4, width, height, depth, phases, 1, 1, 1].entries())
    bytes.writeInt16LE(size, 40 + 2 * i)
  bytes.writeInt16LE(4, 70) // datatype: int16
  bytes.writeInt16LE(16, 72) // bits a voxel
  for (const [i, size] of [1, spacingMm, spacingMm, spacingMm, intervalS].entries()) {
    bytes.writeFloatLE(size, 76 + 4 * i)
  }
  bytes.writeFloatLE(352, 108) // vox_offset
  bytes.writeFloatLE(1, 112) // scl_slope
  bytes.writeUInt8(2 | 8, 123) // millimetres and seconds
  bytes.writeInt16LE(1, 254) // sform: scanner coordinates
  for (const row of [0, 1, 2]) bytes.writeFloatLE(spacingMm, 280 + 16 * row + 4 * row)
  bytes.write('n+1\0', 344, 'latin1')
  return bytes
}
