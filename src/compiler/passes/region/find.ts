import { type Graph, readNames } from '../../graph.js'
import type { NodeProto } from '../../onnx.js'
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

/** Members of a region while it grows; regions that merge share one. */
interface Growing {
  nodes: Map<NodeProto, RegionNode>
  /** Regions that an input from outside depends on. */
  above: Set<Growing>
}

/**
 * Maximal regions. A node joins the region of a value that it reads unless another of its inputs leaves that
 * region and comes back: such a region could not run as one node.
 */
export function findRegions(context: RegionContext): Region[] {
  const { graph } = context
  const home = new Map<NodeProto, Growing>()
  /** Regions that a node depends on, its own among them. */
  const above = new Map<NodeProto, Set<Growing>>()
  const regions = new Set<Growing>()

  const producers = (node: NodeProto): NodeProto[] =>
    [...readNames(node)].map((name) => graph.producer(name)).filter((p) => p !== undefined)

  for (const node of graph.nodes) {
    const inputs = producers(node)
    const step = readRegionNode(node, context)
    const upstream = new Set(inputs.flatMap((p) => [...(above.get(p) ?? [])]))
    if (step === null) {
      above.set(node, upstream)
      continue
    }
    const own: Growing = { nodes: new Map([[node, step]]), above: new Set() }
    for (const producer of inputs) {
      const region = home.get(producer)
      if (region === undefined) for (const r of above.get(producer) ?? []) own.above.add(r)
    }
    let merged = own
    for (const region of new Set(inputs.map((p) => home.get(p)).filter((r) => r !== undefined))) {
      // Joining is wrong where what is gathered so far hangs on the region through somebody outside, or the reverse.
      if (dependsOn(merged, region) || dependsOn(region, merged)) merged.above.add(region)
      else merged = join(region, merged, regions, home, above)
    }
    regions.add(merged)
    home.set(node, merged)
    above.set(node, new Set([...upstream, merged, ...merged.above]))
  }
  return [...regions]
    .filter((region) => [...region.nodes.values()].some(isHeavy))
    .map((region) => borders(region.nodes, graph))
}

/** Whether an input that `region` takes from outside depends on `other`. */
function dependsOn(region: Growing, other: Growing): boolean {
  const seen = new Set<Growing>()
  const visit = (r: Growing): boolean => {
    if (seen.has(r)) return false
    seen.add(r)
    return r.above.has(other) || [...r.above].some(visit)
  }
  return visit(region)
}

/** Everything of `from` goes to `into`. */
function join(
  into: Growing,
  from: Growing,
  regions: Set<Growing>,
  home: Map<NodeProto, Growing>,
  above: Map<NodeProto, Set<Growing>>,
): Growing {
  if (into === from) return into
  for (const [node, step] of from.nodes) {
    into.nodes.set(node, step)
    home.set(node, into)
  }
  for (const r of from.above) into.above.add(r)
  regions.delete(from)
  for (const region of regions) rename(region.above, from, into)
  for (const set of above.values()) rename(set, from, into)
  return into
}

function rename(set: Set<Growing>, from: Growing, into: Growing): void {
  if (set.delete(from)) set.add(into)
}

function borders(members: ReadonlyMap<NodeProto, RegionNode>, graph: Graph): Region {
  const nodes = new Map(graph.nodes.flatMap((n) => (members.has(n) ? [[n, members.get(n)!] as const] : [])))
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
