import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { compile } from '../../src/compiler/compile.js'
import { decodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'

const ROOT = join(import.meta.dirname, '..', '..')
const FIXTURES = join(ROOT, 'tests', 'fixtures', 'exported4d')

/** What each form is, by the beginning of its fixture's name. */
const FORMS: Readonly<Record<string, string>> = {
  example: '`Conv4d` of examples/pytorch',
  tapplain: 'a `Conv3d` for each tap, added frame by frame, `stack`',
  tapbias: 'the same with a bias in each tap: border frames get fewer',
  loop_accumulate: 'zeros, and `y[:, :, t] += conv3d(...)` over frames that exist',
  loop_list: 'a list of frames, padded, `stack`',
  loop_strided: 'strides and dilations over time in a loop',
  zerofill: '`out[:, :, t] += conv3d(...)` into zeros, written by grids of indices',
  zerofill_dil: 'the same, dilated over time',
  zerofill_st: 'the same, strided over time',
  sum: '`chunk`, `sum` of a generator, `cat`',
  unbind: '`unbind` of padded frames, `stack`',
  flatadd: 'frames cut through views of rank 4',
  flatpad: 'the same with the bias added channel by channel in place',
  tfirst: 'time first, frames of zeros before and after, sums in place, centre tap first',
  timelast: '`[N, C, D, H, W, T]`',
  timesecond: '`[N, T, C, D, H, W]`',
  tap_stack: 'taps stacked into channels',
  tap_sum: 'all frames by every tap, slices added',
  shiftadd: 'all frames by every tap, cut, padded and added',
  onewide: 'one `conv3d` for all taps side by side, cut, shifted and added',
  roll: 'all frames by every tap, `roll` and add: circular over time',
  unfold: '`unfold` over time, taps stacked into channels',
  unfoldall: '`unfold` over all four axes and a matrix product (im2col)',
  toeplitz: 'time folded into channels, one `conv3d` with a banded weight',
}

/** Whether a fixture's 3D convolutions all became convolutions over four axes. */
async function isRecognised(name: string): Promise<boolean> {
  const bytes = await readFile(join(FIXTURES, name, 'model.onnx'))
  const { model } = await compile(bytes, { target: 'cpu', resolve: noFiles })
  const kinds = decodeModel(model).graph.node.map((n) => n.opType)
  return kinds.includes('Region4D') && !kinds.includes('Conv')
}

async function table(): Promise<string> {
  const names = (await readdir(FIXTURES)).sort()
  const rows: string[] = []
  for (const [form, what] of Object.entries(FORMS)) {
    const cells: string[] = []
    for (const exporter of ['script', 'dynamo']) {
      const name = `${form}_${exporter}`
      cells.push(!names.includes(name) ? 'not exported' : (await isRecognised(name)) ? 'yes' : 'no')
    }
    rows.push(`| ${what} | ${cells.join(' | ')} |`)
  }
  return [
    '| form | `torch.onnx.export(dynamo=False)` | `torch.onnx.export(dynamo=True)` |',
    '| --- | --- | --- |',
    ...rows,
  ].join('\n')
}

/** Rows without the padding that makes them a column in the file. */
const bare = (text: string): string =>
  text
    .trim()
    .split('\n')
    .map((line) => line.replace(/ *\| */g, '|').replace(/-+/g, '-'))
    .join('\n')

test('docs/networks.md lists the forms that are recognised, as they are', async (t) => {
  const docs = await readFile(join(ROOT, 'docs', 'networks.md'), 'utf8')
  const listed = /<!-- recognised forms -->\n([\s\S]*)<!-- end -->/.exec(docs)?.[1] ?? ''
  t.is(bare(listed), bare(await table()))
})

test('every exported network has a form in the table', async (t) => {
  const forms = new Set(Object.keys(FORMS))
  const names = await readdir(FIXTURES)
  t.deepEqual(
    names.filter((name) => !forms.has(name.replace(/_(?:script|dynamo)$/, ''))),
    [],
  )
})
