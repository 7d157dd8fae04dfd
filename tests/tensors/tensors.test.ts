import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { loadEngine } from '../../src/engine/index.js'
import { readExam } from '../../src/exam/read.js'
import { folderSource } from '../../src/exam/source.js'
import { parseContract, prepareExam } from '../../src/screening/index.js'
import { temporaryFolder } from '../process/sentinode.js'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const EXAMS = new URL('../fixtures/exams/', import.meta.url).pathname
const CONTRACT = new URL('../../training/contract.yaml', import.meta.url).pathname
const CLINICAL = { age: '61', er: 'positive', her2: 'negative', ki67: '14', grade: '2' }
const CENTRE = [-80, -90, -70] as const

function tensors(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import=tsx', MAIN, 'tensors', ...args], { encoding: 'utf8' })
}

/** A float32 array as NumPy lays it out. */
function readNpy(path: string): { shape: number[]; data: Float32Array } {
  const bytes = readFileSync(path)
  const header = bytes.subarray(10, 10 + bytes.readUInt16LE(8)).toString('latin1')
  const shape = /'shape': \(([\d, ]+),\)/.exec(header)?.[1]?.split(',').map(Number) ?? []
  const start = 10 + bytes.readUInt16LE(8)
  return { shape, data: new Float32Array(new Uint8Array(bytes.subarray(start)).buffer) }
}

test('tensors are those that serving makes of the same exam; what is refused has no row', async (t) => {
  const { path: folder, remove } = temporaryFolder()
  t.teardown(remove)
  const exams = ['siemens_over_midnight', 'bad_missing_slice', 'philips_pre_post_scaled']
  const names = ['exam', 'path', ...Object.keys(CLINICAL)]
  const lines = exams.map((exam) => [exam, ...Object.values(CLINICAL)].join(','))
  writeFileSync(
    join(folder, 'clinical.csv'),
    [
      names.filter((name) => name !== 'path').join(',') + ',centre_x_mm,centre_y_mm,centre_z_mm',
      ...lines.map((line) => `${line},${CENTRE.join(',')}`),
    ].join('\n'),
  )
  const places = exams.map((exam) => `${exam},${EXAMS}${exam}/dicom`)
  writeFileSync(join(folder, 'exams.csv'), ['exam,path', ...places].join('\n'))
  const out = join(folder, 'out')
  // The fixtures are small, and their middle is not the scanner's: the region is their own.
  const contract = readFileSync(CONTRACT, 'utf8')
    .replace('max_outside_fraction: 0.5', 'max_outside_fraction: 1')
    .replace('accept: [centre, box, mask]', 'accept: [centre]')
    .replace(
      'times_s: [0, 55, 110, 210, 315], tolerance_s: 30',
      'times_s: [0, 60, 120, 180, 240], tolerance_s: 60',
    )
  const contractPath = join(folder, 'screening.yaml')
  writeFileSync(contractPath, contract)
  const { status, stdout, stderr } = tensors(folder, '--contract', contractPath, '--out', out, '--json')
  t.is(status, 1, stderr)
  t.regex(stderr, /bad_missing_slice: INCOMPLETE_PHASE/)
  t.deepEqual(JSON.parse(stdout), {
    exams: 2,
    refused: 1,
    shapes: { image: [1, 5, 16, 16, 16], clinical: [5] },
  })
  t.is(readFileSync(join(out, 'exams.csv'), 'utf8'), 'exam\nsiemens_over_midnight\nphilips_pre_post_scaled\n')
  const image = readNpy(join(out, 'image.npy'))
  const clinical = readNpy(join(out, 'clinical.npy'))
  t.deepEqual(image.shape, [2, 1, 5, 16, 16, 16])
  t.deepEqual(clinical.shape, [2, 5])
  const { preprocess } = loadEngine()
  const prepared = await prepareExam({
    volume: await readExam(folderSource(`${EXAMS}philips_pre_post_scaled/dicom`), {}),
    contract: parseContract(contract),
    clinical: CLINICAL,
    region: { kind: 'centre', centre: CENTRE },
    threads: 1,
    preprocess,
  })
  if (prepared.kind !== 'prepared') throw new Error('expected tensors')
  const [expected, values] = prepared.tensors
  t.deepEqual(image.data.subarray(expected!.data.length), expected!.data)
  t.deepEqual(clinical.data.subarray(values!.data.length), values!.data)
})

test('mistakes in usage are found before an exam is read', (t) => {
  const { path: folder, remove } = temporaryFolder()
  t.teardown(remove)
  writeFileSync(join(folder, 'left'), '')
  for (const args of [
    ['--contract', CONTRACT, '--out', folder],
    ['--contract', join(folder, 'none.yaml'), '--out', join(folder, 'out')],
  ]) {
    const { status, stderr } = tensors(`${EXAMS}siemens_over_midnight/dicom`, ...args)
    t.is(status, 2, stderr)
  }
})
