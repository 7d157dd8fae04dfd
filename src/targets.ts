/**
 * What a model is compiled for and runs on: one row a target. The compiler, model configuration, sessions
 * and the command line take from here all that differs between targets.
 */

/** Execution providers of ONNX Runtime that the addon opens sessions with. */
export type ProviderName = 'cpu' | 'cuda' | 'tensorrt'

/** bf16: inside regions of 4D operators on the CPU. fp16: TensorRT's engine. */
export const PRECISIONS = ['fp32', 'bf16', 'fp16'] as const
export type Precision = (typeof PRECISIONS)[number]

export interface TargetKind {
  readonly provider: ProviderName
  /** Where its instances run: they take cores of this machine, or a card by its number. */
  readonly device: 'cpu' | 'gpu'
  /** Whether 4D operators run in regions of our own (native/core/ops); otherwise they are lowered to rank 5. */
  readonly regions: boolean
  readonly precisions: readonly Precision[]
}

const KINDS = {
  cpu: { provider: 'cpu', device: 'cpu', regions: true, precisions: ['fp32', 'bf16'] },
  'cpu-portable': { provider: 'cpu', device: 'cpu', regions: false, precisions: ['fp32'] },
  cuda: { provider: 'cuda', device: 'gpu', regions: false, precisions: ['fp32'] },
  tensorrt: { provider: 'tensorrt', device: 'gpu', regions: false, precisions: ['fp32', 'fp16'] },
} as const satisfies Record<string, TargetKind>

export type Target = keyof typeof KINDS

export const TARGETS = Object.keys(KINDS) as readonly Target[]

export function kindOf(target: Target): TargetKind {
  return KINDS[target]
}

export const isGpu = (target: Target): boolean => kindOf(target).device === 'gpu'

/** The targets that offer a precision. */
export function targetsWith(precision: Precision): Target[] {
  return TARGETS.filter((target) => kindOf(target).precisions.includes(precision))
}
