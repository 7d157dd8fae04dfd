import type { Extent } from '../emitter.js'
import { lazy } from '../emitter.js'
import { type Folded, foldedRows } from '../layout.js'
import { DataType, type NodeProto, intAttribute } from '../onnx.js'
import { floatTensor, product, tensorDims, tensorFloats } from '../tensors.js'
import { type ToomCook, toomCook } from '../toom-cook.js'
import type { AxisWindow, FourAxisWindow, Lowering } from './lowering.js'
import { padTime, takeTaps } from './time-taps.js'

/** Frames of a tile: more make the transforms less accurate. */
const MOST_FRAMES = 5
const MOST_TAPS = 5

/** What a convolution over T, D, H, W has, folded. */
export interface FoldedConv {
  readonly node: NodeProto
  readonly folded: Folded
  readonly window: FourAxisWindow
}

/**
 * A convolution over T, D, H, W by Toom-Cook along T: frames are taken in tiles of m, the k + m - 1 frames
 * that a tile needs are transformed, each is convolved over D, H, W with transformed weights of its own
 * (one Conv in as many groups), and the products are transformed to the tile's m frames. That is k + m - 1
 * convolutions over three axes instead of k * m, at the price of two small matrix products.
 *
 * False, with nothing emitted, where the algorithm does not apply or the weights are not constant.
 */
export function lowerFastConv(conv: FoldedConv, lowering: Lowering): boolean {
  const { node, folded, window } = conv
  const { emit, graph, layouts } = lowering
  if (graph.opset < 11) return false
  const [, w = '', b = ''] = node.input
  const [y = ''] = node.output
  const weights = graph.constant(w)
  const bias = graph.constant(b)
  const frames = outputFrames(folded.t, window.time, lowering)
  if (weights?.dataType !== DataType.FLOAT || (b !== '' && bias === null)) return false
  if (frames === null) return false

  const form = toomCook(tileSize(frames), window.time.kernel)
  const group = intAttribute(node, 'group', 1)
  const [m = 0, perGroup = 0, , ...kernel] = tensorDims(weights)
  const { n, frame } = folded
  const [c = 0, ...space] = frame
  const transformed = emit.constant(
    floatTensor(
      `${w}_products`,
      [form.products * m, perGroup, ...kernel],
      transformWeights(tensorFloats(weights), form, m * perGroup, product(kernel)),
    ),
  )

  // Zeros behind the last frame that the last tile does not need do no harm: what they give is cut off.
  const time = { ...window.time, after: (window.time.after ?? 0) + form.outputs - 1 }
  const flat = { value: emit.reshape(folded.value, [n, folded.t, -1]), t: folded.t }
  const windows: AxisWindow = {
    kernel: form.products,
    stride: form.outputs,
    dilation: 1,
    before: 0,
    after: 0,
  }
  const taken = takeTaps(padTime(node, flat, time, lowering), windows, lowering)
  const inputs = transform(
    emit.reshape(taken.value, [n, taken.t, form.products, -1]),
    form.input,
    form.products,
    lowering,
  )
  const rows = foldedRows({ n, t: taken.t })
  const stacked = emit.reshape(inputs, [rows, emit.times(c, form.products), ...space])
  const terms = [stacked, transformed]
  if (bias !== null) {
    const values = new Float64Array(form.products * m)
    values.set(tensorFloats(bias), form.ones * m)
    terms.push(emit.constant(floatTensor(`${b}_products`, [values.length], values)))
  }
  const products = emit.op('Conv', terms, { ...window.space, group: form.products * group })
  const outputs = transform(
    emit.reshape(products, [n, taken.t, form.products, -1]),
    form.output,
    form.products,
    lowering,
  )
  const all = emit.reshape(outputs, [n, emit.times(taken.t, form.outputs), -1])
  const kept = cut(all, frames, taken.t, form.outputs, lowering)
  const sizes = [3, 4, 5].map((axis) => layouts.extent(y, axis, products, axis - 1))
  const result = emit.reshape(kept, [foldedRows({ n, t: frames }), m, ...sizes])
  layouts.defineFrom(y, result, n, frames)
  lowering.note(
    node,
    `Conv over D, H, W in ${form.products} groups for every ${form.outputs} frames, F(${form.outputs}, ${form.taps}) along time`,
  )
  return true
}

/** Frames that come out; null where the algorithm does not apply. */
function outputFrames(t: Extent, time: AxisWindow, { emit }: Lowering): Extent | null {
  const { kernel, stride, dilation, before, after } = time
  if (stride !== 1 || dilation !== 1 || kernel < 2 || kernel > MOST_TAPS) return null
  if (before === null || after === null) return null
  const more = before + after - kernel + 1
  if (typeof t === 'number') return t + more >= 2 ? t + more : null
  return lazy(() => (more === 0 ? t() : emit.op('Add', [t(), emit.ints([more])])))
}

/** Tiles all have one size; where the frames are known they are as equal as may be. */
function tileSize(frames: Extent): number {
  return typeof frames === 'number' ? Math.ceil(frames / Math.ceil(frames / MOST_FRAMES)) : MOST_FRAMES
}

/** [product][out][in][kD, kH, kW] from [out][in][kT][kD, kH, kW]. */
function transformWeights(
  weights: Float32Array | Float64Array,
  { products, taps, weight }: ToomCook,
  pairs: number,
  inner: number,
): Float64Array {
  const result = new Float64Array(products * pairs * inner)
  for (let j = 0; j < products; j++) {
    for (let pair = 0; pair < pairs; pair++) {
      const to = (j * pairs + pair) * inner
      for (let tap = 0; tap < taps; tap++) {
        const factor = weight[j * taps + tap] ?? 0
        const from = (pair * taps + tap) * inner
        for (let i = 0; i < inner; i++) result[to + i]! += factor * (weights[from + i] ?? 0)
      }
    }
  }
  return result
}

/** The matrix of [rows, columns] times each tile of `value` [N, tiles, columns, elements]. */
function transform(value: string, matrix: Float64Array, columns: number, { emit }: Lowering): string {
  const dims = [matrix.length / columns, columns]
  return emit.op('MatMul', [emit.constant(floatTensor('', dims, matrix)), value])
}

/** The frames that the window gives, of those that whole tiles give. */
function cut(value: string, frames: Extent, tiles: Extent, size: number, { emit }: Lowering): string {
  if (typeof frames === 'number') {
    return frames === Number(tiles) * size ? value : emit.slice(value, 1, 0, frames)
  }
  return emit.op('Slice', [value, emit.ints([0]), frames(), emit.ints([1])])
}
