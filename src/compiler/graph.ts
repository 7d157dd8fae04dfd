import { SentinodeError } from '../errors.js'
import {
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  attribute,
  describe,
  isStandard,
  subgraphs,
} from './onnx.js'
import { floatTensor, int64Tensor } from './tensors.js'

/** What is the same for a model's graph and all its subgraphs. */
interface ModelContext {
  readonly irVersion: number
  /** Version of ONNX's own operators. */
  readonly opset: number
  /** Every name in the model, so that new ones are new everywhere. */
  readonly names: Set<string>
}

/**
 * A model's graph, or the body of an If, Loop or Scan, as passes see it. Nodes are changed by assigning
 * `nodes`; initializers by `addInitializer`. The protobuf message underneath is changed in place.
 */
export class Graph {
  private producers: Map<string, NodeProto> | null = null
  private uses: Map<string, NodeProto[]> | null = null
  private readonly initializers: Map<string, TensorProto>
  private readonly overridable: ReadonlySet<string>
  private readonly inputs: ReadonlySet<string>
  private readonly outputs: ReadonlySet<string>

  private constructor(
    readonly proto: GraphProto,
    readonly parent: Graph | null,
    private readonly context: ModelContext,
  ) {
    this.initializers = new Map(proto.initializer.map((t) => [t.name, t]))
    this.inputs = new Set(proto.input.map((v) => v.name))
    this.outputs = new Set(proto.output.map((v) => v.name))
    // From IR version 4 on, a graph input with an initializer is a default that a caller may replace.
    this.overridable = context.irVersion >= 4 && parent === null ? this.inputs : new Set()
    proto.node = sorted(proto.node)
  }

  /** The model's graph. Throws MODEL_INVALID without a version of ONNX's operators or with a cycle. */
  static of(model: ModelProto & { graph: GraphProto }): Graph {
    const opset = model.opsetImport.find((o) => o.domain === '' || o.domain === 'ai.onnx')
    const names = new Set<string>()
    collectNames(model.graph, names)
    return new Graph(model.graph, null, {
      irVersion: Number(model.irVersion),
      opset: Number(opset?.version ?? 0n),
      names,
    })
  }

  /** A body of one of this graph's nodes; it sees this graph's values. */
  subgraph(proto: GraphProto): Graph {
    return new Graph(proto, this, this.context)
  }

  get opset(): number {
    return this.context.opset
  }

  get nodes(): readonly NodeProto[] {
    return this.proto.node
  }

  set nodes(nodes: readonly NodeProto[]) {
    this.proto.node = [...nodes]
    this.producers = null
    this.uses = null
  }

  /** Puts the nodes into topological order. Throws MODEL_INVALID on a cycle. */
  sort(): void {
    this.nodes = sorted(this.proto.node)
  }

  /** The node of this graph that computes `value`, undefined for inputs, initializers and outer values. */
  producer(value: string): NodeProto | undefined {
    this.producers ??= new Map(this.nodes.flatMap((node) => node.output.map((o) => [o, node] as const)))
    return value === '' ? undefined : this.producers.get(value)
  }

  /** The nodes of this graph that read `value`, themselves or in their bodies. */
  consumers(value: string): readonly NodeProto[] {
    if (this.uses === null) {
      this.uses = new Map()
      for (const node of this.nodes) {
        for (const name of readNames(node)) {
          const list = this.uses.get(name)
          if (list === undefined) this.uses.set(name, [node])
          else list.push(node)
        }
      }
    }
    return this.uses.get(value) ?? []
  }

  isOutput(value: string): boolean {
    return this.outputs.has(value)
  }

  /** The value of `name` if no run can change it: an initializer or a Constant node, here or outside. */
  constant(name: string): TensorProto | null {
    if (name === '') return null
    const initializer = this.initializers.get(name)
    if (initializer !== undefined) return this.overridable.has(name) ? null : initializer
    const producer = this.producer(name)
    if (producer !== undefined) return constantOf(producer)
    return this.inputs.has(name) ? null : (this.parent?.constant(name) ?? null)
  }

  /** An initializer of this graph, also one that a caller may replace. */
  initializer(name: string): TensorProto | undefined {
    return this.initializers.get(name)
  }

  /** Adds an initializer; its name must be fresh. */
  addInitializer(tensor: TensorProto): void {
    this.proto.initializer.push(tensor)
    this.initializers.set(tensor.name, tensor)
  }

  /** A name nobody has, made from `base`. */
  fresh(base: string): string {
    let name = base
    for (let i = 1; this.context.names.has(name); i++) name = `${base}_${i}`
    this.context.names.add(name)
    return name
  }

  /**
   * Takes away what a rewrite left without a reader: nodes in `candidates`, then initializers that `before`
   * had readers. What nobody read in the first place stays.
   */
  prune(candidates: ReadonlySet<NodeProto>, readBefore: ReadonlySet<string>): void {
    // Backwards, so that whatever only served a node that goes is seen to go as well.
    const needed = new Set(this.outputs)
    const kept = [...this.nodes].reverse().filter((node) => {
      if (candidates.has(node) && !node.output.some((name) => needed.has(name))) return false
      for (const name of readNames(node)) needed.add(name)
      return true
    })
    this.nodes = kept.reverse()
    const keep = (name: string): boolean =>
      this.consumers(name).length > 0 || this.isOutput(name) || this.inputs.has(name) || !readBefore.has(name)
    this.proto.initializer = this.proto.initializer.filter((t) => keep(t.name))
    const produced = new Set(this.nodes.flatMap((n) => n.output))
    this.proto.valueInfo = this.proto.valueInfo.filter((v) => produced.has(v.name))
  }
}

/** Names that a node reads: its inputs, and what its bodies take from outside. */
export function readNames(node: NodeProto): Set<string> {
  const names = new Set(node.input.filter((name) => name !== ''))
  for (const body of subgraphs(node)) {
    const own = new Set([...body.input.map((v) => v.name), ...body.initializer.map((t) => t.name)])
    for (const inner of body.node) {
      for (const name of readNames(inner)) if (!own.has(name)) names.add(name)
      for (const name of inner.output) own.add(name)
    }
    for (const { name } of body.output) if (!own.has(name)) names.add(name)
  }
  return names
}

function collectNames(graph: GraphProto, into: Set<string>): void {
  for (const value of [...graph.input, ...graph.output, ...graph.initializer]) into.add(value.name)
  for (const node of graph.node) {
    into.add(node.name)
    for (const name of [...node.input, ...node.output]) into.add(name)
    for (const body of subgraphs(node)) collectNames(body, into)
  }
}

/** The tensor of a Constant node, null for any other node and for constants that are no numeric tensor. */
function constantOf(node: NodeProto): TensorProto | null {
  if (node.opType !== 'Constant' || !isStandard(node)) return null
  const name = node.output[0] ?? ''
  const find = (key: string) => attribute(node, key)
  const [value, int, ints, float, floats] = [
    'value',
    'value_int',
    'value_ints',
    'value_float',
    'value_floats',
  ].map(find)
  if (value?.t !== undefined) return value.t
  if (int !== undefined) return int64Tensor(name, [], [Number(int.i)])
  if (ints !== undefined) return int64Tensor(name, [ints.ints.length], ints.ints.map(Number))
  if (float !== undefined) return floatTensor(name, [], Float32Array.of(float.f))
  if (floats !== undefined) return floatTensor(name, [floats.floats.length], Float32Array.from(floats.floats))
  return null
}

/** Nodes in topological order; the given order where it already is one. Throws MODEL_INVALID on a cycle. */
function sorted(nodes: NodeProto[]): NodeProto[] {
  const producer = new Map(nodes.flatMap((node) => node.output.map((o) => [o, node] as const)))
  producer.delete('')
  const state = new Map<NodeProto, 'open' | 'done'>()
  const order: NodeProto[] = []
  for (const root of nodes) {
    const stack: { node: NodeProto; needs: NodeProto[] }[] = []
    const enter = (node: NodeProto): void => {
      if (state.get(node) === 'done') return
      if (state.get(node) === 'open') {
        throw new SentinodeError('MODEL_INVALID', `The graph has a cycle through ${describe(node)}`)
      }
      state.set(node, 'open')
      const needs = [...readNames(node)].map((name) => producer.get(name)).filter((p) => p !== undefined)
      stack.push({ node, needs })
    }
    enter(root)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.needs.shift()
      if (next !== undefined) {
        enter(next)
        continue
      }
      state.set(top.node, 'done')
      order.push(top.node)
      stack.pop()
    }
  }
  return order
}
