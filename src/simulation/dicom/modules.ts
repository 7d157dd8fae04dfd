/** What every image of a simulated exam says, whatever the vendor: the common modules of PS3.3. */

import { decimal, numbers, text, uidFrom, type Elements, type ElementValue } from '../../dicom/elements.js'
import { version } from '../../version.js'
import type { SimulatedExam } from '../exam.js'
import type { Vector } from '../grid.js'
import { Random } from '../random.js'

export type Element = readonly [tag: number, value: ElementValue]

/** A file of an exam. */
export interface DicomFile {
  readonly name: string
  readonly bytes: Buffer
}

/** All that tells files of one exam apart from those of another, and series within it. */
export interface Study {
  readonly uid: (what: string) => string
  readonly date: string
  /** Time of day, DICOM's TM, of a moment in seconds after the first phase began. */
  readonly time: (seconds: number) => string
  /** What all images have alike, pixel data's description included. */
  readonly elements: readonly Element[]
}

/** Says it to people; QualityControlImage (0028,0300), which phantoms have, says it to programs. */
export const NOTICE = 'SIMULATED: no person stands behind this exam. NOT FOR CLINICAL USE'

export const CONTRAST_AGENT = 'SIMULATED GADOBUTROL'

/** Of hydrogen. */
export const LARMOR_MHZ_PER_T = 42.577

export const IMPLEMENTATION = { uid: uidFrom('sentinode simulation writer'), name: 'SENTINODE_SIM_1' }

export function studyOf(exam: SimulatedExam): Study {
  const { seed, index, woman, protocol } = exam
  const { scanner } = protocol
  // Another version may draw another exam from the same seed, which must then not have the same UIDs.
  const uid = (what: string) => uidFrom(`sentinode ${version} simulation/${seed}/${index}/${what}`)
  const random = new Random('exam', seed, index, 'calendar')
  const year = 2015 + Math.floor(8 * random.uniform())
  const date = `${year}${two(1 + Math.floor(12 * random.uniform()))}${two(1 + Math.floor(28 * random.uniform()))}`
  const start = Math.floor(random.between(8 * 3600, 17 * 3600))
  const time = (seconds: number) => clock(start + seconds)
  const studyTime = time(-900)
  return {
    uid,
    date,
    time,
    elements: [
      // Patient
      [0x00100010, text('PN', `SIMULATED^EXAM ${index}^^^`)],
      [0x00100020, text('LO', `SIM-${seed}-${index}`)],
      [0x00100030, text('DA', `${year - woman.clinical.age}0101`)],
      [0x00100040, text('CS', 'F')],
      [0x00101010, text('AS', `${String(woman.clinical.age).padStart(3, '0')}Y`)],
      [0x00104000, text('LT', NOTICE)],
      // Study
      [0x0020000d, text('UI', uid('study'))],
      [0x00080020, text('DA', date)],
      [0x00080030, text('TM', studyTime)],
      [0x00080050, text('SH', '')],
      [0x00080090, text('PN', '')],
      [0x00200010, text('SH', `${index}`)],
      [0x00081030, text('LO', 'SIMULATED MR BREAST')],
      // SOP common and image: what says that no scanner took it
      [0x00080005, text('CS', 'ISO_IR 100')],
      [0x00204000, text('LT', NOTICE)],
      [0x00280300, text('CS', 'YES')],
      [0x00280301, text('CS', 'NO')],
      // Series and equipment
      [0x00080060, text('CS', 'MR')],
      [0x00080021, text('DA', date)],
      [0x00080070, text('LO', scanner.manufacturer)],
      [0x00081090, text('LO', scanner.model)],
      [0x00080080, text('LO', 'SIMULATED')],
      [0x00081010, text('SH', 'SIMULATED')],
      [0x00181000, text('LO', 'SIMULATED')],
      [0x00181020, text('LO', `sentinode ${version}`)],
      [0x00180015, text('CS', 'BREAST')],
      [0x00185100, text('CS', 'HFP')],
      [0x00181030, simulated(`${scanner.plane.toUpperCase()} T1 3D DYN`)],
      // Frame of reference
      [0x00200052, text('UI', uid('frame of reference'))],
      [0x00201040, text('LO', '')],
      // Pixels
      [0x00280002, numbers('US', 1)],
      [0x00280004, text('CS', 'MONOCHROME2')],
      [0x00280010, numbers('US', exam.shape[2])],
      [0x00280011, numbers('US', exam.shape[3])],
      [0x00280100, numbers('US', 16)],
      [0x00280101, numbers('US', scanner.bitsStored)],
      [0x00280102, numbers('US', scanner.bitsStored - 1)],
      [0x00280103, numbers('US', Number(scanner.signed))],
    ],
  }
}

/** A name for people that nobody can take for a real exam's. */
export const simulated = (description: string): ElementValue =>
  text('LO', `SIMULATED ${description} NOT FOR CLINICAL USE`)

export const laterality = ({ breast }: SimulatedExam): 'L' | 'R' => (breast.side > 0 ? 'L' : 'R')

export const dataset = (...parts: readonly (readonly Element[])[]): Elements => new Map(parts.flat())

/** Direction cosines of a row and of a column. */
export const orientation = ([row, column]: readonly [Vector, Vector, Vector]): ElementValue =>
  text('DS', [...row, ...column].map(cosine).join('\\'))

export const position = (point: Vector): ElementValue =>
  text('DS', point.map((at) => decimal(near(at))).join('\\'))

/** Little-endian samples of one or more frames. */
export const pixels = (samples: Int16Array): ElementValue => ({
  vr: 'OW',
  bytes: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
})

/** Where the first voxel of a slice lies. */
export function slicePosition({ protocol: { grid } }: SimulatedExam, slice: number): Vector {
  const { origin, spacingMm, axes } = grid
  return origin.map((at, i) => at + slice * spacingMm[2] * (axes[2][i] ?? 0)) as unknown as Vector
}

/** A window from 0 to what all but the brightest thousandth of the first contrast phase reach. */
export function windowOf(exam: SimulatedExam): readonly Element[] {
  const volume = exam.samples.length / exam.shape[0]
  const sorted = exam.samples.slice(volume, 2 * volume).sort()
  const top = (sorted[Math.floor(0.999 * volume)] ?? 1) * (exam.slopes[1] ?? 1)
  return [
    [0x00281050, text('DS', decimal(Math.round(top / 2)))],
    [0x00281051, text('DS', decimal(Math.max(1, Math.round(top))))],
  ]
}

const cosine = (value: number): string => decimal(Number(value.toFixed(9)))

/** A nanometre is enough, and keeps decimal strings short. */
const near = (value: number): number => Number(value.toFixed(6))

const two = (value: number): string => String(value).padStart(2, '0')

function clock(seconds: number): string {
  const whole = Math.floor(seconds)
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const fraction = Math.round((seconds - whole) * 100)
  return fraction === 100 ? clock(whole + 1) : `${two(h)}${two(m)}${two(s)}.${two(fraction)}0000`
}
