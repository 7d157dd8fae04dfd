import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import dicomParser from 'dicom-parser'
import { Unpacking } from '../../src/exam/inflate.js'
import { readDicomHeader } from '../../src/exam/dicom/part10.js'
import { memoryFile } from '../../src/exam/source.js'

/** An independent reader: dicom-parser, which takes the whole file. */
const FIXTURES = new URL('../fixtures/', import.meta.url).pathname
const TEXTS = {
  SeriesInstanceUID: 'x0020000e',
  PatientID: 'x00100020',
  SeriesNumber: 'x00200011',
  AcquisitionTime: 'x00080032',
  ImagePositionPatient: 'x00200032',
} as const
const SHORTS = { Rows: 'x00280010', Columns: 'x00280011', BitsStored: 'x00280101' } as const

const folders = [
  ...readdirSync(`${FIXTURES}exams`).map((name) => `exams/${name}/dicom`),
  ...readdirSync(`${FIXTURES}compressed`)
    .filter((name) => name !== 'jpeg-2000')
    .map((name) => `compressed/${name}`),
]

for (const folder of folders) {
  test(`headers of ${folder} read as another parser reads them`, async (t) => {
    for (const id of readdirSync(FIXTURES + folder)) {
      const bytes = readFileSync(`${FIXTURES}${folder}/${id}`)
      const header = await readDicomHeader(await memoryFile(id, bytes).open(), 2 ** 20, new Unpacking())
      // It needs the pixel data to be whole, and one fixture's is not.
      const other = dicomParser.parseDicom(bytes, { untilTag: 'x7fe00010' })
      for (const [name, tag] of Object.entries(TEXTS)) {
        t.is(header?.dataset.text(name as keyof typeof TEXTS), other.string(tag) ?? '', name)
      }
      for (const [name, tag] of Object.entries(SHORTS)) {
        t.is(header?.dataset.number(name as keyof typeof SHORTS), other.uint16(tag), name)
      }
      t.deepEqual(
        header?.dataset.items('PerFrameFunctionalGroupsSequence').length,
        other.elements['x52009230']?.items?.length ?? 0,
      )
    }
  })
}
