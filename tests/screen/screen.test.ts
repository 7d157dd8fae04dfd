import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ServerCredentials, status } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'
import { generate } from 'selfsigned'
import { reportFailure } from '../../src/cli/failure.js'
import { createProgram } from '../../src/cli/program.js'
import { later } from '../grpc/harness.js'
import { sentinode, temporaryFolder, type Finished } from '../process/sentinode.js'
import { sharedDaemon } from '../screening-service/daemon.js'
import { answer, fakeServer, type Decide, type FakeServer } from './fake-server.js'

const shared = sharedDaemon(test)
const FIXTURES = new URL('../fixtures/exams/', import.meta.url).pathname

const screen = (server: string, ...args: string[]): Promise<Finished> =>
  sentinode(['screen', '--server', server, '--model', 'lymph', ...args]).finished

function folder(t: ExecutionContext): string {
  const { path, remove } = temporaryFolder()
  t.teardown(remove)
  return path
}

/** Folders with one small file each: enough for a server that reads none. */
function cohort(t: ExecutionContext, names: readonly string[]): string {
  const path = folder(t)
  for (const name of names) {
    mkdirSync(join(path, name), { recursive: true })
    writeFileSync(join(path, name, 'IM1'), `exam ${name}`)
  }
  writeFileSync(join(path, 'clinical.csv'), `exam,age\n${names.map((name) => `${name},60\n`).join('')}`)
  return path
}

async function fake(t: ExecutionContext, decide: Decide): Promise<FakeServer> {
  const server = await fakeServer(decide)
  t.teardown(() => server.stop())
  return server
}

interface Line {
  readonly exam: string
  readonly error?: { readonly code: string; readonly message: string }
  readonly [field: string]: unknown
}
const lines = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
const byName = (a: Line, b: Line): number => a.exam.localeCompare(b.exam)

test.serial(
  'an exam is screened by a daemon, and its answer printed as JSON, with its reports',
  async (t) => {
    const out = join(folder(t), 'reports')
    const clinical = ['--set', 'Age=61', '--set', 'HER-2=negative']
    const reports = ['--report', 'html,sr', '--out', out]
    const exam = join(folder(t), 'siemens_series_per_phase')
    cpSync(`${FIXTURES}siemens_series_per_phase/dicom`, exam, { recursive: true })
    const { code, stdout, stderr } = await screen(shared.daemon.grpc, exam, '--json', ...clinical, ...reports)
    t.is(code, 0, stderr)
    const [line, ...more] = lines(stdout)
    t.is(more.length, 0)
    t.like(line, {
      exam: 'siemens_series_per_phase',
      model: 'lymph',
      version: '1',
      notice: 'NOT FOR CLINICAL USE',
      warnings: [],
      reports: { html: `${out}/siemens_series_per_phase.html`, sr: `${out}/siemens_series_per_phase.dcm` },
    })
    const findings = line?.['findings'] as Record<string, unknown>[]
    t.deepEqual(
      findings.map(({ name, operating_point }) => [name, operating_point]),
      [
        ['pN+', 'rule_out'],
        ['cN+', 'rule_out'],
      ],
    )
    for (const { probability, positive } of findings) {
      t.true(typeof probability === 'number' && probability > 0 && probability < 1)
      t.is(typeof positive, 'boolean')
    }
    t.regex(String(line?.['model_sha256']), /^[0-9a-f]{64}$/)
    t.regex(String(line?.['contract_sha256']), /^[0-9a-f]{64}$/)
    t.true((line?.['timings_ms'] as { infer: number }).infer > 0)
    t.notRegex(
      stdout + stderr + readFileSync(`${out}/siemens_series_per_phase.html`, 'utf8'),
      /CANARY|P\d{6}/,
    )
    t.true(
      readFileSync(`${out}/siemens_series_per_phase.dcm`).includes('CANARY'),
      'an SR cannot be filed without',
    )
  },
)

test.serial('an exam is screened for people, at another operating point', async (t) => {
  const exam = `${FIXTURES}deflated/dicom`
  const args = [
    '--set',
    'age=61',
    '--set',
    'her2=-1',
    '--operating-point',
    'balanced',
    '--centre',
    '-95,-93,-72',
  ]
  const wrong = await screen(shared.daemon.grpc, exam, ...args)
  t.is(wrong.code, 1)
  t.regex(wrong.stderr, /error: CLINICAL_INVALID: her2/)
  t.is(wrong.stdout, '')
  const { code, stdout } = await screen(shared.daemon.grpc, exam, ...args, '--set', 'her2=positive')
  t.is(code, 0)
  t.regex(stdout, /pN\+ +Pathologic nodal metastasis +[\d.]+ % +[\d.]+ % +(POSITIVE|negative) +balanced/)
  t.regex(stdout, /centre, .* around \(-95\.0, -93\.0, -72\.0\) mm/)
  t.regex(stdout, /NOT FOR CLINICAL USE/)
})

test.serial('a cohort is screened from its table: answers, reasons, and nothing twice', async (t) => {
  const root = folder(t)
  for (const name of ['deflated', 'rle_compressed', 'bad_missing_slice', 'siemens_over_midnight'])
    cpSync(`${FIXTURES}${name}/dicom`, join(root, 'exams', name), { recursive: true })
  const table = [
    'exam;Alter;HER2;centre_x_mm;centre_y_mm;centre_z_mm',
    'deflated;61;negative;-95,0;-93,0;-72,0',
    'rle_compressed;47;2+;;;',
    'bad_missing_slice;50;positive;;;',
    '"siemens_over_midnight";;negative;;;',
    'lost;50;negative;;;',
  ]
  writeFileSync(join(root, 'clinical.csv'), `\ufeff${table.join('\r\n').replace('Alter', 'age')}\r\n`)
  const results = join(root, 'results.jsonl')
  const { code, stdout, stderr } = await screen(shared.daemon.grpc, root, '--json', '--results', results)
  t.is(code, 1)
  const told = lines(stdout).sort(byName)
  t.deepEqual(
    told.map(({ exam, error }) => [exam, error?.code]),
    [
      ['bad_missing_slice', 'INCOMPLETE_PHASE'],
      ['deflated', undefined],
      ['lost', 'EXAM_NOT_FOUND'],
      ['rle_compressed', 'CLINICAL_INVALID'],
      ['siemens_over_midnight', undefined],
    ],
  )
  const imputed = told[4]?.['warnings'] as { code: string }[]
  t.deepEqual(
    imputed.map((warning) => warning.code),
    ['CLINICAL_IMPUTED'],
  )
  t.like(told[1]?.['used'], { region: { kind: 'centre', centre_mm: [-95, -93, -72] } })
  t.deepEqual(lines(readFileSync(results, 'utf8')).sort(byName), told)
  t.regex(stderr, /2 answers, 3 refused/)
  t.notRegex(stdout + stderr + readFileSync(results, 'utf8'), /CANARY|P\d{6}/)

  const again = await screen(shared.daemon.grpc, root, '--json', '--results', results)
  t.is(again.code, 0)
  t.is(again.stdout, '')
  t.regex(again.stderr, /5 exams finished before/)
})

test.serial('a simulated cohort is screened as it is, by its points or by its masks', async (t) => {
  const root = join(folder(t), 'cohort')
  const made = await sentinode(['simulate', '--out', root, '--exams', '2', '--masks']).finished
  t.is(made.code, 0, made.stderr)
  const unknown = await screen(shared.daemon.grpc, root, '--json')
  t.is(unknown.code, 1)
  t.deepEqual(
    lines(unknown.stdout).map(({ error }) => error?.code),
    ['CLINICAL_INVALID', 'CLINICAL_INVALID'],
  )
  t.regex(unknown.stdout, /sent: age, er, her2, ki67, grade/)
  const known = ['er', 'ki67', 'grade'].flatMap((name) => ['--ignore', name])
  for (const [kind, args] of [
    ['centre', []],
    ['mask', ['--mask', join(root, 'masks')]],
  ] as const) {
    const { code, stdout, stderr } = await screen(shared.daemon.grpc, root, '--json', ...known, ...args)
    t.is(code, 0, stderr + stdout)
    const told = lines(stdout).sort(byName)
    t.deepEqual(
      told.map(({ exam }) => exam),
      ['sim-00000', 'sim-00001'],
    )
    for (const line of told)
      t.like(line['used'], { times_from: 'caller', region: { kind }, clinical: { given: ['age', 'her2'] } })
  }
})

test('exams are tried again while the server is busy, and not when it refuses for good', async (t) => {
  const { RESOURCE_EXHAUSTED, UNAVAILABLE, INVALID_ARGUMENT } = status
  const server = await fake(t, (call) => {
    if (call === 1) return { status: RESOURCE_EXHAUSTED, code: 'EXAM_STORE_FULL' }
    if (call === 2) return { status: UNAVAILABLE, code: 'SHUTTING_DOWN' }
    if (call === 3) return { status: UNAVAILABLE }
    return call === 4 ? answer() : { status: INVALID_ARGUMENT, code: 'NOT_DICOM' }
  })
  const [one, two] = ['one', 'two'].map((name) => join(cohort(t, [name]), name))
  const { code, stderr } = await screen(server.address, String(one), '--set', 'age=60')
  t.is(code, 0, stderr)
  t.is(server.received.length, 4)
  t.regex(stderr, /waiting for the server: EXAM_STORE_FULL/)
  const refused = await screen(server.address, String(two), '--json')
  t.is(refused.code, 1)
  t.is(lines(refused.stdout)[0]?.error?.code, 'NOT_DICOM')
  t.is(server.received.length, 5)
})

test('files are sent in the order of their numbers, whole, with the mask after them', async (t) => {
  const server = await fake(t, () => answer())
  const exam = folder(t)
  const large = Buffer.alloc(2 ** 20 + 5, 7)
  writeFileSync(join(exam, 'p10.nii'), 'ten')
  writeFileSync(join(exam, 'p9.nii'), large)
  writeFileSync(join(exam, 'p11.nii'), '')
  const mask = join(folder(t), 'mask.nii')
  writeFileSync(mask, 'mask')
  const asked = [
    '--mask',
    mask,
    '--segment',
    '3',
    '--times',
    '0,90,180',
    '--model-version',
    '7',
    '--set',
    'er=+',
  ]
  t.is((await screen(server.address, exam, ...asked)).code, 0)
  const [got] = server.received
  t.deepEqual(
    got?.files.map((bytes) => bytes.length),
    [large.length, 3, 0, 4],
  )
  t.like(got?.options, { model: 'lymph', modelVersion: '7', timesS: [0, 90, 180] })
  t.is(got?.options.uploadBytes, BigInt(large.length + 7))
  t.deepEqual(got?.options.region?.kind, {
    $case: 'mask',
    value: { source: { $case: 'file', value: 3 }, segment: 3 },
  })
  t.deepEqual(got?.options.clinical, { er: { kind: { $case: 'text', value: '+' } } })
  t.true(got?.files[0]?.equals(large))
})

test('an interrupted run is taken up where it was', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const holding = await fake(t, (call) => (call <= 2 ? answer() : null))
  const root = cohort(t, names)
  const results = join(root, 'results.csv')
  const args = ['screen', root, '--model', 'lymph', '--results', results, '--concurrency', '2']
  const run = sentinode([...args, '--server', holding.address])
  while (holding.received.length < 4) await later(20)
  run.child.kill('SIGINT')
  const interrupted = await run.finished
  t.is(interrupted.code, 130)
  t.regex(interrupted.stderr, /2 answers, 0 refused.*4 exams left: run the same command again/)
  // Torn in the middle of a line, as by a power cut.
  writeFileSync(results, `${readFileSync(results, 'utf8')}c,2,pN+,0.2`)

  const answering = await fake(t, () => answer())
  const { code, stderr } = await sentinode([...args, '--server', answering.address]).finished
  t.is(code, 0, stderr)
  t.is(answering.received.length, 4)
  const rows = readFileSync(results, 'utf8').trim().split('\n').slice(1)
  const told = rows.map((row) => row.split(',')[0])
  t.deepEqual(
    [...told].sort(),
    names.flatMap((name) => [name, name]),
  )
})

test('without a server there is a reason, soon, and the exams that are left are not tried', async (t) => {
  const root = cohort(t, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
  const results = join(root, 'results.jsonl')
  const args = ['--json', '--retry-for', '1', '--results', results, '--concurrency', '1']
  const { code, stdout, stderr } = await screen('127.0.0.1:1', root, ...args)
  t.is(code, 1)
  t.deepEqual(
    lines(stdout).map(({ exam, error }) => [exam, error?.code]),
    [['a', 'SERVER_UNREACHABLE']],
  )
  t.regex(stderr, /7 exams left/)
  t.is(readFileSync(results, 'utf8'), '', 'it may be answered another time')
})

test('mistakes in usage are found before anything is sent', async (t) => {
  const server = await fake(t, () => answer())
  const exam = join(cohort(t, ['a']), 'a')
  for (const args of [
    [join(exam, 'nowhere')],
    [exam, '--centre', '1,2'],
    [exam, '--centre', '1,2,3', '--box', '1,2,3,4,5,6'],
    [exam, '--report', 'html'],
    [exam, '--report', 'pdf', '--out', 'x'],
    [exam, '--set', 'age'],
    [exam, '--concurrency', '0'],
    [exam, '--clinical', join(exam, 'no.csv')],
    [exam, '--results', 'answers.txt'],
    [exam, '--server', 'nowhere'],
    [exam, '--server', 'screening.example.org:8001'],
    [exam, '--tls-cert', 'only.pem'],
  ]) {
    const all = ['screen', '--server', server.address, '--model', 'lymph', ...args]
    const program = createProgram().configureOutput({ writeErr: () => undefined })
    for (const command of program.commands) command.copyInheritedSettings(program)
    const error = await t.throwsAsync(program.parseAsync(all, { from: 'user' }), undefined, args.join(' '))
    t.is(reportFailure(error, false), 2, args.join(' '))
  }
  t.is(server.received.length, 0)
})

test('a report that cannot be written is no fault of the exam, which is taken up again', async (t) => {
  const server = await fake(t, () => answer())
  const root = cohort(t, ['a', 'b'])
  const out = join(folder(t), 'out')
  mkdirSync(join(out, 'a.html', 'in the way'), { recursive: true })
  const results = join(root, 'results.jsonl')
  const run = () =>
    screen(server.address, root, '--json', '--report', 'html', '--out', out, '--results', results)
  const first = await run()
  t.is(first.code, 1)
  t.deepEqual(
    lines(first.stdout)
      .sort(byName)
      .map(({ exam, error }) => [exam, error?.code]),
    [
      ['a', 'REPORT_NOT_WRITTEN'],
      ['b', undefined],
    ],
  )
  t.deepEqual(
    lines(readFileSync(results, 'utf8')).map(({ exam }) => exam),
    ['b'],
  )
  t.deepEqual(readdirSync(out).sort(), ['a.html', 'b.html'])
  rmSync(join(out, 'a.html'), { recursive: true })
  const second = await run()
  t.is(second.code, 0, second.stderr)
  t.deepEqual(
    lines(second.stdout).map(({ exam }) => exam),
    ['a'],
  )
})

test('exams whose reports would be one file are refused before anything is sent', async (t) => {
  const server = await fake(t, () => answer())
  const root = cohort(t, ['a/b', 'a_b', 'c'])
  const out = ['--out', join(root, 'reports')]
  for (const asked of [['--report', 'html'], ['--explain']]) {
    const { code, stdout, stderr } = await screen(server.address, root, ...asked, ...out)
    t.is(code, 2)
    t.is(stdout, '')
    t.regex(stderr, /INVALID_OPTION: out: .*a\/b and a_b/)
  }
  t.is(server.received.length, 0)
  t.is((await screen(server.address, root)).code, 0, 'without files of their own they are told apart')
  t.is(server.received.length, 3)
})

test('TLS is spoken where it is asked for, and only with a server that is trusted', async (t) => {
  const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  })
  const [cert, key] = [Buffer.from(pair.cert), Buffer.from(pair.private)]
  const credentials = ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }])
  const server = await fakeServer(() => answer(), credentials)
  t.teardown(() => server.stop())
  const ca = join(folder(t), 'ca.pem')
  writeFileSync(ca, pair.cert)
  const exam = join(cohort(t, ['a']), 'a')
  const address = `localhost:${server.address.split(':')[1] ?? ''}`
  t.is((await screen(address, exam, '--tls-ca', ca)).code, 0)
  for (const flags of [['--tls'], []]) {
    const { code, stderr } = await screen(address, exam, '--retry-for', '1', ...flags)
    t.is(code, 1)
    t.regex(stderr, /SERVER_UNREACHABLE/)
  }
  t.is(server.received.length, 1)
})
