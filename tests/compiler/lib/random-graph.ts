import { ModelBuilder } from './model.js'
import type { Random } from './random.js'

const CHANNELS = 2
/** [N, C, T, D, H, W] of the input and of nearly every value. */
export const GRAPH_SHAPE: readonly number[] = [2, CHANNELS, 3, 4, 3, 4]

/** Makes a value of the same shape from one value, or from two. */
type Make = (m: ModelBuilder, a: string, b: string, random: Random) => string

const scalar = (m: ModelBuilder, value: number): string => m.floats([], Float64Array.of(value))
const swap = (m: ModelBuilder, a: string): string => m.node('Transpose', [a], { perm: [0, 2, 1, 3, 4, 5] })
const pooled = (m: ModelBuilder, a: string): string => m.node('ReduceMean', [a, m.ints([2, 3, 4, 5])])

/** The operands in either order: what a region finder does must not hang on it. */
const either = (m: ModelBuilder, op: string, a: string, b: string, random: Random): string =>
  m.node(op, random.chance(0.5) ? [a, b] : [b, a])

const KINDS: readonly Make[] = [
  (m, a, _, random) => convolution(m, a, random),
  (m, a, _, random) => convolution(m, a, random),
  (m, a) => m.node('Relu', [a]),
  (m, a) => m.node('Identity', [a]),
  (m, a) => m.node('Elu', [a]),
  (m, a) => m.node('Erf', [a]),
  (m, a) => m.node('Tanh', [m.node('Softplus', [a])]),
  (m, a, b, random) => either(m, 'Add', a, b, random),
  (m, a, b, random) => either(m, 'Mul', a, m.node('Sigmoid', [b]), random),
  (m, a, b, random) => either(m, 'Add', a, m.node('Mul', [m.node('Softplus', [b]), scalar(m, 0.3)]), random),
  (m, a, b, random) => either(m, 'Mul', a, m.node('Sigmoid', [pooled(m, b)]), random),
  (m, a, b, random) => either(m, 'Mul', a, m.node('Sigmoid', [m.node('GlobalAveragePool', [b])]), random),
  (m, a) => m.node('Sub', [a, m.node('ReduceMean', [a, m.ints([1])])]),
  (m, a, b, random) => {
    const wide = m.node('Concat', random.chance(0.5) ? [a, b] : [b, a], { axis: 1 })
    return m.node('Conv', [wide, m.floats([CHANNELS, 2 * CHANNELS, 1, 1, 1, 1], random.values(8))])
  },
  (m, a) => swap(m, m.node('Softplus', [swap(m, a)])),
  (m, a) => swap(m, swap(m, a)),
  (m, a) => m.node('Clip', [a, scalar(m, -1), scalar(m, 2)]),
  (m, a, _, random) => m.node('Sub', [m.floats([1, CHANNELS, 1, 1, 1, 1], random.values(CHANNELS)), a]),
]

function convolution(m: ModelBuilder, a: string, random: Random): string {
  const [weights, bias] = [random.values(CHANNELS ** 2 * 9), random.values(CHANNELS)]
  const shape = [CHANNELS, CHANNELS, 3, 1, 3, 1]
  const pads = [1, 0, 1, 0, 1, 0, 1, 0]
  return m.node('Conv', [a, m.floats(shape, weights), m.floats([CHANNELS], bias)], { pads })
}

/**
 * A graph over four axes with input "x" [n, ...GRAPH_SHAPE] and one output or two: operators that regions
 * know and others, values that many read, and operands that come back to what they came from.
 */
export function randomGraph(random: Random): ModelBuilder {
  const m = new ModelBuilder(18)
  const shape = ['n', ...GRAPH_SHAPE.slice(1)]
  const values = [m.input('x', shape)]
  // Mostly what was made last, so that graphs get deep.
  const some = (): string => values[Math.max(0, values.length - 1 - random.int(0, 4))]!
  for (let i = random.int(3, 14); i > 0; i--) values.push(random.pick(KINDS)(m, some(), some(), random))
  m.output(m.node('Identity', [values.at(-1)!], {}, 'y'), shape)
  if (random.chance(0.4)) m.output(m.node('Identity', [random.pick(values.slice(1))], {}, 'z'), shape)
  return m
}
