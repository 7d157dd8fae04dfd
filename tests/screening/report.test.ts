import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { deflateRawSync, inflateSync } from 'node:zlib'
import test from 'ava'
import dicomParser, { type DataSet } from 'dicom-parser'
import { isSentinodeError } from '../../src/errors.js'
import {
  answerToCsv,
  answerToJson,
  answerToHtml,
  answerToSr,
  csvCell,
  csvHeader,
  errorToCsv,
  readIdentity,
  readReference,
  type Answer,
  type SrOptions,
} from '../../src/screening/index.js'
import { ticks } from '../../src/screening/report/charts.js'
import { greyPng } from '../../src/screening/report/png.js'
import { decimal, encodeFile, type ElementValue } from '../../src/dicom/elements.js'

const hostile = `"><script>alert('x')</script>&\u0007`

function answer(change: Partial<Answer> = {}): Answer {
  const point = { name: 'rule_out', threshold: 0.15, sensitivity: 0.95, specificity: 0.51 }
  const codes: Answer['findings'][0]['codes'] = {
    finding: ['128462008', 'SCT', 'Metastasis'],
    site: ['68171009', 'SCT', 'Axillary lymph node'],
  }
  return {
    exam: 'exam-7',
    findings: [
      {
        name: 'pN+',
        title: 'Pathologic nodal metastasis',
        probability: 0.4,
        calibrated: 0.3129,
        calibration: 'platt',
        spread: 0.05,
        operatingPoint: point,
        positive: true,
        operatingPoints: [point, { ...point, name: 'balanced', threshold: 0.45 }],
        codes,
      },
      {
        name: 'cN+',
        title: 'cN+',
        probability: 0.13,
        calibrated: null,
        calibration: 'none',
        spread: null,
        operatingPoint: { ...point, threshold: 0.2 },
        positive: false,
        operatingPoints: [{ ...point, threshold: 0.2 }],
        codes,
      },
    ],
    model: { name: 'ln4d', version: '3', sha256: 'ab'.repeat(32) },
    contract: {
      title: 'Axillary lymph node metastasis',
      sha256: 'cd'.repeat(32),
      provenance: { notice: 'NOT FOR CLINICAL USE' },
    },
    used: {
      series: [{ number: 4, ordinal: 2, phases: 2, frames: 20 }],
      frames: { read: 23, used: 20, leftOut: [{ reason: 'LOCALIZER', series: 1, count: 3 }] },
      timesS: [0, 90],
      phasesFrom: 'TriggerTime',
      timesFrom: 'TriggerTime',
      phases: [
        { first: 0, second: 0, weight: 0, timeS: 0, wantedS: 0, mean: 100 },
        { first: 1, second: 1, weight: 0, timeS: 90, wantedS: 90, mean: 150 },
      ],
      region: { kind: 'centre', centreMm: [1, 2, 3], sizeMm: [32, 32, 20] },
      gridSize: [10, 32, 32],
      outsideFraction: 0.125,
      clinicalGiven: ['age'],
      clinicalImputed: [{ name: 'ki67', value: 20, unit: 'percent' }],
    },
    warnings: [{ code: 'PARTLY_OUTSIDE', message: '12.5 % outside' }],
    timingsMs: { preprocess: 3.2 },
    ...change,
  }
}

// ---- page

test('the page shows findings, curve, pictures, what was used, warnings, hashes and the notice', (t) => {
  const png = greyPng(new Uint8Array(4), 2, 2)
  const page = answerToHtml(answer(), { slice: 3, pngs: [png, png], width: 2, height: 2, aspect: 1 })
  for (const text of [
    'NOT FOR CLINICAL USE',
    'Pathologic nodal metastasis',
    'rule_out',
    'balanced 0.450',
    '31.3 %',
    'sensitivity is\n      95.0 %',
    'PARTLY_OUTSIDE',
    'TriggerTime',
    '3 LOCALIZER',
    'ab'.repeat(32),
    'cd'.repeat(32),
    'ki67: 20 percent',
    '<polyline',
    'Slice 4 of 10',
    'seconds after the first phase',
  ]) {
    t.true(page.includes(text) || page.replace(/\s+/g, ' ').includes(text.replace(/\s+/g, ' ')), text)
  }
  t.is(page.split('data:image/png;base64,').length, 3)
  t.regex(page, /90 s: 50\.0 %/)
  t.false(/<script|javascript:|https?:\/\/|<link|url\(/i.test(page))
})

test('nothing from outside becomes markup on the page', (t) => {
  const base = answer()
  const [finding] = base.findings
  if (finding === undefined) return t.fail()
  const point = { ...finding.operatingPoint, name: hostile }
  const page = answerToHtml(
    answer({
      exam: hostile,
      findings: [
        { ...finding, name: hostile, title: hostile, operatingPoint: point, operatingPoints: [point] },
      ],
      model: { name: hostile, version: hostile, sha256: hostile },
      contract: {
        title: hostile,
        sha256: hostile,
        provenance: { notice: hostile, developer: hostile, citation: hostile },
      },
      used: {
        ...base.used,
        phasesFrom: hostile,
        timesFrom: hostile,
        clinicalGiven: [hostile],
        clinicalImputed: [{ name: hostile, value: hostile, unit: hostile }],
      },
      warnings: [{ code: hostile, message: hostile }],
      timingsMs: { [hostile]: 1 },
    }),
    null,
  )
  t.false(page.includes('<script'))
  t.false(page.includes('"><'))
  t.false(page.includes('\u0007'))
  t.true(page.includes('&lt;script&gt;'))
  t.true(page.includes("default-src 'none'"))
  return undefined
})

test('a page without times counts phases, and one phase alone is still drawn', (t) => {
  const base = answer()
  const phases = base.used.phases.map((phase) => ({ ...phase, timeS: null }))
  t.regex(answerToHtml(answer({ used: { ...base.used, phases } }), null), />\s*phase\s*<\/text>/)
  const one = answerToHtml(answer({ used: { ...base.used, phases: phases.slice(0, 1) } }), null)
  t.false(/NaN|Infinity|undefined/.test(one))
  const dark = phases.map((phase) => ({ ...phase, mean: -phase.mean }))
  t.false(/NaN|Infinity|undefined/.test(answerToHtml(answer({ used: { ...base.used, phases: dark } }), null)))
})

test('ticks are round numbers that cover the range', (t) => {
  t.deepEqual(ticks(0, 279), [0, 100, 200, 300])
  t.deepEqual(ticks(-3, 7), [-4, -2, 0, 2, 4, 6, 8])
  t.true(ticks(5, 5).length >= 1)
})

test('a PNG holds its pixels, row by row, and checksums that are right', (t) => {
  const pixels = Uint8Array.from({ length: 15 }, (_, i) => i * 17)
  const png = greyPng(pixels, 5, 3)
  t.deepEqual([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  t.is(png.readUInt32BE(16), 5)
  t.is(png.readUInt32BE(20), 3)
  const length = png.readUInt32BE(33)
  const rows = inflateSync(png.subarray(41, 41 + length))
  t.deepEqual(
    [...rows],
    [0, ...pixels.subarray(0, 5), 0, ...pixels.subarray(5, 10), 0, ...pixels.subarray(10, 15)],
  )
  // The checksum of an empty IEND chunk is the same in every PNG.
  t.is(png.subarray(-12).toString('hex'), '0000000049454e44ae426082')
})

// ---- table

test('the table has a line a finding with as many cells as the header', (t) => {
  const cells = csvHeader().split(',')
  const lines = answerToCsv(answerToJson(answer()))
  t.is(lines.length, 2)
  t.is(lines[0]?.split(',').length, cells.length)
  t.regex(
    lines[0] ?? '',
    /^exam-7,2,pN\+,0\.4,0\.3129,rule_out,0\.15,0\.95,0\.51,true,ln4d,3,(ab){32},(cd){32},PARTLY_OUTSIDE,NOT FOR CLINICAL USE,,$/,
  )
  const refused = errorToCsv('exam-8', 'MISSING_SLICE', 'a gap').split(',')
  t.is(refused.length, cells.length)
  t.is(refused[0], 'exam-8')
  t.deepEqual(refused.slice(-2), ['MISSING_SLICE', 'a gap'])
})

test('formulas in a table are defused, numbers stay numbers, quotes and lines are quoted', (t) => {
  t.is(csvCell('=HYPERLINK("http://x")'), `"'=HYPERLINK(""http://x"")"`)
  for (const formula of ['=1', '+1', '-1', '@x', '\t=1', ' =1', '|x', '%0']) t.regex(csvCell(formula), /^"?'/)
  t.is(csvCell('\r=1'), `"'\r=1"`)
  t.is(csvCell(-1.5), '-1.5')
  t.is(csvCell('a,b'), '"a,b"')
  t.is(csvCell('a\nb'), '"a\nb"')
  t.is(csvCell('plain'), 'plain')
  t.is(csvCell(null), '')
})

// ---- DICOM

const text = (vr: 'UI' | 'PN' | 'LO' | 'CS' | 'DA', value: string): ElementValue => ({ vr, text: value })

/** An image of the exam, with the character set and patient given. */
function imageFile(elements: [number, ElementValue][] = []): Buffer {
  const dataset = new Map<number, ElementValue>([
    [0x00080016, text('UI', '1.2.840.10008.5.1.4.1.1.4')],
    [0x00080018, text('UI', '1.2.3.4.5')],
    [0x0020000d, text('UI', '1.2.3.4')],
    [0x0020000e, text('UI', '1.2.3.4.6')],
    [0x00100010, text('PN', 'CANARY^EXAM')],
    [0x00100020, text('LO', 'ID-17')],
    [0x00081010, { vr: 'SH', text: 'STATION' }],
    ...elements,
  ])
  return encodeFile(dataset, { uid: '2.25.1', name: 'TEST' }, 'utf8')
}

function options(change: Partial<SrOptions> = {}): SrOptions {
  const image = imageFile()
  const reference = readReference(image)
  if (reference === null) throw new Error('the image has no reference')
  return {
    answer: answer(),
    identity: readIdentity(image),
    images: [reference, { ...reference, sopInstanceUid: '1.2.3.4.7' }],
    device: { manufacturer: 'sentinode', model: 'sentinode', version: '0.1.0', serial: 'a1' },
    now: new Date(2026, 10, 23, 9, 5, 7),
    ...change,
  }
}

async function dciodvfy(bytes: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-sr-'))
  try {
    const file = join(folder, 'report.dcm')
    await writeFile(file, bytes)
    // It exits 1 where it finds an error; a tool that is missing fails the test with ENOENT.
    const { stdout, stderr } = await promisify(execFile)('dciodvfy', [file]).catch((error: unknown) => {
      const failed = error as { code?: unknown; stdout?: string; stderr?: string }
      if (failed.code === 'ENOENT') throw new Error('dciodvfy is missing: apt-get install dicom3tools')
      return { stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' }
    })
    return stdout + stderr
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('dciodvfy finds no error in the DICOM report, with images and without', async (t) => {
  for (const images of [options().images, []]) {
    const verdict = await dciodvfy(answerToSr(options({ images })))
    t.regex(verdict, /ComprehensiveSR/)
    t.notRegex(verdict, /^Error/m, verdict)
  }
})

test('dciodvfy would find an error that was put in', async (t) => {
  const report = answerToSr(options())
  const broken = Buffer.from(report.toString('latin1').replace('COMPLETE', 'COMPLETX'), 'latin1')
  t.regex(await dciodvfy(broken), /^Error/m)
})

const items = (dataset: DataSet, tag: string): DataSet[] =>
  (dataset.elements[tag]?.items ?? []).flatMap((item) => (item.dataSet ? [item.dataSet] : []))

/** "concept = value" of every content item, by its depth. */
function content(dataset: DataSet, depth = 0): string[] {
  return items(dataset, 'x0040a730').flatMap((item) => {
    const concept = items(item, 'x0040a043')[0]?.string('x00080104') ?? ''
    const value =
      item.string('x0040a160') ??
      item.string('x0040a124') ??
      items(item, 'x0040a168')[0]?.string('x00080104') ??
      items(item, 'x0040a300')[0]?.string('x0040a30a') ??
      ''
    return [`${depth} ${concept} = ${value}`, ...content(item, depth + 1)]
  })
}

test('the DICOM report says what the answer says', (t) => {
  const dataset = dicomParser.parseDicom(answerToSr(options()))
  t.is(dataset.string('x00080016'), '1.2.840.10008.5.1.4.1.1.88.33')
  t.is(dataset.string('x00080060'), 'SR')
  t.is(dataset.string('x00080023'), '20261123')
  t.is(dataset.string('x00080033'), '090507')
  t.is(items(dataset, 'x0040a504')[0]?.string('x0040db00'), '1500')
  const said = content(dataset)
  for (const line of [
    '0 Comment = NOT FOR CLINICAL USE',
    '0 Comment = PARTLY_OUTSIDE: 12.5 % outside',
    '0 Procedure reported = MRI of breast',
    '2 Tracking Identifier = pN+',
    '2 Finding = Metastasis',
    '2 Finding Site = Axillary lymph node',
    '2 Probability = 0.4',
    '2 Calibrated probability = 0.3129',
    '2 Standard deviation over an ensemble = 0.05',
    '2 Threshold of the operating point = 0.15',
    '2 Case Sensitivity = 0.95',
    '2 Decision at the operating point = Positive',
    '2 Decision at the operating point = Negative',
    '3 Algorithm Name = ln4d',
    `3 Algorithm Parameters = model SHA-256 ${'ab'.repeat(32)}`,
    `3 Algorithm Parameters = contract SHA-256 ${'cd'.repeat(32)}`,
    '3 Algorithm Parameters = operating point rule_out',
  ])
    t.true(said.includes(line), line)
})

test('the DICOM report refers to the images used, and is filed with patient and study of the exam alone', (t) => {
  const report = answerToSr(options())
  const dataset = dicomParser.parseDicom(report)
  t.is(dataset.string('x00100010'), 'CANARY^EXAM')
  t.is(dataset.string('x00100020'), 'ID-17')
  t.is(dataset.string('x0020000d'), '1.2.3.4')
  t.not(dataset.string('x0020000e'), '1.2.3.4.6')
  t.false(report.includes('STATION'))
  const series = items(items(dataset, 'x0040a375')[0] ?? dataset, 'x00081115')[0]
  t.is(series?.string('x0020000e'), '1.2.3.4.6')
  t.deepEqual(
    items(series ?? dataset, 'x00081199').map((item) => item.string('x00081155')),
    ['1.2.3.4.5', '1.2.3.4.7'],
  )
  const again = dicomParser.parseDicom(answerToSr(options()))
  t.not(again.string('x00080018'), dataset.string('x00080018'))
})

test("copied names keep their bytes and the exam's character set, to which added text keeps", async (t) => {
  const name = Buffer.from('M\u00fcller^Anna ', 'latin1')
  const image = imageFile([
    [0x00080005, text('CS', 'ISO_IR 100')],
    [0x00100010, { vr: 'PN', raw: name }],
  ])
  const base = answer()
  const report = answerToSr(
    options({
      identity: readIdentity(image),
      answer: answer({
        contract: { ...base.contract, provenance: { notice: 'Kein \u00e4rztliches Urteil' } },
      }),
    }),
  )
  const dataset = dicomParser.parseDicom(report)
  t.is(dataset.string('x00080005'), 'ISO_IR 100')
  const element = dataset.elements['x00100010']
  t.deepEqual(report.subarray(element?.dataOffset, (element?.dataOffset ?? 0) + (element?.length ?? 0)), name)
  t.true(report.includes('Kein ?rztliches Urteil'))
  t.notRegex(await dciodvfy(report), /^Error/m)
})

test('an exam that names no study, or is no DICOM file, gives no DICOM report', (t) => {
  const nameless = imageFile([[0x0020000d, text('UI', '')]])
  for (const bytes of [nameless, Buffer.from('n+1'), Buffer.alloc(0), imageFile().subarray(0, 150)]) {
    const error = t.throws(() => readIdentity(bytes))
    t.true(isSentinodeError(error) && error.code === 'REPORT_INCOMPLETE')
    t.false(error.message.includes('CANARY'))
  }
})

test('decimal strings have at most 16 characters and nine digits that are right', (t) => {
  for (const value of [0.4, 0.31290818947266313, 1 / 3, 1e-12 / 3, -1 / 7e9, 0, 1, 123456789.123456789]) {
    const written = decimal(value)
    t.true(written.length <= 16, written)
    t.true(Math.abs(Number(written) - value) <= Math.abs(value) * 1e-7)
  }
})

/** The image with its data set deflated (PS3.5, A.5). */
function deflated(body: Buffer): Buffer {
  const meta = encodeFile(new Map(), { uid: '2.25.1', name: 'TEST' }, 'utf8')
  const syntax = Buffer.from(
    meta.toString('latin1').replace('\x14\x001.2.840.10008.1.2.1\0', '\x16\x001.2.840.10008.1.2.1.99'),
    'latin1',
  )
  syntax.writeUInt32LE(meta.readUInt32LE(140) + 2, 140)
  return Buffer.concat([syntax, deflateRawSync(body)])
}

test('an exam that is deflated is filed too, and one that unpacks without end costs little', (t) => {
  const plain = imageFile()
  const body = plain.subarray(plain.indexOf(Buffer.from([8, 0, 0x16, 0, 0x55, 0x49]), 144))
  t.is(readIdentity(deflated(body)).studyUid, '1.2.3.4')
  t.is(readReference(deflated(body))?.sopInstanceUid, '1.2.3.4.5')
  const bomb = deflated(Buffer.concat([body, Buffer.alloc(256 * 2 ** 20)]))
  t.true(bomb.length < 2 ** 20)
  const before = process.memoryUsage.rss()
  readReference(bomb)
  const grown = process.memoryUsage.rss() - before
  t.true(grown < 300 * 2 ** 20, String(grown))
})

test('an attribute that is too long, or of odd length, does not break the report', async (t) => {
  const long = imageFile([[0x00100020, { vr: 'UT', text: 'x'.repeat(100_000) }]])
  const error = t.throws(() => readIdentity(long))
  t.true(isSentinodeError(error) && error.code === 'REPORT_INCOMPLETE')
  const base = options()
  const elements = new Map(base.identity.elements).set(0x00100010, { vr: 'PN', raw: Buffer.from('ODD') })
  t.notRegex(await dciodvfy(answerToSr({ ...base, identity: { ...base.identity, elements } })), /^Error/m)
})

test('files that are mutated anywhere give an identity or a coded refusal', (t) => {
  const image = imageFile([[0x00080005, text('CS', 'ISO_IR 192')]])
  let state = 7
  const next = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(image)
    for (let i = 0; i < 3; i++) bytes[128 + (next() % (bytes.length - 128))] = next() & 0xff
    try {
      answerToSr(options({ identity: readIdentity(bytes), images: [] }))
    } catch (error) {
      if (!isSentinodeError(error)) throw error
    }
    readReference(bytes)
  }
  t.pass()
})
