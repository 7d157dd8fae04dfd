/** An exam as one Enhanced MR Image Storage object (PS3.3, A.36.2): a frame for every slice of every phase. */

import { decimal, encodeFile, numbers, sequence, text, type ElementValue } from '../../dicom/elements.js'
import type { SimulatedExam } from '../exam.js'
import {
  dataset,
  IMPLEMENTATION,
  pixels,
  position,
  simulated,
  slicePosition,
  studyOf,
  type DicomFile,
  type Element,
  type Study,
} from './modules.js'
import { contrastBolus, imageDescription, item, pulseSequence, sharedGroups } from './functional-groups.js'

const ENHANCED_MR_IMAGE = '1.2.840.10008.5.1.4.1.1.4.1'
const SERIES = 401

const FRAME_CONTENT = 0x00209111
/** Tag and label of what DimensionIndexValues count, in their order. */
const DIMENSIONS = [
  [0x00209056, 'Stack ID'],
  [0x00209057, 'In-Stack Position Number'],
  [0x00209128, 'Temporal Position Index'],
] as const

/** Phases alternate within a slice, as this vendor's do. */
export function enhancedFile(exam: SimulatedExam): DicomFile {
  const study = studyOf(exam)
  const [phases, slices] = exam.shape
  const { startsS, phaseS } = exam.protocol
  const end = (startsS.at(-1) ?? 0) + phaseS
  const frames = Array.from({ length: slices * phases }, (_, i) => ({
    slice: Math.floor(i / phases),
    phase: i % phases,
  }))
  const file = dataset(
    study.elements,
    imageDescription,
    pulseSequence(exam),
    contrastBolus,
    dimensions(study),
    [
      [0x00080008, text('CS', 'ORIGINAL\\PRIMARY\\DYNAMIC\\NONE')],
      [0x00080016, text('UI', ENHANCED_MR_IMAGE)],
      [0x00080018, text('UI', study.uid('image'))],
      [0x00080023, text('DA', study.date)],
      [0x0008002a, text('DT', study.date + study.time(0))],
      [0x00080031, text('TM', study.time(0))],
      [0x00080033, text('TM', study.time(end))],
      [0x0008103e, simulated('eTHRIVE DYN')],
      [0x00189073, numbers('FD', end)],
      [0x0020000e, text('UI', study.uid('series'))],
      [0x00200011, text('IS', String(SERIES))],
      [0x00200012, text('IS', '1')],
      [0x00200013, text('IS', '1')],
      [0x00280008, text('IS', String(frames.length))],
      [0x00282110, text('CS', '00')],
      [0x00400555, sequence()],
      [0x20500020, text('CS', 'IDENTITY')],
      [0x52009229, sequence(sharedGroups(exam))],
      [0x52009230, sequence(...frames.map((frame) => frameGroups(exam, study, frame)))],
      [0x7fe00010, pixels(inOrder(exam, frames))],
    ],
  )
  return { name: `${SERIES}.dcm`, bytes: encodeFile(file, IMPLEMENTATION, 'ascii') }
}

interface FramePlace {
  readonly slice: number
  readonly phase: number
}

/** What differs from frame to frame: where it lies, when it was, what its samples are worth. */
function frameGroups(exam: SimulatedExam, study: Study, { slice, phase }: FramePlace) {
  const { startsS, phaseS } = exam.protocol
  const start = startsS[phase] ?? 0
  const at = (seconds: number) => text('DT', study.date + study.time(seconds))
  return dataset([
    [
      FRAME_CONTENT,
      item(
        [0x00189074, at(start)],
        [0x00189151, at(start + phaseS / 2)],
        [0x00189220, numbers('FD', 1000 * phaseS)],
        [0x00209056, text('SH', '1')],
        [0x00209057, numbers('UL', slice + 1)],
        [0x00209128, numbers('UL', phase + 1)],
        [0x00209156, numbers('US', phase + 1)],
        [0x00209157, numbers('UL', 1, slice + 1, phase + 1)],
      ),
    ],
    [0x00209113, item([0x00200032, position(slicePosition(exam, slice))])],
    [
      0x00289145,
      item(
        [0x00281052, text('DS', '0')],
        [0x00281053, text('DS', decimal(exam.slopes[phase] ?? 1))],
        [0x00281054, text('LO', 'US')],
      ),
    ],
    [
      0x00189341,
      item(
        [0x00189337, numbers('US', 1)],
        [0x00189342, text('CS', phase === 0 ? 'NO' : 'YES')],
        [0x00189343, text('CS', phase === 0 ? 'NO' : 'YES')],
      ),
    ],
  ])
}

function dimensions(study: Study): readonly Element[] {
  const organization: Element = [0x00209164, text('UI', study.uid('dimensions'))]
  const index = ([tag, label]: (typeof DIMENSIONS)[number]) =>
    new Map<number, ElementValue>([
      organization,
      [0x00209165, numbers('AT', tag)],
      [0x00209167, numbers('AT', FRAME_CONTENT)],
      [0x00209421, text('LO', label)],
    ])
  return [
    [0x00209221, item(organization)],
    [0x00209222, sequence(...DIMENSIONS.map(index))],
  ]
}

function inOrder({ samples, shape }: SimulatedExam, frames: readonly FramePlace[]): Int16Array {
  const [, slices, rows, columns] = shape
  const plane = rows * columns
  const ordered = new Int16Array(samples.length)
  frames.forEach(({ slice, phase }, i) => {
    const at = (phase * slices + slice) * plane
    ordered.set(samples.subarray(at, at + plane), i * plane)
  })
  return ordered
}
