import { createHash } from 'node:crypto'
import type { TensorProto } from '../../onnx.js'
import { product, tensorDims, tensorFloats } from '../../tensors.js'

/** Weights [M, C/g, kD, kH, kW] of 3D convolutions, known by what is in them: exporters copy freely. */
export class WeightRegistry {
  private readonly byKey = new Map<string, { dims: readonly number[]; data: Float32Array }>()
  private readonly keys = new Map<string, string>()

  /** Key of part `index` of `parts` of a tensor's input channels. */
  slice(tensor: TensorProto, index: number, parts: number): string {
    const cached = `${index}/${parts} ${tensor.name}`
    const known = tensor.name === '' ? undefined : this.keys.get(cached)
    if (known !== undefined) return known
    const [m = 0, channels = 0, ...kernel] = tensorDims(tensor)
    const all = tensorFloats(tensor)
    const [c, taps] = [channels / parts, product(kernel)]
    const data = new Float32Array(m * c * taps)
    for (let o = 0; o < m; o++) {
      const from = (o * channels + index * c) * taps
      data.set(all.subarray(from, from + c * taps), o * c * taps)
    }
    const bytes = new Uint8Array(data.buffer)
    const key = createHash('sha256')
      .update([m, c, ...kernel].join('x'))
      .update(bytes)
      .digest('hex')
    this.byKey.set(key, { dims: [m, c, ...kernel], data })
    this.keys.set(cached, key)
    return key
  }

  /** The taps in order as weights [M, C/g, kT, kD, kH, kW]. */
  stack(keys: readonly string[]): { dims: readonly number[]; data: Float32Array } {
    const taps = keys.map((key) => this.byKey.get(key)!)
    const [m = 0, c = 0, ...kernel] = taps[0]!.dims
    const size = product(kernel)
    const data = new Float32Array(m * c * keys.length * size)
    taps.forEach((tap, i) => {
      for (let row = 0; row < m * c; row++) {
        data.set(tap.data.subarray(row * size, (row + 1) * size), (row * keys.length + i) * size)
      }
    })
    return { dims: [m, c, keys.length, ...kernel], data }
  }
}
