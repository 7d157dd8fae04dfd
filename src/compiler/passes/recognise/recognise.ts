import { type Graph, readNames } from '../../graph.js'
import { type NodeProto, isStandard, makeNode } from '../../onnx.js'
import type { PassReport } from '../../report.js'
import type { Shapes } from '../../shapes.js'
import { floatTensor } from '../../tensors.js'
import { followNode } from './follow.js'
import { type Frames, PLAIN, frameCount, hasSums, isPadded } from './frames.js'
import { Recognition } from './recognition.js'
import { type TimeConv, solve } from './solve.js'

const WHY = 'one convolution over four axes runs faster than the 3D convolutions that it was exported as'

/**
 * Finds convolutions over T, D, H, W that an exporter wrote as loops or stacks of convolutions over D, H, W,
 * and writes them as one Conv again. Values are followed frame by frame from tensors with a known number of
 * frames; what their sums of products agree with decides, not what the graph looks like.
 */
export function recogniseFourAxes(graph: Graph, shapes: Shapes, report: PassReport): void {
  const around = new Recognition(graph, shapes)
  for (const node of graph.nodes) {
    if (!isStandard(node) || node.output.length !== 1) continue
    const value = followNode(node, around)
    if (value !== null) around.set(node.output[0] ?? '', value)
  }
  const found = new Map<NodeProto, TimeConv>()
  for (const node of graph.nodes) {
    const [name = ''] = node.output
    const value = around.has(name) ? around.frames(name) : null
    if (
      value === null ||
      value.axes.join() !== PLAIN.join() ||
      isPadded(value) ||
      isInner(name, value, around)
    )
      continue
    const conv = solve(value, (source) => frameCount(source, shapes))
    if (conv !== null) found.set(node, conv)
  }
  if (found.size === 0) return

  const readBefore = new Set(graph.nodes.flatMap((node) => [...readNames(node)]))
  const old = new Set(graph.nodes)
  const nodes = graph.nodes.map((node) => {
    const conv = found.get(node)
    return conv === undefined ? node : writeConv(node, conv, graph, around, report)
  })
  graph.nodes = nodes
  graph.prune(old, readBefore)
}

/** Whether the sums go on growing: then the end of it is what counts. */
function isInner(name: string, value: Frames, around: Recognition): boolean {
  if (!hasSums(value)) return true
  const { graph } = around
  if (graph.isOutput(name)) return false
  const readers = graph.consumers(name).filter((reader) => reader.opType !== 'Shape')
  return readers.every((reader) => {
    const result = around.has(reader.output[0] ?? '') ? around.frames(reader.output[0] ?? '') : null
    return result !== null && hasSums(result)
  })
}

function writeConv(
  node: NodeProto,
  conv: TimeConv,
  graph: Graph,
  around: Recognition,
  report: PassReport,
): NodeProto {
  const [name = ''] = node.output
  const { form, stride, dilation, before, after } = conv
  const { dims, data } = around.weights.stack(conv.taps)
  const weight = floatTensor(graph.fresh(`${name}_weight`), dims, data)
  graph.addInitializer(weight)
  const inputs = [conv.source, weight.name]
  if (conv.bias !== null) {
    const bias = floatTensor(graph.fresh(`${name}_bias`), [conv.bias.length], conv.bias)
    graph.addInitializer(bias)
    inputs.push(bias.name)
  }
  const attributes = {
    kernel_shape: [conv.taps.length, ...form.kernel],
    strides: [stride, ...form.strides],
    dilations: [dilation, ...form.dilations],
    pads: [before, ...form.pads.slice(0, 3), after, ...form.pads.slice(3)],
    group: form.group,
  }
  const written = makeNode('Conv', inputs, [name], attributes, { name: graph.fresh(`${name}_Conv4D`) })
  report.add(written, `recognised from 3D convolutions of ${conv.taps.length} taps along time`, WHY)
  return written
}
