import type { Graph } from '../../graph.js'
import { type NodeProto, makeNode } from '../../onnx.js'
import type { Shapes } from '../../shapes.js'
import { normRuns } from './norms.js'
import { pointwiseRuns } from './pointwise.js'
import { quantizedRuns } from './quantized.js'
import type { RegionNode } from './steps.js'

/** Nodes that together compute one thing that a region has a word for, of one value. */
export interface Run {
  readonly nodes: ReadonlySet<NodeProto>
  /** The one whose output is the run's. */
  readonly last: NodeProto
  readonly input: string
  readonly as: RegionNode
}

/** A graph while regions are looked for in it. */
export interface Joined {
  /** What the nodes that stand for runs are in a region. */
  readonly nodes: ReadonlyMap<NodeProto, RegionNode>
  /** Puts the runs back that no region has taken. */
  restore(): void
}

/** Replaces each run by one node with the run's input and output, under the name of its last node. */
export function joinRuns(graph: Graph, shapes: Shapes): Joined {
  const nodes = new Map<NodeProto, RegionNode>()
  const runs = new Map<NodeProto, Run>()
  for (const find of [quantizedRuns, normRuns, pointwiseRuns]) {
    const found = find(graph, shapes)
    const gone = new Set(found.flatMap((run) => [...run.nodes]))
    const placed = new Map(found.map((run) => [run.last, run]))
    if (found.length === 0) continue
    graph.nodes = graph.nodes.flatMap((node) => {
      const run = placed.get(node)
      if (run === undefined) return gone.has(node) ? [] : [node]
      const { name, opType } = node
      const stand = makeNode(
        opType,
        [run.input],
        [node.output[0] ?? ''],
        {},
        { name, domain: 'sentinode.run' },
      )
      nodes.set(stand, run.as)
      runs.set(stand, run)
      return [stand]
    })
  }
  return {
    nodes,
    restore: () => {
      const left = graph.nodes.some((node) => runs.has(node))
      if (!left) return
      graph.nodes = graph.nodes.flatMap((node) => [...(runs.get(node)?.nodes ?? [node])])
      graph.sort()
    },
  }
}
