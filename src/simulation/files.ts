/** One exam on disk. */

import { join } from 'node:path'
import { saveNifti } from '../exam/nifti/write.js'
import type { SimulatedExam } from './exam.js'
import { voxelCount } from './grid.js'
import { examVolume, maskVolume } from './volume.js'

export type ExamFormat = 'dicom' | 'nifti'

export interface FileOptions {
  /** Has the folders `exams`, and `masks` where these are wanted. */
  readonly folder: string
  readonly format: ExamFormat
  readonly masks: boolean
}

export interface ExamFiles {
  /** Relative to the folder. */
  readonly path: string
  readonly lesionMm3: number
}

export async function writeExam(exam: SimulatedExam, options: FileOptions): Promise<ExamFiles> {
  const { folder, masks } = options
  const path = `exams/${exam.name}.nii.gz`
  await saveNifti(examVolume(exam), join(folder, path), { samples: 'stored' })
  if (masks)
    await saveNifti(maskVolume(exam), join(folder, `masks/${exam.name}.nii.gz`), { samples: 'stored' })
  const { grid } = exam.protocol
  const [dx, dy, dz] = grid.spacingMm
  let inside = 0
  for (let i = 0; i < voxelCount(grid); i++) inside += exam.mask[i] ?? 0
  return { path, lesionMm3: inside * dx * dy * dz }
}
