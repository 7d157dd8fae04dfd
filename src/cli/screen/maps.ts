import { join } from 'node:path'
import { saveNifti } from '../../exam/nifti/write.js'
import type { Volume4D } from '../../exam/volume.js'
import type { Explanation, ScreeningAnswer } from '../../generated/sentinode/v1/screening.js'
import { fileName } from './reports.js'

/** Writes what each finding comes from as a NIfTI volume in the exam's space; the paths by finding. */
export async function saveMaps(
  answer: ScreeningAnswer,
  exam: string,
  folder: string,
): Promise<Readonly<Record<string, string>>> {
  const saved: Record<string, string> = {}
  for (const { name, explanation } of answer.findings) {
    if (explanation === undefined) continue
    const path = join(folder, `${fileName(`${exam}-${name}`)}.nii.gz`)
    await saveNifti(mapVolume(explanation), path)
    saved[name] = path
  }
  return saved
}

function mapVolume({ grid, affine, map }: Explanation): Volume4D {
  const [depth = 0, height = 0, width = 0] = grid
  const rows = [0, 4, 8, 12].map((from) => affine.slice(from, from + 4))
  const spacing = (column: number): number => Math.hypot(...rows.slice(0, 3).map((row) => row[column] ?? 0))
  return {
    format: 'nifti',
    shape: [1, depth, height, width],
    samples: Float32Array.from(map),
    slopes: new Float64Array(depth).fill(1),
    intercepts: new Float64Array(depth),
    affineLps: rows,
    spacingMm: [spacing(2), spacing(1), spacing(0)],
    timesS: null,
    phasesFrom: '',
    timesFrom: null,
    series: [],
    frames: { read: depth, used: depth, leftOut: [] },
    warnings: [],
  }
}
