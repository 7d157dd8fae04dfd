import { type Graph, readNames } from '../../graph.js'
import type { NodeProto } from '../../onnx.js'
import { Clusters } from './clusters.js'
import { type RegionContext, type RegionNode, isHeavy, readRegionNode } from './steps.js'

/** A connected run of operators over four axes that one operator of ours can compute. */
export interface Region {
  /** In topological order. */
  readonly nodes: ReadonlyMap<NodeProto, RegionNode>
  /** Values from outside, in the order of their first use. */
  readonly inputs: readonly string[]
  /** Values that somebody outside reads. */
  readonly outputs: readonly string[]
}

/**
 * Maximal convex regions: no way leads out of a region and back into it, so that each can run as one node.
 * A node joins the regions that it reads from, the latest first, wherever that keeps this so.
 */
export function findRegions(context: RegionContext): Region[] {
  const { graph } = context
  const { nodes } = graph
  const position = new Map(nodes.map((node, at) => [node, at]))
  const producers = nodes.map((node) => [
    ...new Set(
      [...readNames(node)]
        .map((name) => graph.producer(name))
        .filter((p) => p !== undefined)
        .map((p) => position.get(p)!),
    ),
  ])
  const steps = nodes.map((node) => readRegionNode(node, context))
  const clusters = new Clusters(producers)
  // A join can free the way for one that was refused before it.
  for (let joined = true; joined;) {
    joined = false
    for (const [at, inputs] of producers.entries()) {
      if (steps[at] === null) continue
      for (const from of [...inputs].sort((a, b) => b - a)) {
        if (steps[from] !== null && clusters.join(from, at)) joined = true
      }
    }
  }
  const members = new Map<number, Map<NodeProto, RegionNode>>()
  for (const [at, node] of nodes.entries()) {
    const step = steps[at]
    if (step === null || step === undefined) continue
    const of = clusters.of(at)
    members.set(of, (members.get(of) ?? new Map<NodeProto, RegionNode>()).set(node, step))
  }
  return [...members.values()]
    .filter((region) => [...region.values()].some(isHeavy))
    .map((region) => borders(region, graph))
}

function borders(nodes: ReadonlyMap<NodeProto, RegionNode>, graph: Graph): Region {
  const produced = new Set([...nodes.keys()].map((n) => n.output[0] ?? ''))
  const inputs = new Set<string>()
  for (const step of nodes.values()) {
    for (const name of step.kind === 'step' ? step.inputs : [step.input])
      if (!produced.has(name)) inputs.add(name)
  }
  const outputs = [...produced].filter(
    (name) => graph.isOutput(name) || graph.consumers(name).some((reader) => !nodes.has(reader)),
  )
  return { nodes, inputs: [...inputs], outputs }
}
