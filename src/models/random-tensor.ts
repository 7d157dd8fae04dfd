/** Random tensors for warm-up, the same ones every time. */
import type { DataType } from '../engine/index.js'
import { elementSize } from './datatypes.js'
import { encodeBytesTensor } from './request/bytes-tensor.js'

/** Little-endian bytes: floating point from 0.5 to 1, everything else 0 or 1, which any index may be. */
export function randomTensor(type: DataType, elements: number): Uint8Array {
  const random = generator(elements + 1)
  if (type === 'BYTES') {
    return encodeBytesTensor(Array.from({ length: elements }, () => Uint8Array.of(97 + (random() % 26))))
  }
  const size = elementSize(type)
  const data = new Uint8Array(elements * size)
  const view = new DataView(data.buffer)
  for (let i = 0; i < elements; i++) {
    const bits = random()
    const at = i * size
    if (type === 'FP64') view.setFloat64(at, 0.5 + bits / 2 ** 33, true)
    else if (type === 'FP32') view.setFloat32(at, 0.5 + bits / 2 ** 33, true)
    else if (type === 'FP16') view.setUint16(at, 0x3800 | (bits & 0x3ff), true)
    else if (type === 'BF16') view.setUint16(at, 0x3f00 | (bits & 0x7f), true)
    else data[at] = (bits >>> 16) & 1
  }
  return data
}

/** Marsaglia's xorshift on 32 bits. */
function generator(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
}
