import { type Graph, readNames } from '../../graph.js'
import { type NodeProto, isStandard } from '../../onnx.js'
import type { PassReport } from '../../report.js'
import { Shapes } from '../../shapes.js'
import { type Grid, countOf, isPlain, isWritten } from './grid.js'
import { MOVES } from './moves.js'
import { LAYOUTS, type Layout, Recognition } from './recognition.js'
import { type Output, type TimeConv, solve } from './solve.js'
import { SUMS } from './sums.js'
import { writeConv } from './write.js'

/** A node whose output is a convolution over four axes, and how its axes lie. */
export interface Found {
  readonly conv: TimeConv
  /** N, C, T, D, H, W in the order of the output's axes. */
  readonly layout: Layout
}

/**
 * Finds convolutions over T, D, H, W that an exporter wrote as loops, stacks or shifts of convolutions over
 * D, H, W, and writes them as one Conv again. Tensors are followed with time and channels written out, through
 * whatever moves their planes about; what their sums agree with decides, not what the graph looks like.
 */
export function recogniseFourAxes(graph: Graph, report: PassReport): void {
  for (const layout of LAYOUTS) {
    // What was found makes sources of values that sums ended in.
    for (let again = true; again && hasVolumes(graph);) again = recogniseOnce(graph, layout, report)
  }
}

/** Whether there is something to recognise: a 3D convolution and a tensor of six axes. */
function hasVolumes(graph: Graph): boolean {
  const shapes = new Shapes(graph)
  return (
    graph.nodes.some((n) => isVolumeProduct(n, shapes)) &&
    [...graph.proto.input.map((v) => v.name), ...graph.nodes.flatMap((n) => n.output)].some(
      (v) => shapes.rank(v) === 6,
    )
  )
}

/** A 3D convolution, or what may be one of unfolded axes. */
function isVolumeProduct(node: NodeProto, shapes: Shapes): boolean {
  if (node.opType === 'Conv') return shapes.rank(node.input[1] ?? '') === 5
  return node.opType === 'MatMul' && shapes.rank(node.output[0] ?? '') === 3
}

function recogniseOnce(graph: Graph, layout: Layout, report: PassReport): boolean {
  const shapes = new Shapes(graph)
  const around = new Recognition(graph, shapes, layout)
  for (const node of graph.nodes) follow(node, around)
  const found = withoutRepeats(graph, around)
  if (found.size === 0) return false
  const readBefore = new Set(graph.nodes.flatMap((node) => [...readNames(node)]))
  const old = new Set(graph.nodes)
  graph.nodes = graph.nodes.flatMap((node) => {
    const here = found.get(node)
    return here === undefined ? [node] : writeConv(node, here, layout, graph, report)
  })
  graph.prune(old, readBefore)
  return true
}

function follow(node: NodeProto, around: Recognition): void {
  if (!isStandard(node)) return
  const value = (MOVES.get(node.opType) ?? SUMS.get(node.opType))?.(node, around) ?? null
  if (value === null) return
  if (!Array.isArray(value)) around.set(node.output[0] ?? '', value)
  else node.output.forEach((name, i) => value[i] !== undefined && around.set(name, value[i]))
}

/** Where two would compute the same 3D convolutions (a tensor and a cut of it), the earlier one does for both. */
function withoutRepeats(graph: Graph, around: Recognition): Map<NodeProto, Found> {
  const barred = new Set<NodeProto>()
  for (;;) {
    const found = choose(graph, around, barred)
    const taken = new Set<number>()
    const before = barred.size
    for (const node of graph.nodes) {
      const uses = found.get(node)?.conv.uses ?? new Set<number>()
      if ([...uses].some((id) => taken.has(id))) barred.add(node)
      else uses.forEach((id) => taken.add(id))
    }
    if (barred.size === before) return found
  }
}

/**
 * The latest nodes that are convolutions: backwards, so that what only serves one of them is looked at no more.
 */
function choose(graph: Graph, around: Recognition, barred: ReadonlySet<NodeProto>): Map<NodeProto, Found> {
  const found = new Map<NodeProto, Found>()
  const done = new Set<NodeProto>()
  for (const node of [...graph.nodes].reverse()) {
    const needed = node.output.some(
      (name) => graph.isOutput(name) || graph.consumers(name).some((reader) => !done.has(reader)),
    )
    if (!needed) {
      done.add(node)
      continue
    }
    const value = node.output.length === 1 && !barred.has(node) ? around.known(node.output[0] ?? '') : null
    const here = value?.kind === 'grid' ? solveGrid(value.grid, around) : null
    // A frame alone agrees with any taps: it is a convolution only where it is not one of several.
    const alone = value?.kind === 'grid' && frameCount(value.grid, here) === 1
    if (here === null || (alone && isGathered(node, graph, around))) continue
    found.set(node, here)
    done.add(node)
  }
  return found
}

function frameCount(grid: Grid, found: Found | null): number | null {
  return found === null ? null : countOf(grid.axes[found.layout.indexOf('T')] ?? [])
}

/** Whether somebody goes on to put the node's sums together with others. */
function isGathered(node: NodeProto, graph: Graph, around: Recognition): boolean {
  const readers = node.output.flatMap((name) => graph.consumers(name))
  return readers.some((reader) => {
    const value = around.known(reader.output[0] ?? '')
    return value?.kind === 'grid' && value.grid.cells.some((cell) => around.cells.sum(cell) !== null)
  })
}

function solveGrid(grid: Grid, around: Recognition): Found | null {
  if (grid.axes.length !== 6 || !isPlain(grid) || !grid.cells.some((cell) => around.cells.sum(cell) !== null))
    return null
  const labels = grid.axes.map((axis) =>
    isWritten(axis) ? '?' : axis.length === 1 ? (axis[0]?.label ?? '') : '!',
  )
  const open = labels.flatMap((label, i) => (label === '?' ? [i] : []))
  if (open.length !== 2 || [...labels].sort().join('') !== '??DHNW') return null
  const [a = 0, b = 0] = open
  for (const [c, t] of [
    [a, b],
    [b, a],
  ] as const) {
    const conv = solve(outputOf(grid, c, t), around.cells, (source) => {
      const shape = around.shapes.of(source)
      const [channels, frames] = ['C', 'T'].map((label) => shape?.[around.layout.indexOf(label)])
      return typeof channels === 'number' && typeof frames === 'number' ? { channels, frames } : null
    })
    if (conv !== null)
      return { conv, layout: labels.map((label, i) => (i === c ? 'C' : i === t ? 'T' : label)).join('') }
  }
  return null
}

function outputOf(grid: Grid, c: number, t: number): Output {
  const [channels, frames] = [countOf(grid.axes[c] ?? []), countOf(grid.axes[t] ?? [])]
  return {
    channels,
    frames,
    cell: (m, at) => grid.cells[c < t ? m * frames + at : at * channels + m] ?? 0,
  }
}
