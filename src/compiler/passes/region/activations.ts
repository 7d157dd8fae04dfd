import { type NodeProto, floatAttribute, stringAttribute } from '../../onnx.js'
import type { PlanValue } from './plan.js'

/** The keys of a plan's activation. */
export type Activation = Readonly<
  Record<'activation' | 'alpha' | 'beta' | 'min' | 'max', PlanValue | undefined>
>

const ABSENT = { alpha: undefined, beta: undefined, min: undefined, max: undefined }

export function activation(name: string, parameters: Partial<Activation> = {}): Activation {
  return { ...ABSENT, ...parameters, activation: name }
}

type Maker = (node: NodeProto) => Activation

const named =
  (name: string): Maker =>
  () =>
    activation(name)

/** ONNX's operators of one value whose parameters are attributes. */
const MAKERS: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  ['Relu', named('relu')],
  ['Sigmoid', named('sigmoid')],
  ['Tanh', named('tanh')],
  ['Softplus', named('softplus')],
  ['Softsign', named('softsign')],
  ['Mish', named('mish')],
  ['HardSwish', named('hard_swish')],
  ['Erf', named('erf')],
  ['Exp', named('exp')],
  ['Sqrt', named('sqrt')],
  ['Abs', named('abs')],
  ['Reciprocal', named('reciprocal')],
  ['LeakyRelu', (node) => activation('leaky_relu', { alpha: floatAttribute(node, 'alpha', 0.01) })],
  ['Swish', (node) => activation('silu', { alpha: floatAttribute(node, 'alpha', 1) })],
  ['Elu', (node) => activation('elu', { alpha: floatAttribute(node, 'alpha', 1), beta: 1 })],
  [
    'Selu',
    (node) =>
      activation('elu', {
        alpha: floatAttribute(node, 'alpha', 1.6732631921768188),
        beta: floatAttribute(node, 'gamma', 1.0507010221481323),
      }),
  ],
  [
    'HardSigmoid',
    (node) =>
      activation('hard_sigmoid', {
        alpha: floatAttribute(node, 'alpha', 0.2),
        beta: floatAttribute(node, 'beta', 0.5),
      }),
  ],
  [
    'Gelu',
    (node) => activation(stringAttribute(node, 'approximate', 'none') === 'tanh' ? 'gelu_tanh' : 'gelu'),
  ],
])

export const ACTIVATION_OPERATORS: readonly string[] = [...MAKERS.keys()]

/** What an operator of ACTIVATION_OPERATORS computes; null for any other. */
export function activationOf(node: NodeProto): Activation | null {
  return MAKERS.get(node.opType)?.(node) ?? null
}
