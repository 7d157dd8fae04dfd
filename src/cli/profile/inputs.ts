import { SentinodeError } from '../../errors.js'
import { decodeModel, typeShape } from '../../compiler/onnx.js'
import type { DataType, NativeTensorInfo } from '../../engine/index.js'

const BYTES_PER_ELEMENT: Readonly<Record<Exclude<DataType, 'BYTES'>, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
}

export interface ChosenShapes {
  /** One per input, in order, the batch included. */
  readonly shapes: readonly (readonly number[])[]
  /** Whether dimension 0 of every input and output is a batch of any size. */
  readonly batched: boolean
}

/**
 * Concrete shapes for a model's inputs: dimension 0 is the batch where the model leaves it open in every
 * input and output, other open dimensions come from `dims` by their symbolic name or as INPUT.AXIS.
 * Throws INVALID_OPTION naming what is missing or unknown.
 */
export function chooseShapes(
  inputs: readonly NativeTensorInfo[],
  outputs: readonly NativeTensorInfo[],
  batch: number,
  dims: ReadonlyMap<string, number>,
): ChosenShapes {
  const batched = [...inputs, ...outputs].every(({ shape }) => shape[0] === -1)
  const used = new Set<string>()
  const choose = (input: NativeTensorInfo, size: number, axis: number): number => {
    if (size !== -1) return size
    if (batched && axis === 0) return batch
    const names = [input.symbols[axis], `${input.name}.${axis}`].filter((name) => name != null)
    const name = names.find((candidate) => dims.has(candidate))
    if (name === undefined) {
      throw new SentinodeError(
        'INVALID_OPTION',
        `--dim: expected a size for ${names.join(' or ')}, found none`,
      )
    }
    used.add(name)
    return dims.get(name) ?? 0
  }
  const shapes = inputs.map((input) => input.shape.map((size, axis) => choose(input, size, axis)))
  const unknown = [...dims.keys()].find((name) => !used.has(name))
  if (unknown !== undefined) {
    throw new SentinodeError(
      'INVALID_OPTION',
      `--dim: expected the name of an open dimension, found ${unknown}`,
    )
  }
  if (!batched && batch !== 1) {
    throw new SentinodeError(
      'INVALID_OPTION',
      `--batch: expected 1, as the model has no open batch dimension, found ${batch}`,
    )
  }
  return { shapes, batched }
}

const IMAGE_RANK = 6

/** Sizes [T, D, H, W] of the inputs with four spatial axes, where they are known: the compiler's hints. */
export function shapeHints(model: Uint8Array, dims: ReadonlyMap<string, number>): number[][] {
  return decodeModel(model).graph.input.flatMap(({ name, type }) => {
    const shape = typeShape(type)
    if (shape?.length !== IMAGE_RANK) return []
    const sizes = shape.slice(2).map((d, i) => {
      if (typeof d === 'number') return d
      return (d === null ? undefined : dims.get(d)) ?? dims.get(`${name}.${i + 2}`) ?? 0
    })
    return sizes.every((size) => size > 0) ? [sizes] : []
  })
}

/** Values as a network sees them: small floats around zero, small integers; the same for the same seed. */
export function randomTensor(dataType: DataType, shape: readonly number[], seed: number): Uint8Array {
  const count = shape.reduce((a, b) => a * b, 1)
  if (dataType === 'BYTES') return new Uint8Array(4 * count)
  const bytes = new Uint8Array(count * BYTES_PER_ELEMENT[dataType])
  const random = xorshift(seed)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < count; i++) {
    const value = random() * 2 - 1
    if (dataType === 'FP32') view.setFloat32(4 * i, value, true)
    else if (dataType === 'FP64') view.setFloat64(8 * i, value, true)
    else if (dataType === 'BF16') view.setUint16(2 * i, halfOf(value), true)
    else if (dataType === 'FP16') view.setUint16(2 * i, 0x3000 + Math.floor(random() * 0x400), true)
    else bytes[i * BYTES_PER_ELEMENT[dataType]] = random() < 0.5 ? 0 : 1
  }
  return bytes
}

/** The upper half of a float32 is a bfloat16. */
const scratch = new DataView(new ArrayBuffer(4))

function halfOf(value: number): number {
  scratch.setFloat32(0, value)
  return scratch.getUint16(0)
}

function xorshift(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 2 ** 32
  }
}
