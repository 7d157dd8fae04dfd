/** The DICOM files of an exam, as the vendor of its scanner lays them out. */

import type { SimulatedExam } from '../exam.js'
import { classicFiles } from './classic.js'
import { enhancedFile } from './enhanced.js'
import type { DicomFile } from './modules.js'

/**
 * Made one at a time, so that memory holds one. All are of one study and one patient; UIDs depend on seed, index
 * and version alone.
 */
export function dicomFiles(exam: SimulatedExam): Iterable<DicomFile> {
  const { layout } = exam.protocol.scanner
  return layout === 'enhanced' ? [enhancedFile(exam)] : classicFiles(exam, layout)
}
