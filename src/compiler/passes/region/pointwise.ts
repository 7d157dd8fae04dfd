import type { Graph } from '../../graph.js'
import { type NodeProto, isStandard } from '../../onnx.js'
import type { Shapes } from '../../shapes.js'
import { product, tensorDims, tensorFloats, isFloat } from '../../tensors.js'
import { ACTIVATION_OPERATORS, activationOf } from './activations.js'
import { ARGUMENTS, curveThrough, erf } from './curves.js'
import type { Run } from './joined.js'

/** Values of a function of `root` at ARGUMENTS, and the nodes that compute it. */
interface Traced {
  readonly values: Float64Array
  readonly nodes: ReadonlySet<NodeProto>
}

/** What a value is as a function of values before it; itself is left out. */
type Traces = ReadonlyMap<string, Traced>

/** Values that are followed back to, and nodes of a run, at most: what exporters write takes up to nine. */
const MOST_ROOTS = 8
const MOST_NODES = 16

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Max: Math.max,
  Min: Math.min,
}

const UNARY: Readonly<Record<string, (x: number) => number>> = {
  Identity: (x) => x,
  Neg: (x) => -x,
  Abs: Math.abs,
  Exp: Math.exp,
  Log: Math.log,
  Sqrt: Math.sqrt,
  Reciprocal: (x) => 1 / x,
  Erf: erf,
  Tanh: Math.tanh,
  Sigmoid: sigmoid,
  Softplus: softplus,
  Relu: (x) => Math.max(x, 0),
}

/**
 * Runs of elementwise operators of one value, of whatever form, that compute an activation: x * sigmoid(x),
 * 0.5 x (1 + erf(x / sqrt 2)), x * tanh(softplus(x)), ... Nobody else reads what stands between.
 */
export function pointwiseRuns(graph: Graph, shapes: Shapes): Run[] {
  const traces = new Map<string, Traces>()
  for (const node of graph.nodes) {
    const [y = ''] = node.output
    if (isStandard(node) && shapes.rank(y) === 6) traces.set(y, traceNode(node, graph, traces))
  }
  const runs: Run[] = []
  const taken = new Set<NodeProto>()
  // The last node of a run is met first, and the longest run that it ends is tried first.
  for (const node of [...graph.nodes].reverse()) {
    if (taken.has(node)) continue
    const [y = ''] = node.output
    const roots = [...(traces.get(y) ?? [])].sort(([, a], [, b]) => b.nodes.size - a.nodes.size)
    for (const [root, { values, nodes }] of roots) {
      if (nodes.size < 2 || [...nodes].some((n) => taken.has(n)) || !closed(nodes, node, graph)) continue
      const found = curveThrough(values)
      if (found === null) continue
      for (const member of nodes) taken.add(member)
      runs.push({
        last: node,
        nodes,
        input: root,
        as: { kind: 'activation', input: root, activation: found },
      })
      break
    }
  }
  return runs
}

/** Whether nobody outside reads what a run computes before its last node. */
function closed(nodes: ReadonlySet<NodeProto>, last: NodeProto, graph: Graph): boolean {
  return [...nodes].every(
    (node) =>
      node === last ||
      node.output.every((name) => !graph.isOutput(name) && graph.consumers(name).every((r) => nodes.has(r))),
  )
}

function traceNode(node: NodeProto, graph: Graph, traces: ReadonlyMap<string, Traces>): Traces {
  const apply = operationOf(node, graph)
  if (apply === null) return new Map()
  const operands = node.input.map((name) => scalar(name, graph) ?? name)
  const names = operands.filter((o) => typeof o === 'string')
  const result = new Map<string, Traced>()
  for (const root of commonRoots(names, traces)) {
    const nodes = new Set([node])
    const columns = operands.map((o) => {
      if (typeof o === 'number') return o
      if (o === root) return ARGUMENTS
      const traced = traces.get(o)?.get(root)
      for (const member of traced?.nodes ?? []) nodes.add(member)
      return traced?.values ?? ARGUMENTS
    })
    if (nodes.size > MOST_NODES) continue
    const values = ARGUMENTS.map((_, i) =>
      apply(...columns.map((c) => (typeof c === 'number' ? c : (c[i] ?? NaN)))),
    )
    result.set(root, { values, nodes })
    if (result.size === MOST_ROOTS) break
  }
  return result
}

/** Values that all of `names` are functions of, the nearest first. */
function commonRoots(names: readonly string[], traces: ReadonlyMap<string, Traces>): string[] {
  const [first, ...others] = names
  if (first === undefined) return []
  const rootsOf = (name: string): string[] => [name, ...(traces.get(name)?.keys() ?? [])]
  return rootsOf(first).filter((root) => others.every((name) => rootsOf(name).includes(root)))
}

/** The function of numbers that a node computes elementwise; null for any other node. */
function operationOf(node: NodeProto, graph: Graph): ((...x: number[]) => number) | null {
  const binary = BINARY[node.opType]
  if (binary !== undefined) return node.input.length === 2 ? (a = NaN, b = NaN) => binary(a, b) : null
  const unary = UNARY[node.opType]
  if (unary !== undefined) return (x = NaN) => unary(x)
  if (node.opType === 'Clip') {
    const [min, max] = [1, 2].map(
      (i) => (node.input[i] ?? '') === '' || scalar(node.input[i] ?? '', graph) !== null,
    )
    const [, low = '', high = ''] = node.input
    if (min !== true || max !== true || node.attribute.length > 0) return null
    const [from, to] = [scalar(low, graph) ?? -Infinity, scalar(high, graph) ?? Infinity]
    return (x = NaN) => Math.min(Math.max(x, from), to)
  }
  const known = ACTIVATION_OPERATORS.includes(node.opType) ? activationOf(node) : null
  if (known === null) return null
  const { alpha, beta } = known
  if (known.activation === 'hard_sigmoid')
    return (x = NaN) => Math.min(Math.max(Number(alpha) * x + Number(beta), 0), 1)
  if (known.activation === 'elu')
    return (x = NaN) => Number(beta) * (x > 0 ? x : Number(alpha) * Math.expm1(x))
  if (known.activation === 'leaky_relu') return (x = NaN) => (x < 0 ? Number(alpha) * x : x)
  return null
}

/** The number in a constant of one element of floating point. */
function scalar(name: string, graph: Graph): number | null {
  const tensor = graph.constant(name)
  if (tensor === null || !isFloat(tensor.dataType) || product(tensorDims(tensor)) !== 1) return null
  return tensorFloats(tensor)[0] ?? null
}
