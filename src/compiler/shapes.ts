import type { Graph } from './graph.js'
import { typeShape, subgraphs } from './onnx.js'
import { inferElements } from './shape-elements.js'
import { inferNode } from './shape-rules.js'
import { product, tensorDims, tensorInts } from './tensors.js'

/** Size of a dimension: a number, the name of an unknown that is the same wherever it is named, or null. */
export type Dim = number | string | null
export type Shape = readonly Dim[]

/**
 * What is known of the shapes of a graph's values before any input is seen. Ranks are known far more
 * often than sizes; a value that is missing here has no known rank.
 */
export class Shapes {
  private readonly shapes = new Map<string, Shape>()
  /** Elements of small integer tensors: what Shape, Gather and Concat make of dimensions. */
  private readonly contents = new Map<string, Shape>()

  /** @param inputs sizes to assume of graph inputs, in place of those that the graph declares */
  constructor(
    readonly graph: Graph,
    private readonly outer: Shapes | null = null,
    inputs: ReadonlyMap<string, Shape> = new Map(),
  ) {
    const { proto } = graph
    for (const { name, type } of proto.input) {
      const declared = inputs.get(name) ?? typeShape(type)
      // An unnamed size of an input is still the same size wherever it arrives.
      if (declared !== null)
        this.shapes.set(
          name,
          declared.map((d, axis) => d ?? `${name}#${axis}`),
        )
    }
    for (const tensor of proto.initializer) this.shapes.set(tensor.name, tensorDims(tensor))
    const declared = new Map([...proto.valueInfo, ...proto.output].map((v) => [v.name, typeShape(v.type)]))
    for (const node of graph.nodes) {
      const elements = inferElements(node, this)
      if (elements !== null) this.contents.set(node.output[0] ?? '', elements)
      const inferred = subgraphs(node).length > 0 ? [] : inferNode(node, this, graph.opset)
      node.output.forEach((name, i) => {
        const shape = merge(inferred[i] ?? null, declared.get(name) ?? null)
        if (shape !== null) this.shapes.set(name, shape)
      })
    }
  }

  of(value: string): Shape | null {
    return this.shapes.get(value) ?? this.outer?.of(value) ?? null
  }

  rank(value: string): number | null {
    return this.of(value)?.length ?? null
  }

  dim(value: string, axis: number): Dim {
    return this.of(value)?.[axis] ?? null
  }

  /** Elements of an integer tensor, as far as they are known; null where not even their number is. */
  elements(value: string): Shape | null {
    const constant = this.graph.constant(value)
    if (constant !== null) return product(tensorDims(constant)) > 4096 ? null : tensorInts(constant)
    return this.contents.get(value) ?? this.outer?.elements(value) ?? null
  }

  /** Shapes inside a body of one of the graph's nodes. */
  within(body: Graph): Shapes {
    return new Shapes(body, this)
  }
}

/** The better known of two views of one shape; `first` wins where both know a size. */
function merge(first: Shape | null, second: Shape | null): Shape | null {
  if (first === null || second === null || first.length !== second.length) return first ?? second
  return first.map((d, i) => {
    const other = second[i] ?? null
    return typeof d === 'number' ? d : typeof other === 'number' ? other : (d ?? other)
  })
}
