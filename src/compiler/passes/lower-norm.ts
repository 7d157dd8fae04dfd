import { type NodeProto, intAttribute } from '../onnx.js'
import { type Lowering, unsupported } from './lowering.js'

/**
 * Normalisations over T, D, H, W. Batch normalisation is the same per channel whatever the layout; those
 * that take statistics over all of T see it whole, as one axis of a tensor of rank 3.
 */
export function lowerNorm(node: NodeProto, lowering: Lowering): void {
  const { emit, layouts } = lowering
  const [x = '', ...parameters] = node.input
  const [y = ''] = node.output
  if (node.output.slice(1).some((o) => o !== ''))
    throw unsupported(node, 'it computes statistics of a training step')
  if (intAttribute(node, 'spatial', 1) === 0)
    throw unsupported(node, 'spatial=0 normalises every voxel by itself')

  if (node.opType === 'BatchNormalization' && layouts.isFoldedOnly(x)) {
    const { value, n, t } = layouts.fold(x)
    layouts.defineFrom(y, passOn(node, [value, ...parameters], lowering), n, t)
    lowering.note(node, `${node.opType} over frames`)
    return
  }
  layouts.unfold(x)
  const flat = emit.reshape(x, [0, 0, -1])
  const normal = passOn(node, [flat, ...parameters], lowering)
  const sizes = [0, 1, 2, 3, 4, 5].map((axis) => layouts.extent(x, axis, x, axis))
  if (sizes.filter((s) => typeof s !== 'number').length > 1)
    emit.op('Reshape', [normal, emit.shapeOf(x)], {}, y)
  else emit.reshape(normal, sizes, y)
  layouts.definePlain(y)
  lowering.note(node, `${node.opType} over one axis that holds T, D, H, W`)
}

/** The same operator with the same attributes on other inputs. */
export function passOn(node: NodeProto, inputs: readonly string[], { emit, graph }: Lowering): string {
  const value = graph.fresh(`${node.output[0] ?? ''}_${node.opType}`)
  const copy: NodeProto = { ...node, name: graph.fresh(`${value}_node`), input: [...inputs], output: [value] }
  emit.nodes.push(copy)
  emit.made.add(copy)
  return value
}
