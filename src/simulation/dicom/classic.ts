/** An exam as MR Image Storage objects (PS3.3, A.4), a file for every slice of every phase. */

import { decimal, encodeFile, numbers, text } from '../../dicom/elements.js'
import type { SimulatedExam } from '../exam.js'
import { greatestSample } from '../scanner/scanners.js'
import {
  CONTRAST_AGENT,
  dataset,
  IMPLEMENTATION,
  LARMOR_MHZ_PER_T,
  laterality,
  orientation,
  pixels,
  position,
  simulated,
  slicePosition,
  studyOf,
  windowOf,
  type DicomFile,
  type Element,
  type Study,
} from './modules.js'
import { ge, philips, siemens } from './vendors.js'

const MR_IMAGE = '1.2.840.10008.5.1.4.1.1.4'
const HABITS = { ge, siemens, philips } as const

export function* classicFiles(exam: SimulatedExam, layout: keyof typeof HABITS): Generator<DicomFile> {
  const study = studyOf(exam)
  const place = HABITS[layout](exam, study)
  const [phases, slices, rows, columns] = exam.shape
  const { grid, scanner, sequence } = exam.protocol
  const plane = rows * columns
  const common: readonly Element[] = [
    ...study.elements,
    ...windowOf(exam),
    [0x00080016, text('UI', MR_IMAGE)],
    [0x00080022, text('DA', study.date)],
    [0x00080023, text('DA', study.date)],
    [0x00180020, text('CS', 'GR')],
    [0x00180021, text('CS', 'SP')],
    [0x00180022, text('CS', 'FS')],
    [0x00180023, text('CS', '3D')],
    [0x00180050, text('DS', decimal(grid.spacingMm[2]))],
    [0x00180080, text('DS', decimal(sequence.repetitionTimeMs))],
    [0x00180081, text('DS', decimal(sequence.echoTimeMs))],
    [0x00180083, text('DS', '1')],
    [0x00180084, text('DS', decimal(LARMOR_MHZ_PER_T * scanner.fieldT))],
    [0x00180085, text('SH', '1H')],
    [0x00180087, text('DS', String(scanner.fieldT))],
    [0x00180088, text('DS', decimal(grid.spacingMm[2]))],
    [0x00180091, text('IS', '1')],
    [0x00181314, text('DS', String(sequence.flipAngleDegrees))],
    [0x00200012, text('IS', '1')],
    [0x00200060, text('CS', laterality(exam))],
    [0x00200037, orientation(grid.axes)],
    [0x00280030, text('DS', `${decimal(grid.spacingMm[1])}\\${decimal(grid.spacingMm[0])}`)],
    [0x00280106, numbers(scanner.signed ? 'SS' : 'US', 0)],
    [0x00280107, numbers(scanner.signed ? 'SS' : 'US', greatestSample(scanner))],
  ]
  for (let phase = 0; phase < phases; phase++) {
    for (let slice = 0; slice < slices; slice++) {
      const { series, description, instance, elements } = place(phase, slice)
      const at = (phase * slices + slice) * plane
      const file = dataset(common, elements, rescale(exam, phase), contrast(exam, study, phase), [
        [0x00080018, text('UI', study.uid(`image ${series} ${instance}`))],
        [0x0008103e, simulated(description)],
        [0x0020000e, text('UI', study.uid(`series ${series}`))],
        [0x00200011, text('IS', String(series))],
        [0x00200013, text('IS', String(instance))],
        [0x00200032, position(slicePosition(exam, slice))],
        [0x7fe00010, pixels(exam.samples.subarray(at, at + plane))],
      ])
      const name = `${String(series).padStart(4, '0')}-${String(instance).padStart(4, '0')}.dcm`
      yield { name, bytes: encodeFile(file, IMPLEMENTATION, 'ascii') }
    }
  }
}

/** Only where the scanner has one: elsewhere stored values are the image's. */
function rescale({ protocol, slopes }: SimulatedExam, phase: number): readonly Element[] {
  if (!protocol.scanner.rescaled) return []
  return [
    [0x00281052, text('DS', '0')],
    [0x00281053, text('DS', decimal(slopes[phase] ?? 1))],
    [0x00281054, text('LO', 'normalized')],
  ]
}

/** Images from before it have none. */
function contrast({ protocol }: SimulatedExam, study: Study, phase: number): readonly Element[] {
  if (phase === 0) return []
  return [
    [0x00180010, text('LO', CONTRAST_AGENT)],
    [0x00181042, text('TM', study.time(protocol.injectionS))],
  ]
}
