import test from 'ava'
import { decodeModel } from '../../src/compiler/onnx.js'
import { ModelBuilder, compileFor } from './lib/model.js'
import { Random } from './lib/random.js'

/** The lines of the plan of a model's only region, without their header. */
async function planOf(model: ModelBuilder): Promise<string[]> {
  const compiled = await compileFor('cpu', model.bytes)
  const regions = decodeModel(compiled.model).graph.node.filter((n) => n.opType === 'Region4D')
  const [plan] = regions.map((n) => Buffer.from(n.attribute.find((a) => a.name === 'plan')!.s).toString())
  return plan!.split('\n').filter((line) => /^(conv|activation|input|output|max_pool)/.test(line))
}

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
