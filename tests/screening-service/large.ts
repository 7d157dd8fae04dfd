/** Exams of any size, made frame by frame as they are sent. */
import { acquired, AXIAL, baseDataset } from '../exam/phantom.js'
import { writeDicom, type Element } from '../exam/dicom-writer.js'

export interface LargeExam {
  readonly phases: number
  readonly slices: number
  readonly rows: number
  readonly columns: number
}

/** 5 x 160 x 512 x 512 samples of 16 bits: 419 MB of pixels. */
export const LARGE: LargeExam = { phases: 5, slices: 160, rows: 512, columns: 512 }

export const pixelBytes = ({ phases, slices, rows, columns }: LargeExam): number =>
  2 * phases * slices * rows * columns

/** One file a frame; noise over a gradient, so that it does not compress to nothing. */
export function* largeExam(exam: LargeExam): Generator<Uint8Array> {
  const { phases, slices, rows, columns } = exam
  const noise = Int16Array.from({ length: rows * columns }, (_, i) => 100 + ((i * 2654435761) % 997))
  const pixels = new Uint8Array(noise.buffer)
  for (let phase = 0; phase < phases; phase++) {
    for (let slice = 0; slice < slices; slice++) {
      const own: Element[] = [[0x00280010, 'US', [rows]], [0x00280011, 'US', [columns]], ...acquired(phase)]
      const replaced = new Set(own.map(([tag]) => tag))
      const base = baseDataset({ phase, slice, geometry: AXIAL }).filter(([tag]) => !replaced.has(tag))
      yield writeDicom([...base, ...own, [0x7fe00010, 'OW', pixels]])
    }
  }
}
