import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import test from 'ava'
import { NO_DIFFERENCE, compareTensors } from '../../src/cli/verify/compare.js'
import type { Tensor } from '../../src/cli/verify/tensor-file.js'
import { TensorProto, decodeModel } from '../../src/compiler/onnx.js'
import { floatTensor, tensorFloats } from '../../src/compiler/tensors.js'

const ROOT = join(import.meta.dirname, '..', '..')
const CASES = join(ROOT, 'tests', 'fixtures', 'ops4d')
const EXACT = { atol: 1e-4, rtol: 1e-3 }

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function sentinode(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const command = ['--import=tsx', join(ROOT, 'src', 'main.ts'), ...args]
    execFile(process.execPath, command, { cwd: ROOT, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })
}

interface Document {
  readonly passed: number
  readonly failed: number
  readonly cases: readonly {
    name: string
    ok: boolean
    max_abs: number
    max_rel: number
    error: { code: string; message: string } | null
  }[]
}

const BLOCKS = join(ROOT, 'tests', 'fixtures', 'blocks4d')
for (const [target, folder, count] of [
  ['cpu', CASES, 31],
  ['cpu-portable', CASES, 31],
  ['cpu', BLOCKS, 17],
  ['cpu-portable', BLOCKS, 17],
] as const) {
  test(`verify passes every case of ${basename(folder)} for target ${target}`, async (t) => {
    const { code, stdout } = await sentinode('verify', folder, '--target', target, '--json')
    const { passed, failed, cases } = JSON.parse(stdout) as Document
    t.deepEqual(
      cases.filter((c) => !c.ok),
      [],
    )
    t.deepEqual([passed, failed, code], [count, 0, 0])
    for (const c of cases) t.true(c.error === null && c.max_abs < 1e-4 && c.max_rel >= 0, c.name)
  })
}

test('verify reports wrong numbers, missing files and broken models as results, runs on, and exits 1', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const put = (name: string): Promise<void> =>
    cp(join(CASES, 'conv4d_01'), join(folder, name), { recursive: true })
  for (const name of ['good', 'missing', 'shape', 'text', 'wrong']) await put(name)
  const output = (name: string): string => join(folder, name, 'test_data_set_0', 'output_0.pb')
  const expected = TensorProto.decode(await readFile(output('wrong')))
  const values = Float32Array.from(tensorFloats(expected))
  values[3] = values[3]! + 0.5
  await writeFile(
    output('wrong'),
    TensorProto.encode(floatTensor('y', expected.dims.map(Number), values)).finish(),
  )
  await writeFile(output('shape'), TensorProto.encode(floatTensor('y', [values.length], values)).finish())
  await rm(join(folder, 'missing', 'test_data_set_0', 'input_0.pb'))
  await writeFile(join(folder, 'text', 'model.onnx'), 'no model')
  const { code, stdout } = await sentinode('verify', folder, '--target', 'cpu-portable', '--json')
  const { passed, failed, cases } = JSON.parse(stdout) as Document
  t.deepEqual([code, passed, failed], [1, 1, 4])
  t.deepEqual(
    cases.map((c) => [c.name, c.error?.code ?? null]),
    [
      ['good', null],
      ['missing', 'CASE_INVALID'],
      ['shape', 'CASE_DIFFERS'],
      ['text', 'MODEL_INVALID'],
      ['wrong', null],
    ],
  )
  const wrong = cases.find((c) => c.name === 'wrong')!
  t.true(Math.abs(wrong.max_abs - 0.5) < 1e-3 && !wrong.ok)
  const { code: wide } = await sentinode(
    'verify',
    join(folder, 'wrong'),
    '--target',
    'cpu-portable',
    '--atol',
    '0.6',
  )
  t.is(wide, 0, 'the tolerance is what was asked for')
})

test('verify and compile refuse wrong usage with exit code 2', async (t) => {
  const out = join(tmpdir(), 'never-written.onnx')
  const wrong = [
    ['verify', join(ROOT, 'docs', 'nowhere')],
    ['verify', CASES, '--target', 'tpu'],
    ['verify', CASES, '--atol', '-1'],
    ['compile', join(CASES, 'nowhere.onnx'), '--target', 'cpu', '-o', out],
    ['compile', join(CASES, 'conv4d_01', 'model.onnx')],
  ]
  for (const args of wrong) t.is((await sentinode(...args)).code, 2, args.join(' '))
})

test('compile writes the model with its side files and reports every rewritten node', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinode-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [source, out] = [join(CASES, 'network4d_01', 'model.onnx'), join(folder, 'case', 'model.onnx')]
  await mkdir(join(folder, 'case'))
  const { code, stdout } = await sentinode('compile', source, '--target', 'cpu', '-o', out, '--json')
  t.is(code, 0)
  const report = JSON.parse(stdout) as { target: string; files: string[]; rewrites: Record<string, string>[] }
  t.is(report.target, 'cpu')
  const rewritten = decodeModel(await readFile(source)).graph.node.filter(
    (n) => !['Flatten', 'Gemm', 'Sigmoid'].includes(n.opType),
  )
  t.deepEqual(report.rewrites.map((r) => r['op']).sort(), rewritten.map((n) => n.opType).sort())
  for (const entry of report.rewrites)
    t.deepEqual(Object.keys(entry).sort(), ['node', 'op', 'pass', 'what', 'why'])
  t.is(report.files.length, 1)
  t.true((await readFile(join(folder, 'case', report.files[0]!))).length > 0)

  const human = await sentinode('compile', source, '--target', 'cpu-portable', '-o', out)
  t.regex(human.stdout, /^7 nodes rewritten for target cpu-portable:\n/)
  t.regex(human.stdout, /Conv .*: Conv over D, H, W of 3 frames stacked into channels/)
})

const floats = (...values: number[]): Tensor => ({
  dataType: 'FP32',
  shape: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
})

test('NaN equals NaN and an infinity itself, and neither equals a number', (t) => {
  t.deepEqual(
    compareTensors(floats(NaN, Infinity, -Infinity, -0), floats(NaN, Infinity, -Infinity, 0), 'y', EXACT),
    NO_DIFFERENCE,
  )
  for (const [a, b] of [
    [NaN, 1],
    [1, NaN],
    [Infinity, 1e38],
    [1e38, Infinity],
    [Infinity, -Infinity],
  ] as const) {
    const { ok, maxAbs } = compareTensors(floats(a), floats(b), 'y', { atol: 1e300, rtol: 1e300 })
    t.false(ok, `${a} against ${b}`)
    t.is(maxAbs, Number.MAX_VALUE)
  }
})

test('the tolerance is absolute plus relative to what was expected', (t) => {
  t.true(compareTensors(floats(101), floats(100), 'y', { atol: 0.5, rtol: 0.005 }).ok)
  t.false(compareTensors(floats(101.1), floats(100), 'y', { atol: 0.5, rtol: 0.005 }).ok)
  const { maxAbs, maxRel } = compareTensors(floats(3, 0.5), floats(2, 0), 'y', EXACT)
  t.deepEqual([maxAbs, maxRel], [1, 0.5])
})

test('every element type is compared by its value', (t) => {
  const tensor = (dataType: Tensor['dataType'], bytes: number[]): Tensor => ({
    dataType,
    shape: [1],
    data: Uint8Array.from(bytes),
  })
  const pairs: [Tensor['dataType'], number[], number[], number][] = [
    ['FP64', [0, 0, 0, 0, 0, 0, 0xf0, 0x3f], [0, 0, 0, 0, 0, 0, 0, 0x40], 1],
    ['FP16', [0, 0x3c], [0, 0x40], 1],
    ['BF16', [0x80, 0x3f], [0, 0x40], 1],
    ['INT64', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [1, 0, 0, 0, 0, 0, 0, 0], 2],
    ['UINT64', [3, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], 2],
    ['INT32', [0xfe, 0xff, 0xff, 0xff], [1, 0, 0, 0], 3],
    ['UINT32', [0, 1, 0, 0], [0, 0, 0, 0], 256],
    ['INT16', [0xff, 0xff], [1, 0], 2],
    ['UINT16', [0, 1], [0, 0], 256],
    ['INT8', [0xff], [1], 2],
    ['UINT8', [255], [1], 254],
    ['BOOL', [1], [0], 1],
  ]
  for (const [type, a, b, difference] of pairs) {
    t.is(compareTensors(tensor(type, a), tensor(type, b), 'y', EXACT).maxAbs, difference, type)
    t.deepEqual(compareTensors(tensor(type, a), tensor(type, a), 'y', EXACT), NO_DIFFERENCE)
  }
  t.throws(
    () => compareTensors(tensor('BYTES', [1, 0, 0, 0, 65]), tensor('BYTES', [1, 0, 0, 0, 66]), 'y', EXACT),
    { code: 'CASE_DIFFERS' },
  )
})
