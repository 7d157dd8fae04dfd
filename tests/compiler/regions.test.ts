import test from 'ava'
import { compile } from '../../src/compiler/compile.js'
import { decodeModel } from '../../src/compiler/onnx.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { ModelBuilder } from './lib/model.js'
import { Random } from './lib/random.js'

type Hints = readonly (readonly number[])[]

/** The lines of the plan of each of a model's regions. */
async function plansOf(model: ModelBuilder, hints: Hints = []): Promise<string[][]> {
  const compiled = await compile(model.bytes, { target: 'cpu', resolve: noFiles, hints })
  const regions = decodeModel(compiled.model).graph.node.filter((n) => n.opType === 'Region4D')
  const plans = regions.map((n) => Buffer.from(n.attribute.find((a) => a.name === 'plan')!.s).toString())
  return plans.map((plan) => plan.split('\n'))
}

/** The steps and borders of a model's only region. */
async function planOf(model: ModelBuilder): Promise<string[]> {
  const [plan = []] = await plansOf(model)
  return plan.filter((line) => /^(conv|activation|input|output)/.test(line))
}

const headerOf = (plan: readonly string[]): string[] =>
  plan.filter((line) => /^(hint|open_frames)/.test(line)).map((line) => line.replace('hint shape=', ''))

const SAME = { pads: [1, 1, 1, 1, 1, 1, 1, 1] }

function layer(model: ModelBuilder, x: string): string {
  const weights = model.floats([4, 4, 3, 3, 3, 3], new Random(1).values(4 * 4 * 81))
  return model.node('Relu', [model.node('Conv', [x, weights], SAME)])
}

test('what only renames the value of a region is no pass over memory', async (t) => {
  const model = new ModelBuilder()
  const hidden = layer(model, model.input('x', ['N', 4, 'T', 8, 8, 8]))
  model.node('Identity', [model.node('Dropout', [hidden])], {}, 'y')
  model.output('y')
  const plan = await planOf(model)
  t.deepEqual(
    plan.map((line) => line.split(' ')[0]),
    ['input', 'conv', 'output'],
  )
  t.true(plan[1]!.endsWith('activation=relu'))
})

test('a value that leaves a region under two names leaves it twice', async (t) => {
  const model = new ModelBuilder()
  const hidden = layer(model, model.input('x', ['N', 4, 'T', 8, 8, 8]))
  model.output(model.node('Identity', [hidden], {}, 'y'))
  model.output(model.node('Identity', [hidden], {}, 'z'))
  const plan = await planOf(model)
  t.deepEqual(
    plan.map((line) => line.split(' ')[0]),
    ['input', 'conv', 'activation', 'output', 'output'],
  )
  t.is(new Set(plan.slice(-2)).size, 2)
})

/** Two regions, the second behind a pool that halves D, H and W. */
function twoRegions(sizes: readonly (number | string)[]): ModelBuilder {
  const model = new ModelBuilder()
  const first = layer(model, model.input('x', ['N', 4, ...sizes]))
  const half = { kernel_shape: [1, 2, 2, 2], strides: [1, 2, 2, 2] }
  const between = model.node('Sin', [model.node('MaxPool', [first], half)])
  model.output(layer(model, between))
  return model
}

test('a region is measured at the size that its input has there', async (t) => {
  const headers = async (sizes: readonly (number | string)[], hints: Hints = []) =>
    (await plansOf(twoRegions(sizes), hints)).map(headerOf)
  t.deepEqual(await headers([5, 16, 24, 32]), [['5,16,24,32'], ['5,8,12,16']])
  t.deepEqual(
    await headers([5, 16, 24, 32], [[6, 16, 24, 32]]),
    [['5,16,24,32'], ['5,8,12,16']],
    'contradicts',
  )
  const hints = [
    [4, 16, 24, 32],
    [7, 20, 20, 20],
  ]
  t.deepEqual(await headers(['T', 'D', 'H', 'W'], hints), [
    ['open_frames 1', '4,16,24,32', '7,20,20,20'],
    ['open_frames 1', '4,8,12,16', '7,10,10,10'],
  ])
})

test('open sizes that nobody tells are measured at a usual size', async (t) => {
  const plans = await plansOf(twoRegions(['T', 48, 'H', 'W']))
  t.deepEqual(plans.map(headerOf), [
    ['open_frames 1', '5,48,32,32'],
    ['open_frames 1', '5,24,16,16'],
  ])
  const fixed = await plansOf(twoRegions([6, 'D', 'H', 'W']))
  t.deepEqual(fixed.map(headerOf), [['6,32,32,32'], ['6,16,16,16']])
})
