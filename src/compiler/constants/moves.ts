/** Operators that only move a constant's elements, whatever their type. */
import { type NodeProto, type TensorProto, intAttribute, intsAttribute, stringAttribute } from '../onnx.js'
import { slicedRange } from '../shape-elements.js'
import { elementSize, product, rawTensor, tensorBytes, tensorDims, tensorInts } from '../tensors.js'

export type Inputs = readonly (TensorProto | undefined)[]
export type Evaluate = (node: NodeProto, inputs: Inputs, opset: number) => TensorProto[] | null

const normal = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

/** Numbers from an attribute of older operator sets, or from an input of newer ones; null where there are none. */
export function numbers(node: NodeProto, inputs: Inputs, name: string, at: number): number[] | null {
  const given = inputs[at]
  return intsAttribute(node, name) ?? (given === undefined ? null : tensorInts(given))
}

/** A tensor of shape `dims` whose element at row-major position i is `from[i]` of `source`. */
export function pick(source: TensorProto, dims: readonly number[], from: Int32Array): TensorProto {
  const size = elementSize(source)
  const bytes = tensorBytes(source)
  const out = new Uint8Array(from.length * size)
  if (size === 4 && bytes.byteOffset % 4 === 0) {
    const [words, to] = [
      new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
      new Uint32Array(out.buffer),
    ]
    for (let i = 0; i < from.length; i++) to[i] = words[from[i] ?? 0] ?? 0
  } else {
    for (let i = 0; i < from.length; i++) {
      const at = (from[i] ?? 0) * size
      for (let b = 0; b < size; b++) out[i * size + b] = bytes[at + b] ?? 0
    }
  }
  return rawTensor('', dims, source.dataType, out)
}

/** For every position of `dims` the sum over axes of `along[axis][index]`. */
export function positions(dims: readonly number[], along: readonly (readonly number[])[]): Int32Array {
  let from = Int32Array.of(0)
  for (const [axis, size] of dims.entries()) {
    const steps = along[axis] ?? []
    const next = new Int32Array(from.length * size)
    for (let i = 0; i < from.length; i++) {
      for (let k = 0; k < size; k++) next[i * size + k] = (from[i] ?? 0) + (steps[k] ?? 0)
    }
    from = next
  }
  return from
}

export function strides(dims: readonly number[]): number[] {
  return dims.map((_, axis) => product(dims.slice(axis + 1)))
}

const range = (count: number, step = 1, from = 0): number[] =>
  Array.from({ length: count }, (_, i) => from + i * step)

const reshaped = (tensor: TensorProto, dims: readonly number[]): TensorProto[] | null =>
  product(dims) === product(tensorDims(tensor))
    ? [rawTensor('', dims, tensor.dataType, tensorBytes(tensor))]
    : null

const reshape: Evaluate = (node, [x, shape]) => {
  const target = shape === undefined ? null : tensorInts(shape)
  if (x === undefined || target === null) return null
  const dims = tensorDims(x)
  const keep = intAttribute(node, 'allowzero', 0) === 1
  const known = target.map((d, i) => (d === 0 && !keep ? (dims[i] ?? 0) : d))
  const rest = known.reduce((a, d) => (d < 0 ? a : a * d), 1)
  return reshaped(
    x,
    known.map((d) => (d < 0 ? product(dims) / rest : d)),
  )
}

const flatten: Evaluate = (node, [x]) => {
  if (x === undefined) return null
  const dims = tensorDims(x)
  const axis = normal(intAttribute(node, 'axis', 1), dims.length)
  return reshaped(x, [product(dims.slice(0, axis)), product(dims.slice(axis))])
}

const squeeze: Evaluate = (node, inputs) => {
  const [x] = inputs
  if (x === undefined) return null
  const dims = tensorDims(x)
  const axes = numbers(node, inputs, 'axes', 1)?.map((a) => normal(a, dims.length))
  return reshaped(
    x,
    dims.filter((d, i) => !(axes?.includes(i) ?? d === 1)),
  )
}

const unsqueeze: Evaluate = (node, inputs) => {
  const [x] = inputs
  const axes = numbers(node, inputs, 'axes', 1)
  if (x === undefined || axes === null) return null
  const rest = tensorDims(x)
  const rank = rest.length + axes.length
  const added = new Set(axes.map((a) => normal(a, rank)))
  return reshaped(
    x,
    range(rank).map((i) => (added.has(i) ? 1 : (rest.shift() ?? 1))),
  )
}

const transpose: Evaluate = (node, [x]) => {
  if (x === undefined) return null
  const dims = tensorDims(x)
  const perm = intsAttribute(node, 'perm') ?? range(dims.length).reverse()
  if ([...perm].sort((a, b) => a - b).some((p, i) => p !== i)) return null
  const steps = strides(dims)
  const out = perm.map((p) => dims[p] ?? 1)
  return [
    pick(
      x,
      out,
      positions(
        out,
        perm.map((p) => range(dims[p] ?? 1, steps[p])),
      ),
    ),
  ]
}

const slice: Evaluate = (node, inputs) => {
  const [x] = inputs
  const [starts, ends] = [numbers(node, inputs, 'starts', 1), numbers(node, inputs, 'ends', 2)]
  if (x === undefined || starts === null || ends === null) return null
  const dims = tensorDims(x)
  const axes = numbers(node, inputs, 'axes', 3) ?? range(starts.length)
  const steps = numbers(node, inputs, 'steps', 4)
  const jumps = strides(dims)
  const along = dims.map((d, axis) => range(d, jumps[axis]))
  for (const [i, a] of axes.entries()) {
    const axis = normal(a, dims.length)
    const step = steps?.[i] ?? 1
    if (step === 0) return null
    const { from, count } = slicedRange(dims[axis] ?? 0, starts[i] ?? 0, ends[i] ?? 0, step)
    along[axis] = range(count, step * (jumps[axis] ?? 1), from * (jumps[axis] ?? 1))
  }
  const out = along.map((a) => a.length)
  return [pick(x, out, positions(out, along))]
}

const gather: Evaluate = (node, [x, index]) => {
  const picked = index === undefined ? null : tensorInts(index)
  if (x === undefined || index === undefined || picked === null) return null
  const dims = tensorDims(x)
  const axis = normal(intAttribute(node, 'axis', 0), dims.length)
  const jumps = strides(dims)
  const size = dims[axis] ?? 0
  const at = picked.map((i) => normal(i, size))
  if (at.some((i) => i < 0 || i >= size)) return null
  const along = dims.map((d, a) => (a === axis ? at.map((i) => i * (jumps[a] ?? 1)) : range(d, jumps[a])))
  const flat = pick(
    x,
    along.map((a) => a.length),
    positions(
      along.map((a) => a.length),
      along,
    ),
  )
  return reshaped(flat, [...dims.slice(0, axis), ...tensorDims(index), ...dims.slice(axis + 1)])
}

const concat: Evaluate = (node, inputs) => {
  const parts = inputs.filter((p) => p !== undefined)
  const [first] = parts
  if (first === undefined || parts.length < inputs.length) return null
  const dims = tensorDims(first)
  const axis = normal(intAttribute(node, 'axis', 0), dims.length)
  const size = elementSize(first)
  const outer = product(dims.slice(0, axis))
  const widths = parts.map((p) => product(tensorDims(p).slice(axis)) * size)
  const row = widths.reduce((a, b) => a + b, 0)
  const out = new Uint8Array(outer * row)
  let at = 0
  for (const [i, part] of parts.entries()) {
    const bytes = tensorBytes(part)
    const width = widths[i] ?? 0
    // Calls for a few bytes each took seconds where exporters write grids of indices.
    if (width <= 32) {
      for (let o = 0; o < outer; o++)
        for (let b = 0; b < width; b++) out[o * row + at + b] = bytes[o * width + b] ?? 0
    } else {
      for (let o = 0; o < outer; o++) out.set(bytes.subarray(o * width, (o + 1) * width), o * row + at)
    }
    at += width
  }
  const total = parts.reduce((sum, p) => sum + (tensorDims(p)[axis] ?? 0), 0)
  return [
    rawTensor(
      '',
      dims.map((d, i) => (i === axis ? total : d)),
      first.dataType,
      out,
    ),
  ]
}

const split: Evaluate = (node, inputs) => {
  const [x] = inputs
  if (x === undefined) return null
  const dims = tensorDims(x)
  const axis = normal(intAttribute(node, 'axis', 0), dims.length)
  const count = node.output.length
  const each = Math.ceil((dims[axis] ?? 0) / count)
  const sizes =
    numbers(node, inputs, 'split', 1) ??
    range(count).map((i) => Math.min(each, Math.max(0, (dims[axis] ?? 0) - i * each)))
  const jumps = strides(dims)
  let begin = 0
  return sizes.map((size) => {
    const along = dims.map((d, a) =>
      a === axis ? range(size, jumps[a], begin * (jumps[a] ?? 1)) : range(d, jumps[a]),
    )
    begin += size
    return pick(
      x,
      along.map((a) => a.length),
      positions(
        along.map((a) => a.length),
        along,
      ),
    )
  })
}

const expand: Evaluate = (_node, [x, shape]) => {
  const target = shape === undefined ? null : tensorInts(shape)
  if (x === undefined || target === null) return null
  const dims = tensorDims(x)
  const rank = Math.max(dims.length, target.length)
  const lead = [...new Array<number>(rank - dims.length).fill(1), ...dims]
  const want = [...new Array<number>(rank - target.length).fill(1), ...target]
  const out = lead.map((d, i) => (d === 1 ? (want[i] ?? 1) : d))
  const jumps = strides(lead)
  return [
    pick(
      x,
      out,
      positions(
        out,
        out.map((d, i) => range(d, lead[i] === 1 ? 0 : jumps[i])),
      ),
    ),
  ]
}

/** `data` with parts of it replaced; nothing is added to what was there. */
const scatterNd: Evaluate = (node, [data, indices, updates]) => {
  const at = indices === undefined ? null : tensorInts(indices)
  if (data === undefined || indices === undefined || updates === undefined || at === null) return null
  if (stringAttribute(node, 'reduction', 'none') !== 'none') return null
  const dims = tensorDims(data)
  const depth = tensorDims(indices).at(-1) ?? 0
  const jumps = strides(dims)
  const run = product(dims.slice(depth)) * elementSize(data)
  const out = new Uint8Array(tensorBytes(data))
  const from = tensorBytes(updates)
  for (let row = 0; row * depth < at.length; row++) {
    let place = 0
    for (let axis = 0; axis < depth; axis++) {
      place += normal(at[row * depth + axis] ?? 0, dims[axis] ?? 0) * (jumps[axis] ?? 0)
    }
    out.set(from.subarray(row * run, (row + 1) * run), place * elementSize(data))
  }
  return [rawTensor('', dims, data.dataType, out)]
}

/** `data` with elements of one axis replaced; nothing is added to what was there. */
const scatterElements: Evaluate = (node, [data, indices, updates]) => {
  const at = indices === undefined ? null : tensorInts(indices)
  if (data === undefined || indices === undefined || updates === undefined || at === null) return null
  if (stringAttribute(node, 'reduction', 'none') !== 'none') return null
  const dims = tensorDims(data)
  const axis = normal(intAttribute(node, 'axis', 0), dims.length)
  const jumps = strides(dims)
  const given = tensorDims(indices)
  const base = positions(
    given,
    given.map((d, a) => range(d, a === axis ? 0 : jumps[a])),
  )
  const size = elementSize(data)
  const out = new Uint8Array(tensorBytes(data))
  const from = tensorBytes(updates)
  for (let i = 0; i < base.length; i++) {
    const place = (base[i] ?? 0) + normal(at[i] ?? 0, dims[axis] ?? 0) * (jumps[axis] ?? 0)
    out.set(from.subarray(i * size, (i + 1) * size), place * size)
  }
  return [rawTensor('', dims, data.dataType, out)]
}

const tile: Evaluate = (_node, [x, repeats]) => {
  const times = repeats === undefined ? null : tensorInts(repeats)
  if (x === undefined || times === null) return null
  const dims = tensorDims(x)
  const jumps = strides(dims)
  const along = dims.map((d, a) => range(d * (times[a] ?? 1)).map((i) => (i % d) * (jumps[a] ?? 1)))
  const out = along.map((a) => a.length)
  return [pick(x, out, positions(out, along))]
}

/** Elements of one tensor or the other, both spread to the same shape. */
const where: Evaluate = (_node, [condition, a, b]) => {
  if (condition === undefined || a === undefined || b === undefined || a.dataType !== b.dataType) return null
  const shapes = [condition, a, b].map(tensorDims)
  const rank = Math.max(...shapes.map((s) => s.length))
  const out = range(rank).map((i) => Math.max(...shapes.map((s) => s[i - rank + s.length] ?? 1)))
  const [which, x, y] = [condition, a, b].map((t) => pick(t, out, spread(tensorDims(t), out)))
  if (which === undefined || x === undefined || y === undefined) return null
  const [flags, left, right] = [tensorBytes(which), tensorBytes(x), new Uint8Array(tensorBytes(y))]
  const size = elementSize(a)
  flags.forEach((flag, i) => {
    if (flag !== 0) right.set(left.subarray(i * size, (i + 1) * size), i * size)
  })
  return [rawTensor('', out, a.dataType, right)]
}

/** Where each position of `out` stands in a tensor of `dims` that is spread to it. */
export function spread(dims: readonly number[], out: readonly number[]): Int32Array {
  const lead = [...new Array<number>(out.length - dims.length).fill(1), ...dims]
  const jumps = strides(lead)
  return positions(
    out,
    out.map((d, i) => range(d, lead[i] === 1 ? 0 : jumps[i])),
  )
}

export const MOVES: ReadonlyMap<string, Evaluate> = new Map([
  ['Identity', (_node, [x]) => (x === undefined ? null : reshaped(x, tensorDims(x)))],
  ['Reshape', reshape],
  ['Flatten', flatten],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Transpose', transpose],
  ['Slice', slice],
  ['Gather', gather],
  ['Concat', concat],
  ['Split', split],
  ['Expand', expand],
  ['ScatterND', scatterNd],
  ['ScatterElements', scatterElements],
  ['Tile', tile],
  ['Where', where],
])
