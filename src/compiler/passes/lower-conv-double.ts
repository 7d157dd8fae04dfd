import type { Extent } from '../emitter.js'
import { type Folded, foldedRows } from '../layout.js'
import type { NodeProto } from '../onnx.js'
import { floatTensor, product, tensorDims, tensorFloats } from '../tensors.js'
import { stackTaps } from './lower-conv.js'
import { type FourAxisWindow, type Lowering, isIdentity, unsupported } from './lowering.js'

interface DoubleConv {
  readonly folded: Folded
  readonly window: FourAxisWindow
  readonly group: number
}

/**
 * A convolution of float64 numbers, for which no execution provider has a kernel, as a sum of matrix products, for
 * which ONNX Runtime has one: one for each tap along D, H, W, over the channels of all taps along T. Right, not fast.
 */
export function lowerDoubleConv(
  node: NodeProto,
  { folded, window, group }: DoubleConv,
  lowering: Lowering,
): void {
  const { emit, layouts, graph, shapes } = lowering
  const [, w = '', bias = ''] = node.input
  const [y = ''] = node.output
  const tensor = graph.constant(w)
  const { pads } = window.space
  const sizes = [3, 4, 5].map((axis) => shapes.dim(y, axis))
  const [d = 0, h = 0, width = 0] = sizes.map(Number)
  if (tensor === null || pads === undefined || graph.opset < 11 || sizes.some((s) => typeof s !== 'number'))
    throw unsupported(
      node,
      'its values are float64, which needs constant weights, sizes D, H, W that are known, and opset 11; convert the model to float32 (in PyTorch, model.float()) where precision fp32 will do',
    )
  const [m = 0] = tensorDims(tensor)
  const { value, t } = isIdentity(window.time) ? folded : stackTaps(node, folded, window.time, 1, lowering)
  const zeros = [0, 0, ...pads.slice(0, 3), 0, 0, ...pads.slice(3)]
  const padded = pads.some((p) => p > 0)
    ? emit.op('Pad', [value, emit.ints(zeros)], { mode: 'constant' })
    : value
  const rows = foldedRows({ n: folded.n, t })
  const channels = emit.times(folded.frame[0] ?? 0, window.time.kernel)
  const products = tapMatrices(tensorFloats(tensor), tensorDims(tensor), group).map(({ tap, matrix }) => {
    const starts = tap.map((k, i) => k * (window.space.dilations[i] ?? 1))
    const steps = window.space.strides
    const ends = [d, h, width].map((size, i) => (starts[i] ?? 0) + (size - 1) * (steps[i] ?? 1) + 1)
    const seen = emit.op('Slice', [
      padded,
      emit.ints(starts),
      emit.ints(ends),
      emit.ints([2, 3, 4]),
      emit.ints(steps),
    ])
    const factors = emit.constant(floatTensor(`${w}_tap`, [m, matrix.length / m], matrix, tensor.dataType))
    return emit.op('MatMul', [factors, emit.reshape(seen, [rows, channels, d * h * width])])
  })
  const sum = products.reduce((a, b) => emit.op('Add', [a, b]))
  const whole = bias === '' ? sum : emit.op('Add', [sum, emit.reshape(bias, [m, 1])])
  const frame: Extent[] = [m, d, h, width]
  layouts.define(y, { value: emit.reshape(whole, [rows, ...frame]), n: folded.n, t, frame })
  lowering.note(node, `${products.length} matrix products in float64`)
}

/** For each tap along D, H, W the matrix [M, kT * C] of its weights; channels of other groups are zero. */
function tapMatrices(
  weights: Float32Array | Float64Array,
  [m = 0, perGroup = 0, kT = 1, ...space]: readonly number[],
  group: number,
): { tap: number[]; matrix: Float64Array }[] {
  const [, kH = 1, kW = 1] = space
  const size = product(space)
  const channels = perGroup * group
  return Array.from({ length: size }, (_, place) => {
    const matrix = new Float64Array(m * kT * channels)
    for (let out = 0; out < m; out++) {
      const first = Math.floor(out / (m / group)) * perGroup
      for (let c = 0; c < perGroup; c++) {
        for (let k = 0; k < kT; k++) {
          const from = ((out * perGroup + c) * kT + k) * size + place
          matrix[(out * kT + k) * channels + first + c] = weights[from] ?? 0
        }
      }
    }
    return { tap: [Math.floor(place / (kH * kW)), Math.floor(place / kW) % kH, place % kW], matrix }
  })
}
