import { Graph } from '../../../src/compiler/graph.js'
import { decodeModel } from '../../../src/compiler/onnx.js'
import { findRegions } from '../../../src/compiler/passes/region/find.js'
import { Shapes } from '../../../src/compiler/shapes.js'

/**
 * What is wrong with the regions that are found in a model: a node in two of them, or a way that leads out of
 * one and back into it. Null where nothing is.
 */
export function regionFault(bytes: Uint8Array): string | null {
  const graph = Graph.of(decodeModel(bytes))
  const regions = findRegions({ graph, shapes: new Shapes(graph) })
  const home = new Map<object, string>()
  for (const [i, region] of regions.entries()) {
    for (const node of region.nodes.keys()) {
      if (home.has(node)) return `${node.name} is in two regions`
      home.set(node, `region ${i}`)
    }
  }
  const part = (node: { name: string }): string => home.get(node) ?? node.name
  const waits = new Map<string, Set<string>>(graph.nodes.map((node) => [part(node), new Set()]))
  for (const node of graph.nodes)
    for (const name of node.input) {
      const from = graph.producer(name)
      if (from !== undefined && part(from) !== part(node)) waits.get(part(node))!.add(part(from))
    }
  // Whatever waits for nobody can run, until nothing is left.
  for (let ready = true; ready && waits.size > 0;) {
    ready = false
    for (const [name, others] of waits) {
      if ([...others].some((other) => waits.has(other))) continue
      waits.delete(name)
      ready = true
    }
  }
  return waits.size === 0 ? null : `a cycle through ${[...waits.keys()].join(', ')}`
}
