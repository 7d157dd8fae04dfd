import type { Graph } from '../../graph.js'
import { type NodeProto, makeNode } from '../../onnx.js'
import type { PassReport } from '../../report.js'
import { floatTensor, int64Tensor } from '../../tensors.js'
import type { Found } from './recognise.js'
import type { Layout } from './recognition.js'

const WHY = 'one convolution over four axes runs faster than the 3D convolutions that it was exported as'
const PLAIN = 'NCTDHW'

/** The nodes of a convolution over four axes that takes the place of `node`, its source and its output in their own layouts. */
export function writeConv(
  node: NodeProto,
  { conv, layout: to }: Found,
  from: Layout,
  graph: Graph,
  report: PassReport,
): NodeProto[] {
  const [name = ''] = node.output
  const nodes: NodeProto[] = []
  const emit = (
    op: string,
    inputs: string[],
    attributes: Parameters<typeof makeNode>[3],
    output?: string,
  ): string => {
    const value = output ?? graph.fresh(`${name}_${op}`)
    nodes.push(makeNode(op, inputs, [value], attributes, { name: graph.fresh(`${name}_${op}4D`) }))
    return value
  }
  const add = (suffix: string, dims: readonly number[], data: Float32Array): string => {
    const tensor = floatTensor(graph.fresh(`${name}_${suffix}`), dims, data)
    graph.addInitializer(tensor)
    return tensor.name
  }
  const perm = (a: Layout, b: Layout): number[] => Array.from(b, (label) => a.indexOf(label))

  let x = conv.source
  if (from !== PLAIN) x = emit('Transpose', [x], { perm: perm(from, PLAIN) })
  if (conv.circular) x = wrap(x, conv.before, conv.after, graph, emit)
  const inputs = [x, add('weight', conv.dims, conv.weights)]
  if (conv.bias !== null) inputs.push(add('bias', [conv.bias.length], conv.bias))
  const [before, after] = conv.circular ? [0, 0] : [conv.before, conv.after]
  const { form, stride, dilation, frameBias } = conv
  const attributes = {
    kernel_shape: conv.dims.slice(2),
    strides: [stride, ...form.strides],
    dilations: [dilation, ...form.dilations],
    pads: [before, ...form.pads.slice(0, 3), after, ...form.pads.slice(3)],
    group: form.group,
  }
  const last = (op: string): string | undefined => (op === 'Transpose' || to === PLAIN ? name : undefined)
  let y = emit('Conv', inputs, attributes, frameBias === null ? last('Conv') : undefined)
  if (frameBias !== null) {
    const channels = conv.dims[0] ?? 1
    const bias = add('frame_bias', [1, channels, frameBias.length / channels, 1, 1, 1], frameBias)
    y = emit('Add', [y, bias], {}, last('Add'))
  }
  if (to !== PLAIN) emit('Transpose', [y], { perm: perm(PLAIN, to) }, last('Transpose'))
  const written = nodes.find((n) => n.opType === 'Conv') ?? node
  report.add(written, `recognised from 3D convolutions of ${conv.dims[2] ?? 1} taps along time`, WHY)
  return nodes
}

/** Frames from the end before the first, and frames from the beginning behind the last. */
function wrap(
  x: string,
  before: number,
  after: number,
  graph: Graph,
  emit: (op: string, inputs: string[], attributes: Parameters<typeof makeNode>[3]) => string,
): string {
  const ints = (...values: number[]): string => {
    const tensor = int64Tensor(graph.fresh('wrap'), [values.length], values)
    graph.addInitializer(tensor)
    return tensor.name
  }
  const cut = (start: number, end: number): string =>
    graph.opset < 10
      ? emit('Slice', [x], { axes: [2], starts: [start], ends: [end] })
      : emit('Slice', [x, ints(start), ints(end), ints(2)], {})
  const parts = [...(before > 0 ? [cut(-before, 2 ** 31)] : []), x, ...(after > 0 ? [cut(0, after)] : [])]
  return parts.length === 1 ? x : emit('Concat', parts, { axis: 2 })
}
