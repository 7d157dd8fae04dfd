/** One exam on disk. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { saveNifti } from '../exam/nifti/write.js'
import { dicomFiles } from './dicom/exam.js'
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
  /** Relative to the folder: a file, or a folder of DICOM files. */
  readonly path: string
  readonly lesionMm3: number
}

export async function writeExam(exam: SimulatedExam, options: FileOptions): Promise<ExamFiles> {
  const { folder, format, masks } = options
  const path = format === 'dicom' ? `exams/${exam.name}` : `exams/${exam.name}.nii.gz`
  if (format === 'dicom') await saveDicom(exam, join(folder, path))
  else await saveNifti(examVolume(exam), join(folder, path), { samples: 'stored' })
  if (masks)
    await saveNifti(maskVolume(exam), join(folder, `masks/${exam.name}.nii.gz`), { samples: 'stored' })
  const { grid } = exam.protocol
  const [dx, dy, dz] = grid.spacingMm
  let inside = 0
  for (let i = 0; i < voxelCount(grid); i++) inside += exam.mask[i] ?? 0
  return { path, lesionMm3: inside * dx * dy * dz }
}

async function saveDicom(exam: SimulatedExam, folder: string): Promise<void> {
  await mkdir(folder)
  for (const { name, bytes } of dicomFiles(exam)) await writeFile(join(folder, name), bytes)
}
