/** What an Enhanced MR object says of all its frames: modules and shared functional groups (PS3.3, C.8.13). */

import { decimal, numbers, sequence, text, type Elements, type ElementValue } from '../../dicom/elements.js'
import type { SimulatedExam } from '../exam.js'
import {
  CONTRAST_AGENT,
  dataset,
  laterality,
  LARMOR_MHZ_PER_T,
  orientation,
  windowOf,
  type Element,
} from './modules.js'

/** A sequence of one item. */
export const item = (...elements: readonly Element[]): ElementValue => sequence(new Map(elements))

const code = (value: string, scheme: string, meaning: string): ElementValue =>
  item([0x00080100, text('SH', value)], [0x00080102, text('SH', scheme)], [0x00080104, text('LO', meaning)])

/** Of the whole object, and of each frame again (C.8.13.3.1.1). */
export const imageDescription: readonly Element[] = [
  [0x00089205, text('CS', 'MONOCHROME')],
  [0x00089206, text('CS', 'VOLUME')],
  [0x00089207, text('CS', 'NONE')],
  [0x00089208, text('CS', 'MAGNITUDE')],
  [0x00089209, text('CS', 'T1')],
]

/** MR Pulse Sequence, and what Enhanced MR Image says of the scanner: a spoiled gradient echo in 3D. */
export function pulseSequence({ protocol: { scanner } }: SimulatedExam): readonly Element[] {
  return [
    [0x00180023, text('CS', '3D')],
    [0x00180087, text('DS', String(scanner.fieldT))],
    [0x00189004, text('CS', 'RESEARCH')],
    [0x00189005, text('SH', 'SIMULATED')],
    [0x00189008, text('CS', 'GRADIENT')],
    [0x00189012, text('CS', 'NO')],
    [0x00189014, text('CS', 'NO')],
    [0x00189015, text('CS', 'NO')],
    [0x00189017, text('CS', 'NONE')],
    [0x00189018, text('CS', 'NO')],
    [0x00189024, text('CS', 'NO')],
    [0x00189025, text('CS', 'FAT')],
    [0x00189029, text('CS', 'NONE')],
    [0x00189032, text('CS', 'RECTILINEAR')],
    [0x00189033, text('CS', 'SINGLE')],
    [0x00189034, text('CS', 'LINEAR')],
    [0x00189064, text('CS', 'NONE')],
    [0x00189093, numbers('US', 1)],
    [0x00189094, text('CS', 'FULL')],
    [0x00189100, text('CS', '1H')],
    [0x00189174, text('CS', 'IEC')],
  ]
}

/** Enhanced Contrast/Bolus; which frames have it, a functional group of each tells. */
export const contrastBolus: readonly Element[] = [
  [
    0x00180012,
    item(
      [0x00080100, text('SH', 'GADOBUTROL')],
      [0x00080102, text('SH', '99SENTINODE')],
      [0x00080104, text('LO', CONTRAST_AGENT)],
      [0x00180014, code('47625008', 'SCT', 'Intravenous route')],
      [0x00181041, text('DS', '')],
      [0x00181049, text('DS', '')],
      [0x00189337, numbers('US', 1)],
      [0x00189338, sequence()],
    ),
  ],
]

export function sharedGroups(exam: SimulatedExam): Elements {
  const { grid, scanner, sequence: mr } = exam.protocol
  return dataset([
    // Pixel measures, plane orientation, window
    [
      0x00289110,
      item(
        [0x00180050, text('DS', decimal(grid.spacingMm[2]))],
        [0x00180088, text('DS', decimal(grid.spacingMm[2]))],
        [0x00280030, text('DS', `${decimal(grid.spacingMm[1])}\\${decimal(grid.spacingMm[0])}`)],
      ),
    ],
    [0x00209116, item([0x00200037, orientation(grid.axes)])],
    [0x00289132, item(...windowOf(exam))],
    // Frame anatomy, frame type
    [
      0x00209071,
      item([0x00082218, code('76752008', 'SCT', 'Breast')], [0x00209072, text('CS', laterality(exam))]),
    ],
    [0x00189226, item([0x00089007, text('CS', 'ORIGINAL\\PRIMARY\\DYNAMIC\\NONE')], ...imageDescription)],
    // Timing, geometry, echo
    [
      0x00189112,
      item(
        [0x00180080, text('DS', decimal(mr.repetitionTimeMs))],
        [0x00180091, text('IS', '1')],
        [0x00181314, text('DS', String(mr.flipAngleDegrees))],
        [0x00189176, item([0x00189177, text('CS', 'STATIC FIELD')], [0x00189178, text('CS', 'IEC_NORMAL')])],
        [0x00189180, text('CS', 'DB_DT')],
        [0x00189182, numbers('FD', 0)],
        [0x00189239, item([0x00189179, text('CS', 'IEC_WHOLE_BODY')], [0x00189181, numbers('FD', 0)])],
        [0x00189240, numbers('US', 0)],
        [0x00189241, numbers('US', 1)],
      ),
    ],
    [
      0x00189125,
      item(
        [0x00180093, text('DS', '100')],
        [0x00180094, text('DS', '100')],
        [0x00181312, text('CS', 'ROW')],
        [0x00189058, numbers('US', grid.size[1])],
        [0x00189231, numbers('US', grid.size[0])],
        [0x00189232, numbers('US', grid.size[2])],
      ),
    ],
    [0x00189114, item([0x00189082, numbers('FD', mr.echoTimeMs)])],
    // Modifiers, coils, averages
    [
      0x00189115,
      item(
        [0x00189009, text('CS', 'NO')],
        [0x00189010, text('CS', 'NONE')],
        [0x00189016, text('CS', 'RF')],
        [0x00189021, text('CS', 'NO')],
        [0x00189026, text('CS', 'NONE')],
        [0x00189027, text('CS', 'NONE')],
        [0x00189077, text('CS', 'NO')],
        [0x00189081, text('CS', 'NO')],
      ),
    ],
    [
      0x00189006,
      item(
        // As if the echo were read out for as long as it takes to come.
        [0x00180095, text('DS', decimal(Math.round(1000 / mr.echoTimeMs)))],
        [0x00189020, text('CS', 'NONE')],
        [0x00189022, text('CS', 'NO')],
        [0x00189028, text('CS', 'NONE')],
        [0x00189098, numbers('FD', LARMOR_MHZ_PER_T * scanner.fieldT)],
      ),
    ],
    [
      0x00189042,
      item(
        [0x00181250, text('SH', 'SIMULATED')],
        [0x00189041, text('LO', '')],
        [0x00189043, text('CS', 'SURFACE')],
        [0x00189044, text('CS', 'NO')],
      ),
    ],
    [
      0x00189049,
      item(
        [0x00181251, text('SH', 'SIMULATED')],
        [0x00189050, text('LO', '')],
        [0x00189051, text('CS', 'BODY')],
      ),
    ],
    [0x00189119, item([0x00180083, text('DS', '1')])],
  ])
}
