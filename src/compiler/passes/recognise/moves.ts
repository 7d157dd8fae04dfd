import { type NodeProto, attribute, intAttribute, intsAttribute, stringAttribute } from '../../onnx.js'
import { slicedIndices } from '../../shape-elements.js'
import { axesOf } from '../../shape-rules.js'
import type { Dim, Shape } from '../../shapes.js'
import { product, tensorFloats } from '../../tensors.js'
import { ZERO } from './cells.js'
import {
  type Axis,
  type Grid,
  MOST_CELLS,
  countOf,
  countsOf,
  isPadded,
  isPlain,
  isWritten,
  jumps,
  pick,
  pickCells,
  piecesOf,
  reshape,
  transpose,
  wholeSteps,
  written,
} from './grid.js'
import { type Recognition, type Value, zerosLike } from './recognition.js'

export type Rule = (node: NodeProto, around: Recognition) => Value | Value[] | null

const normal = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)
const first = (node: NodeProto, around: Recognition): Value | null => around.value(node.input[0] ?? '')
const of = (grid: Grid | null): Value | null => (grid === null ? null : { kind: 'grid', grid })

/** Applies a rule for tensors; zeros stay zeros of the shape that is inferred. */
const moving =
  (rule: (grid: Grid, node: NodeProto, around: Recognition) => Grid | null): Rule =>
  (node, around) => {
    const value = first(node, around)
    if (value?.kind === 'grid') return of(rule(value.grid, node, around))
    const shape = around.shapes.of(node.output[0] ?? '')
    return value?.kind === 'zeros' && shape !== null ? { kind: 'zeros', shape } : null
  }

const identity: Rule = first

const slice = moving((grid, node, around) => {
  let value = grid
  const ints = (name: string, at: number): Shape | null =>
    intsAttribute(node, name) ?? around.shapes.elements(node.input[at] ?? '')
  const [starts, ends] = [ints('starts', 1), ints('ends', 2)]
  const axes = ints('axes', 3) ?? starts?.map((_, i) => i) ?? []
  const steps = ints('steps', 4)
  if (starts === null || ends === null) return null
  for (const [i, given] of axes.entries()) {
    const [start, end, step] = [starts[i] ?? null, ends[i] ?? null, steps?.[i] ?? 1]
    if (typeof given !== 'number') return null
    const axis = normal(given, value.axes.length)
    const size = around.shapes.dim(node.input[0] ?? '', axis)
    const whole =
      start === 0 &&
      step === 1 &&
      ((end === size && size !== null) || (typeof end === 'number' && end >= 2 ** 31 - 1))
    if (whole) continue
    if (typeof start !== 'number' || typeof end !== 'number' || typeof step !== 'number' || step === 0)
      return null
    const axisOf = value.axes[axis] ?? []
    // An axis in one piece can only be kept whole.
    if (!isWritten(axisOf)) {
      if (typeof size === 'number' && start === 0 && step === 1 && end >= size) continue
      return null
    }
    const cut = pick(value, axis, slicedIndices(countOf(axisOf), start, end, step))
    if (cut === null) return null
    value = cut
  }
  return value
})

/** Positions of an axis, in the shape that the index has. */
const gather = moving((grid, node, around) => {
  const [index = ''] = node.input.slice(1)
  const picked = around.shapes.elements(index)
  const shape = around.shapes.of(index)
  if (shape === null || picked?.every((i) => typeof i === 'number') !== true) return null
  if (!shape.every((d) => typeof d === 'number')) return null
  const axis = normal(intAttribute(node, 'axis', 0), grid.axes.length)
  if (shape.length === 2) {
    const unfolded = unfold(grid, axis, picked, shape, around)
    if (unfolded !== null) return unfolded
  }
  const count = countOf(grid.axes[axis] ?? [])
  const cut = pick(
    grid,
    axis,
    picked.map((i) => normal(i, count)),
  )
  if (cut === null) return null
  return {
    ...cut,
    axes: [...grid.axes.slice(0, axis), ...shape.map((d) => written(d)), ...grid.axes.slice(axis + 1)],
  }
})

/** An axis D, H or W by the windows that an index [outputs, kernel] takes of it: `unfold`. */
function unfold(
  grid: Grid,
  axis: number,
  index: readonly number[],
  [outputs = 0, kernel = 0]: readonly number[],
  around: Recognition,
): Grid | null {
  const [piece, ...rest] = grid.axes[axis] ?? []
  if (piece?.label == null || piece.label === 'N' || rest.length > 0 || typeof piece.size !== 'number')
    return null
  const place = ['D', 'H', 'W'].indexOf(piece.label)
  const [before, after] = [grid.pads[place] ?? 0, grid.pads[place + 3] ?? 0]
  const stride = outputs > 1 ? (index[kernel] ?? 0) : 1
  const dilation = kernel > 1 ? (index[1] ?? 0) : 1
  if (!index.every((at, i) => at === Math.floor(i / kernel) * stride + (i % kernel) * dilation)) return null
  const reach = (kernel - 1) * dilation + 1
  if (stride < 1 || dilation < 1 || (grid.windows?.[place] ?? null) !== null) return null
  if (Math.floor((piece.size + before + after - reach) / stride) + 1 !== outputs) return null
  if (grid.cells.some((cell) => around.cells.sum(cell) !== null)) return null
  const counts = countsOf(grid)
  const [outer, inner] = [product(counts.slice(0, axis + 1)), product(counts.slice(axis + 1))]
  if (outer * kernel * inner > MOST_CELLS) return null
  const cells = new Int32Array(outer * kernel * inner)
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < kernel; i++)
      for (let n = 0; n < inner; n++)
        cells[(o * kernel + i) * inner + n] = around.cells.shift(grid.cells[o * inner + n] ?? ZERO, place, i)
  const windows = [0, 1, 2].map((i) =>
    i === place ? { kernel, stride, dilation, before, after } : (grid.windows?.[i] ?? null),
  )
  return {
    axes: [
      ...grid.axes.slice(0, axis),
      [{ label: piece.label, size: outputs }],
      written(kernel),
      ...grid.axes.slice(axis + 1),
    ],
    cells,
    pads: grid.pads.map((p, i) => (i % 3 === place ? 0 : p)),
    windows,
  }
}

const squeeze = moving((grid, node, around) => {
  const axes = axesOf(node, around.shapes, 1)
  if (axes === null || axes === 'all') return null
  const gone = axes.map((a) => normal(a, grid.axes.length))
  if (gone.some((a) => (grid.axes[a]?.length ?? 1) > 0)) return null
  return { ...grid, axes: grid.axes.filter((_, i) => !gone.includes(i)) }
})

const unsqueeze = moving((grid, node, around) => {
  const axes = axesOf(node, around.shapes, 1)
  if (axes === null || axes === 'all') return null
  const rank = grid.axes.length + axes.length
  const added = new Set(axes.map((a) => normal(a, rank)))
  const rest = [...grid.axes]
  return { ...grid, axes: Array.from({ length: rank }, (_, i) => (added.has(i) ? [] : (rest.shift() ?? []))) }
})

const transposed = moving((grid, node) => {
  const perm = intsAttribute(node, 'perm') ?? grid.axes.map((_, i) => grid.axes.length - 1 - i)
  return perm.length === grid.axes.length ? transpose(grid, perm) : null
})

const reshaped = moving((grid, node, around) => {
  const to = target(node, around)
  return to === null || isPadded(grid) ? null : reshape(grid, to)
})

/** The shape that a Reshape makes: what it is told, where inference knows less. */
function target(node: NodeProto, around: Recognition): Shape | null {
  const inferred = around.shapes.of(node.output[0] ?? '')
  const told = around.shapes.elements(node.input[1] ?? '')
  return (
    inferred?.map((d, i): Dim => {
      const said = told?.[i] ?? null
      return d ?? (said === -1 || said === 0 ? null : said)
    }) ?? null
  )
}

const flatten = moving((grid, node) => {
  const axis = normal(intAttribute(node, 'axis', 1), grid.axes.length)
  return isPadded(grid)
    ? null
    : { ...grid, axes: [grid.axes.slice(0, axis).flat(), grid.axes.slice(axis).flat()] }
})

const pad = moving((grid, node, around) => {
  const pads =
    around.graph.opset < 11 ? intsAttribute(node, 'pads') : around.shapes.elements(node.input[1] ?? '')
  const rank = grid.axes.length
  const zero = stringAttribute(node, 'mode', 'constant') === 'constant' && isZeroFill(node, around)
  if (grid.windows !== undefined) return null
  if (!zero || (node.input[3] ?? '') !== '' || pads?.length !== 2 * rank) return null
  if (!pads.every((p) => typeof p === 'number' && p >= 0 && p <= 1024)) return null
  let value = grid
  const space = [...grid.pads]
  for (const [i, axis] of grid.axes.entries()) {
    const [before, after] = [Number(pads[i]), Number(pads[i + rank])]
    if (before === 0 && after === 0) continue
    const [only] = axis
    const place = axis.length === 1 && only?.label != null ? ['D', 'H', 'W'].indexOf(only.label) : -1
    if (isWritten(axis)) {
      const sized = (count: number): Grid =>
        zerosLike(value.axes.map((a, k) => (k === i ? written(count) : a)))
      const parts = [...(before > 0 ? [sized(before)] : []), value, ...(after > 0 ? [sized(after)] : [])]
      value = { ...join(parts, i), pads: value.pads }
    } else if (place >= 0 && value.cells.every((cell) => around.cells.sum(cell) === null)) {
      space[place] = (space[place] ?? 0) + before
      space[place + 3] = (space[place + 3] ?? 0) + after
    } else {
      return null
    }
  }
  return { ...value, pads: space }
})

function isZeroFill(node: NodeProto, { graph }: Recognition): boolean {
  const fill = node.input[2] ?? ''
  if (graph.opset < 11) return (attribute(node, 'value')?.f ?? 0) === 0
  if (fill === '') return true
  const tensor = graph.constant(fill)
  return tensor !== null && tensorFloats(tensor)[0] === 0
}

/** Tensors one after the other along an axis, on which what is written out comes first. */
function join(parts: readonly Grid[], axis: number): Grid {
  const [head] = parts
  const counts = parts.map(countsOf)
  const outer = product((counts[0] ?? []).slice(0, axis))
  const widths = counts.map((c) => product(c.slice(axis)))
  const row = widths.reduce((a, b) => a + b, 0)
  const cells = new Int32Array(outer * row)
  for (let o = 0, at = 0; o < outer; o++) {
    for (const [i, part] of parts.entries()) {
      const width = widths[i] ?? 0
      cells.set(part.cells.subarray(o * width, (o + 1) * width), at)
      at += width
    }
  }
  const total = counts.reduce((sum, c) => sum + (c[axis] ?? 0), 0)
  const piece = (head?.axes[axis] ?? []).filter((f) => f.label !== null)
  const axes = (head?.axes ?? []).map((a, i) => (i === axis ? [...written(total), ...piece] : a))
  return { axes, cells, pads: head?.pads ?? [] }
}

const concat: Rule = (node, around) => {
  const values = node.input.map((name) => around.value(name))
  return values.every((v) => v !== null) ? concatenate(values, intAttribute(node, 'axis', 0)) : null
}

function concatenate(values: readonly Value[], given: number): Value | null {
  const model = values.find((v) => v.kind === 'grid')?.grid
  if (model === undefined || !isPlain(model)) return null
  const axis = normal(given, model.axes.length)
  // A batch that is one piece may have frames before it: [T*N, ...] is T times N.
  const along = model.axes[axis] ?? []
  const firstPiece = along.findIndex((f) => f.label !== null)
  if (firstPiece >= 0 && along.slice(firstPiece).some((f) => f.label === null)) return null
  const parts = values.map((value): Grid | null => {
    if (value.kind === 'list') return null
    if (value.kind === 'grid') {
      const same = value.grid.axes.every(
        (a, i) =>
          piecesOf(a) === piecesOf(model.axes[i] ?? []) &&
          (i === axis || countOf(a) === countOf(model.axes[i] ?? [])),
      )
      return same && value.grid.axes.length === model.axes.length && isPlain(value.grid) ? value.grid : null
    }
    const size = value.shape[axis]
    if (value.shape.length !== model.axes.length || typeof size !== 'number' || firstPiece >= 0) return null
    return zerosLike(model.axes.map((a, i) => (i === axis ? written(size) : a)))
  })
  return parts.every((p) => p !== null) ? of(join(parts, axis)) : null
}

const split: Rule = (node, around) => {
  const grid = around.grid(node.input[0] ?? '')
  if (grid === null) return null
  const axis = normal(intAttribute(node, 'axis', 0), grid.axes.length)
  const sizes = intsAttribute(node, 'split') ?? around.shapes.elements(node.input[1] ?? '')
  const count = countOf(grid.axes[axis] ?? [])
  return parts(grid, axis, sizes, node.output.length, count)
}

function parts(
  grid: Grid,
  axis: number,
  sizes: readonly Dim[] | null,
  outputs: number,
  count: number,
): Value[] | null {
  const each = Math.ceil(count / outputs)
  const out: Value[] = []
  for (let i = 0, begin = 0; i < outputs; i++) {
    const size = sizes === null ? Math.min(each, count - begin) : (sizes[i] ?? null)
    if (typeof size !== 'number') return null
    const at = begin
    const part = pick(
      grid,
      axis,
      Array.from({ length: size }, (_, k) => at + k),
    )
    if (part === null) return null
    out.push({ kind: 'grid', grid: part })
    begin += size
  }
  return out
}

const splitToSequence: Rule = (node, around) => {
  const grid = around.grid(node.input[0] ?? '')
  if (grid === null) return null
  const axis = normal(intAttribute(node, 'axis', 0), grid.axes.length)
  const count = countOf(grid.axes[axis] ?? [])
  const given = (node.input[1] ?? '') === '' ? [1] : around.shapes.elements(node.input[1] ?? '')
  const [size] = given ?? []
  if (typeof size !== 'number' || count % size !== 0 || given?.every((d) => d === size) !== true) return null
  const items = parts(grid, axis, null, count / size, count)
  if (items === null) return null
  const keep = intAttribute(node, 'keepdims', 1) === 1 || (node.input[1] ?? '') !== ''
  const bare = items.map((v): Value =>
    keep || v.kind !== 'grid'
      ? v
      : { kind: 'grid', grid: { ...v.grid, axes: v.grid.axes.filter((_, i) => i !== axis) } },
  )
  return { kind: 'list', items: bare }
}

const sequenceAt: Rule = (node, around) => {
  const list = first(node, around)
  const at = around.shapes.elements(node.input[1] ?? '')?.[0]
  if (list?.kind !== 'list' || typeof at !== 'number') return null
  return list.items[normal(at, list.items.length)] ?? null
}

const sequenceConstruct: Rule = (node, around) => {
  const items = node.input.map((name) => around.value(name))
  return items.every((v) => v !== null) ? { kind: 'list', items } : null
}

const sequenceInsert: Rule = (node, around) => {
  const [list, item] = [first(node, around), around.value(node.input[1] ?? '')]
  return list?.kind === 'list' && item !== null && (node.input[2] ?? '') === ''
    ? { kind: 'list', items: [...list.items, item] }
    : null
}

const concatFromSequence: Rule = (node, around) => {
  const list = first(node, around)
  if (list?.kind !== 'list') return null
  const axis = intAttribute(node, 'axis', 0)
  if (intAttribute(node, 'new_axis', 0) === 0) return concatenate(list.items, axis)
  const stacked = list.items.map((v): Value => {
    if (v.kind !== 'grid') return v
    const at = normal(axis, v.grid.axes.length + 1)
    const axes: Axis[] = [...v.grid.axes.slice(0, at), [], ...v.grid.axes.slice(at)]
    return { kind: 'grid', grid: { ...v.grid, axes } }
  })
  return concatenate(stacked, axis)
}

/** Broadcasting to the shape that a value has already, or of zeros. */
const expand: Rule = (node, around) => {
  const value = first(node, around)
  const to = around.shapes.of(node.output[0] ?? '')
  if (value === null || to === null) return null
  if (value.kind === 'zeros') return { kind: 'zeros', shape: to }
  const shape = around.shapes.of(node.input[0] ?? '')
  const whole = shape?.length === to.length && shape.every((d, i) => d !== null && d === to[i])
  return whole ? value : null
}

const filled: Rule = (node, around) => {
  const value = attribute(node, 'value')?.t
  const shape = around.shapes.of(node.output[0] ?? '')
  if (value !== undefined && !(value.dataType === 1 && tensorFloats(value)[0] === 0)) return null
  return shape === null ? null : { kind: 'zeros', shape }
}

/** `data` with single positions of some axes replaced: where exporters write `out[:, :, t] = frame`. */
export function replace(data: Grid, updates: Grid, at: readonly (number | null)[]): Grid | null {
  const counts = countsOf(data)
  const along = wholeSteps(counts).map((steps, axis) => {
    const position = at[axis] ?? null
    return position === null ? steps : [steps[position] ?? -1]
  })
  if (along.some((steps) => steps.includes(-1))) return null
  const places = pickCells(
    Int32Array.from({ length: data.cells.length }, (_, i) => i),
    along,
  )
  if (places.length !== updates.cells.length) return null
  const cells = Int32Array.from(data.cells)
  places.forEach((place, i) => (cells[place] = updates.cells[i] ?? ZERO))
  return { ...data, cells }
}

export const jumpsOf = (grid: Grid): number[] => jumps(countsOf(grid))

export const MOVES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['Identity', identity],
  ['Slice', slice],
  ['Gather', gather],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Transpose', transposed],
  ['Reshape', reshaped],
  ['Flatten', flatten],
  ['Pad', pad],
  ['Concat', concat],
  ['Split', split],
  ['SplitToSequence', splitToSequence],
  ['SequenceAt', sequenceAt],
  ['SequenceConstruct', sequenceConstruct],
  ['SequenceInsert', sequenceInsert],
  ['SequenceEmpty', () => ({ kind: 'list', items: [] })],
  ['ConcatFromSequence', concatFromSequence],
  ['Expand', expand],
  ['ConstantOfShape', filled],
])
