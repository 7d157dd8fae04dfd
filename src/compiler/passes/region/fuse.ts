import type { NodeProto } from '../../onnx.js'
import type { Region } from './find.js'
import type { PlanValue } from './plan.js'
import type { Activation } from './activations.js'
import type { RegionNode, RegionStep } from './steps.js'

/** One line of a plan: an operator with what follows it in the same pass over memory. */
export interface FusedStep {
  readonly word: string
  readonly inputs: readonly string[]
  readonly output: string
  readonly keys: Readonly<Record<string, PlanValue>>
  readonly tensors: Readonly<Record<string, Float32Array | undefined>>
  readonly residual: string | null
  readonly activation: Activation | Record<string, never>
  /** The keys of a shuffle that makes the output of what this step writes. */
  readonly shuffle?: RegionStep['shuffle']
}

export interface FusedRegion {
  /** In an order in which they can run. */
  readonly steps: readonly FusedStep[]
  /** The value that stands for each of the region's outputs, in their order. */
  readonly outputs: readonly string[]
}

/**
 * The steps of a region. A residual Add and an activation join the step before them where nobody else reads
 * what stands between; what only renames a value is no step.
 */
export function fuse(region: Region): FusedRegion {
  const names = new Aliases(region)
  const readers = new Map<string, NodeProto[]>()
  for (const [node, step] of region.nodes) {
    if (names.isAlias(node)) continue
    for (const name of step.kind === 'step' ? step.inputs : [step.input]) {
      readers.set(names.of(name), [...(readers.get(names.of(name)) ?? []), node])
    }
  }
  const outputs = region.outputs.map((name) => names.of(name))
  const sole = (name: string): NodeProto | null => {
    const all = readers.get(name) ?? []
    return all.length === 1 && !outputs.includes(name) ? (all[0] ?? null) : null
  }

  const taken = new Set<NodeProto>()
  /** The node at whose place a step is written: the last one that joined it. */
  const written = new Map<NodeProto, FusedStep>()
  for (const [node, step] of region.nodes) {
    if (step.kind !== 'step' || taken.has(node)) continue
    let last = node
    let residual: string | null = null
    let activation: FusedStep['activation'] = {}
    let next = step.takesActivation ? sole(names.of(node.output[0] ?? '')) : null
    const add = next === null ? undefined : region.nodes.get(next)
    if (
      step.word === 'conv' &&
      step.shuffle === undefined &&
      next !== null &&
      isAdd(add) &&
      !taken.has(next)
    ) {
      const own = names.of(node.output[0] ?? '')
      const others = add.inputs.map((name) => names.of(name)).filter((name) => name !== own)
      if (others.length === 1) {
        residual = others[0] ?? null
        taken.add(next)
        last = next
        next = sole(names.of(next.output[0] ?? ''))
      }
    }
    const follower = next === null ? undefined : region.nodes.get(next)
    let slope: Float32Array | undefined
    const fits = follower?.kind === 'activation' && (follower.slope === undefined || takesSlopes(step))
    if (next !== null && fits) {
      activation = follower.activation
      slope = follower.slope
      taken.add(next)
      last = next
    }
    const { word, keys } = step
    const tensors = slope === undefined ? step.tensors : { ...step.tensors, slope }
    const inputs = step.inputs.map((name) => names.of(name))
    written.set(last, {
      word,
      inputs,
      output: names.of(last.output[0] ?? ''),
      keys,
      tensors,
      residual,
      activation,
      ...(step.shuffle === undefined ? {} : { shuffle: step.shuffle }),
    })
  }
  for (const [node, step] of region.nodes) {
    if (step.kind === 'step' || taken.has(node) || names.isAlias(node)) continue
    const activation = step.kind === 'activation' ? step.activation : {}
    const slope = step.kind === 'activation' ? step.slope : undefined
    const alone = {
      inputs: [names.of(step.input)],
      output: node.output[0] ?? '',
      keys: {},
      residual: null,
      activation,
    }
    if (slope === undefined) {
      written.set(node, { word: 'activation', tensors: {}, ...alone })
    } else {
      const [scale, shift] = [slope.map(() => 1), slope.map(() => 0)]
      written.set(node, { word: 'scale_shift', tensors: { scale, shift, slope }, ...alone })
    }
  }
  return { steps: [...region.nodes.keys()].flatMap((node) => written.get(node) ?? []), outputs }
}

/** Whether the step's activation may have a slope a channel. */
function takesSlopes({ word, shuffle }: RegionStep): boolean {
  return (word === 'conv' && shuffle === undefined) || word === 'scale_shift'
}

function isAdd(step: RegionNode | undefined): step is RegionStep {
  return step?.kind === 'step' && step.word === 'add' && step.sameShape
}

/** Values that are another value under another name. */
class Aliases {
  private readonly target = new Map<string, string>()

  constructor(region: Region) {
    // What leaves the region is computed by it, and leaves it once.
    const taken = new Set([...region.inputs, ...region.outputs])
    for (const [node, step] of region.nodes) {
      const [name = ''] = node.output
      if (step.kind !== 'alias') continue
      const value = this.of(step.input)
      const leaves = region.outputs.includes(name)
      if (leaves && taken.has(value)) continue
      if (leaves) taken.add(value)
      this.target.set(name, value)
    }
  }

  isAlias(node: NodeProto): boolean {
    return this.target.has(node.output[0] ?? '')
  }

  of(name: string): string {
    return this.target.get(name) ?? name
  }
}
