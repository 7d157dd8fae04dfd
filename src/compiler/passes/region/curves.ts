import { type Activation, activation } from './activations.js'

/** Arguments at which a function is looked at: dense where activations bend, and far out. */
export const ARGUMENTS: Float64Array = Float64Array.from(
  [...Array.from({ length: 81 }, (_, i) => (i - 40) / 10), 5, 6, 8, 12, 20, -5, -6, -8, -12, -20].sort(
    (a, b) => a - b,
  ),
)

const at = (values: Float64Array, x: number): number => values[ARGUMENTS.indexOf(x)] ?? NaN
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/** Abramowitz and Stegun 7.1.26, 1.5e-7: nearer than any two of the curves here are to each other. */
export function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x))
  const sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
  return Math.sign(x) * (1 - sum * Math.exp(-x * x))
}

interface Curve {
  /** The activation with the parameters that the values have, if they are of this kind. */
  readonly guess: (values: Float64Array) => Activation
  readonly apply: (x: number, parameters: { alpha: number; beta: number; min: number; max: number }) => number
}

const plain = (name: string, apply: (x: number) => number): Curve => ({
  guess: () => activation(name),
  apply,
})

const CURVES: readonly Curve[] = [
  plain('relu', (x) => Math.max(x, 0)),
  plain('sigmoid', sigmoid),
  plain('tanh', Math.tanh),
  plain('gelu', (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))),
  plain('gelu_tanh', (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
  plain('mish', (x) => x * Math.tanh(softplus(x))),
  plain('softplus', softplus),
  plain('softsign', (x) => x / (1 + Math.abs(x))),
  plain('hard_swish', (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1)),
  {
    guess: (v) => activation('silu', { alpha: -Math.log(1 / at(v, 1) - 1) }),
    apply: (x, { alpha }) => x * sigmoid(alpha * x),
  },
  {
    guess: (v) => activation('leaky_relu', { alpha: -at(v, -1) }),
    apply: (x, { alpha }) => (x < 0 ? alpha * x : x),
  },
  {
    guess: (v) => activation('elu', { alpha: -at(v, -20) / at(v, 1), beta: at(v, 1) }),
    apply: (x, { alpha, beta }) => beta * (x > 0 ? x : alpha * Math.expm1(x)),
  },
  {
    guess: (v) => activation('hard_sigmoid', { alpha: (at(v, 0.1) - at(v, 0)) / 0.1, beta: at(v, 0) }),
    apply: (x, { alpha, beta }) => Math.min(Math.max(alpha * x + beta, 0), 1),
  },
  {
    guess: (v) => activation('clip', { min: v[0] ?? 0, max: v.at(-1) ?? 0 }),
    apply: (x, { min, max }) => Math.min(Math.max(x, min), max),
  },
]

/**
 * The activation whose values these are at ARGUMENTS, to within what float32 tells apart; null for any
 * other function. A function is taken for what it does, not for how somebody wrote it down.
 */
export function curveThrough(values: Float64Array): Activation | null {
  for (const { guess, apply } of CURVES) {
    const found = guess(values)
    const { alpha, beta, min, max } = found
    const numbers = [alpha, beta, min, max].map((p) => (typeof p === 'number' ? p : 0))
    if (!numbers.every(Number.isFinite)) continue
    const [a = 0, b = 0, low = 0, high = 0] = numbers
    const fits = values.every((y, i) => {
      const expected = apply(ARGUMENTS[i] ?? 0, { alpha: a, beta: b, min: low, max: high })
      return Math.abs(y - expected) <= 1e-6 * (1 + Math.abs(expected))
    })
    if (fits) return found
  }
  return null
}
