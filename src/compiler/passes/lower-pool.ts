import { foldedRows } from '../layout.js'
import { type Attributes, type NodeProto, intAttribute, intsAttribute, stringAttribute } from '../onnx.js'
import { type FourAxisWindow, type Lowering, isIdentity, readWindow, sizes, unsupported } from './lowering.js'

/**
 * MaxPool and AveragePool over T, D, H, W as one pool over D, H, W and one along T: the largest of largest
 * values, and the mean of means, for what an average divides by is a product of one factor an axis (padding
 * counted or not).
 */
export function lowerPool(node: NodeProto, lowering: Lowering): void {
  const { emit, layouts } = lowering
  const [x = ''] = node.input
  const [y = '', indices = ''] = node.output
  if (indices !== '') throw unsupported(node, 'its output Indices counts positions over four axes')
  const folded = layouts.fold(x)
  const { time, space } = readWindow(node, intsAttribute(node, 'kernel_shape') ?? [], sizes(folded))
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET')
  const shared: Attributes = {
    ceil_mode: intAttribute(node, 'ceil_mode', 0) === 1 ? 1 : undefined,
    count_include_pad: intAttribute(node, 'count_include_pad', 0) === 1 ? 1 : undefined,
  }

  let { value, t, frame } = folded
  const { dilations, ...window } = space
  if (!isTrivial(space)) {
    value = emit.op(node.opType, [value], { ...window, ...dilated(dilations), ...shared })
    frame = layouts.frame(y, value)
  }
  if (!isIdentity(time)) {
    const rows = emit.reshape(value, [folded.n, 1, t, -1])
    const pads = time.before === null || time.after === null ? undefined : [time.before, 0, time.after, 0]
    const pooled = emit.op(node.opType, [rows], {
      kernel_shape: [time.kernel, 1],
      strides: [time.stride, 1],
      pads,
      auto_pad: pads === undefined ? autoPad : undefined,
      ...dilated([time.dilation, 1]),
      ...shared,
    })
    t = layouts.extent(y, 2, pooled, 2)
    value = emit.reshape(pooled, [foldedRows({ n: folded.n, t }), ...frame])
  }
  layouts.define(y, { value, n: folded.n, t, frame })
  lowering.note(node, `${node.opType} over D, H, W${isIdentity(time) ? '' : ', then along T'}`)
}

/** Left out where it says nothing: the attribute is younger than the operators. */
function dilated(dilations: readonly number[]): Attributes {
  return dilations.every((d) => d === 1) ? {} : { dilations }
}

function isTrivial({ kernel_shape, strides, pads }: FourAxisWindow['space']): boolean {
  return [...kernel_shape, ...strides].every((v) => v === 1) && (pads ?? []).every((p) => p === 0)
}
