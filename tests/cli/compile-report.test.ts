import test from 'ava'
import { asHtml } from '../../src/cli/compile/html.js'
import { inWords } from '../../src/cli/compile/words.js'
import type { CompileReport } from '../../src/compiler/report.js'
import { ModelBuilder, compileFor } from '../compiler/lib/model.js'
import { Random } from '../compiler/lib/random.js'

const UNMEASURED = { total: null, regions: [], why: 'no machine' }

/** Two layers with a concatenation along time between them, which no region takes. */
async function report(): Promise<CompileReport> {
  const m = new ModelBuilder(18)
  const layer = (x: string, seed: number, name: string): string =>
    m.node(
      'Conv',
      [x, m.floats([2, 2, 3, 3, 3, 3], new Random(seed).values(324))],
      { pads: new Array<number>(8).fill(1) },
      name,
    )
  const first = m.node('Relu', [layer(m.input('x', ['n', 2, 5, 8, 8, 8]), 1, 'first')])
  m.output(layer(m.node('Concat', [first, first], { axis: 2 }, 'two<ends>'), 2, 'second'))
  return (await compileFor('cpu', m.bytes)).report
}

test('the report says in words what runs in the fast operator, what does not, why, and what to change', async (t) => {
  const words = inWords(await report(), UNMEASURED)
  t.regex(words, /In the fast operator, region: Conv, Relu/)
  t.regex(words, /In the fast operator, region_1: Conv/)
  t.regex(
    words,
    /in ONNX Runtime \(1\):\n {2}Concat "Concat_two<ends>" \[n, 2, 10, 8, 8, 8\]\n {4}why: .*\n {4}change: /,
  )
  t.regex(words, /Not measured: no machine/)
})

test('what was measured is told by layer and as a whole', async (t) => {
  const layer = { step: 0, in: [2, 5, 8, 8, 8], form: 'tiled(5x4,fp32)', why: 'measured' }
  const candidates = [{ form: 'tiled(5x4,fp32)', ms: 1.5, gflops: null, error: null }]
  const region = {
    precision: 'fp32',
    threads: 1,
    planned_bytes: 0,
    arena_bytes: 0,
    weights_bytes: 0,
  } as const
  const regions = [1, 2].map(() => ({ ...region, layers: [{ ...layer, candidates }] }))
  const words = inWords(await report(), { total: 5, regions, why: null })
  t.regex(words, /convolution of \[2, 5, 8, 8, 8\]: 1\.5 ms, tiled\(5x4,fp32\)/)
  t.regex(words, /A row takes 5\.0 ms: 3\.0 ms in convolutions of the fast operator, 2\.0 ms in all else/)
})

test('the page draws every node in the colour of its region, with nothing of the graph taken for markup', async (t) => {
  const made = await report()
  const page = asHtml(made, 'a <model>', inWords(made, UNMEASURED))
  t.is(page.match(/<rect /g)?.length, made.nodes.length)
  t.is(new Set([...page.matchAll(/fill="(#[0-9a-f]+)"/g)].map(([, fill]) => fill)).size, 3)
  t.false(page.includes('<model>') || page.includes('two<ends>'))
  t.false(page.includes('<script'))
})

test('a network without operators over four axes has nothing to report', async (t) => {
  const m = new ModelBuilder(18)
  m.output(m.node('Relu', [m.input('x', ['n', 4])]))
  const { report: made } = await compileFor('cpu', m.bytes)
  t.regex(inWords(made, UNMEASURED), /no operators over four spatial axes/)
})
