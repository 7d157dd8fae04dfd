import { type NodeProto, intAttribute, intsAttribute, stringAttribute } from '../../onnx.js'
import { product, tensorDims, tensorInts } from '../../tensors.js'
import type { ConvForm } from './cells.js'
import { ZERO } from './cells.js'
import {
  type Grid,
  type Window,
  NO_PADS,
  countOf,
  countsOf,
  isPadded,
  isPlain,
  isWritten,
  piecesOf,
  pickCells,
  wholeSteps,
  written,
} from './grid.js'
import { type Rule, replace } from './moves.js'
import { type Recognition, type Value, zerosLike } from './recognition.js'

const asValue = (grid: Grid | null): Value | null => (grid === null ? null : { kind: 'grid', grid })

/** A 3D convolution of planes with constant weights: one application for each position that is no channel. */
const conv: Rule = (node, around) => {
  const [x = '', w = '', b = ''] = node.input
  const value = around.grid(x)
  const weight = around.graph.constant(w)
  const bias = b === '' ? null : around.floats(b)
  if (value?.axes.length !== 5 || weight?.dataType !== 1 || (b !== '' && bias === null)) return null
  const [outer = [], channels = [], ...space] = value.axes
  if (space.map(piecesOf).join() !== 'D,H,W' || !space.every((a) => a.length === 1)) return null
  if (!isWritten(channels) || piecesOf(outer) !== 'N') return null
  if (value.windows !== undefined || value.cells.some((cell) => around.cells.sum(cell) !== null)) return null
  const [outputs = 0, perGroup = 0, ...kernel] = tensorDims(weight)
  const form = convForm(node, kernel, value.pads)
  const count = countOf(channels)
  if (form === null || kernel.length !== 3 || perGroup * form.group !== count || outputs % form.group !== 0)
    return null
  const shared = around.cells.form(form)
  const positions = countOf(outer)
  const cells = new Int32Array(positions * outputs)
  for (let o = 0; o < positions; o++) {
    const inputs = value.cells.slice(o * count, (o + 1) * count)
    cells.set(around.cells.apply({ weight, form: shared, inputs }, bias), o * outputs)
  }
  const sizes = around.shapes.of(node.output[0] ?? '')
  const pieces = (['D', 'H', 'W'] as const).map((label, i) => [{ label, size: sizes?.[i + 2] ?? null }])
  return asValue({ axes: [outer, written(outputs), ...pieces], cells, pads: NO_PADS })
}

function convForm(node: NodeProto, kernel: readonly number[], spacePads: readonly number[]): ConvForm | null {
  const autoPad = stringAttribute(node, 'auto_pad', 'NOTSET')
  if (autoPad !== 'NOTSET' && autoPad !== 'VALID') return null
  const list = (name: string, length: number, value: number): number[] => {
    const given = intsAttribute(node, name) ?? []
    return given.length === length ? given : new Array<number>(length).fill(value)
  }
  const pads = autoPad === 'VALID' ? [...NO_PADS] : list('pads', 6, 0)
  return {
    kernel,
    strides: list('strides', 3, 1),
    dilations: list('dilations', 3, 1),
    pads: pads.map((p, i) => p + (spacePads[i] ?? 0)),
    group: intAttribute(node, 'group', 1),
  }
}

/** A matrix product with unfolded planes: a convolution whose kernel has the windows' sizes. */
const matmul: Rule = (node, around) => {
  const [w = '', x = ''] = node.input
  const value = around.grid(x)
  const weight = around.graph.constant(w)
  if (value?.windows === undefined || value.axes.length !== 3 || weight?.dataType !== 1 || isPadded(value))
    return null
  const [outer = [], columns = [], along = []] = value.axes
  const [outputs = 0, count = 0, ...more] = tensorDims(weight)
  if (piecesOf(outer) !== 'N' || piecesOf(along) !== 'DHW' || !isWritten(columns)) return null
  if (more.length > 0 || count !== countOf(columns)) return null
  const windows = [0, 1, 2].map((i) => value.windows?.[i] ?? NO_WINDOW)
  const form = around.cells.form({
    kernel: windows.map((v) => v.kernel),
    strides: windows.map((v) => v.stride),
    dilations: windows.map((v) => v.dilation),
    pads: [...windows.map((v) => v.before), ...windows.map((v) => v.after)],
    group: 1,
  })
  const [, height = 1, width = 1] = form.kernel
  const [positions, frames] = [countOf(outer), countOf(along)]
  const cells = new Int32Array(positions * outputs * frames)
  for (let o = 0; o < positions; o++) {
    for (let t = 0; t < frames; t++) {
      const inputs = Int32Array.from(
        { length: count },
        (_, k) => value.cells[(o * count + k) * frames + t] ?? ZERO,
      )
      const places = inputs.map((cell) => {
        const [d = 0, h = 0, v = 0] = around.cells.shiftOf(cell)
        return (d * height + h) * width + v
      })
      const made = around.cells.apply({ weight, form, inputs, places }, null)
      made.forEach((cell, m) => (cells[(o * outputs + m) * frames + t] = cell))
    }
  }
  return asValue({ axes: [outer, written(outputs), along], cells, pads: NO_PADS })
}

const NO_WINDOW: Window = { kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 }

const add: Rule = (node, around) => {
  let sum: Value | null = null
  for (const [i, name] of node.input.entries()) {
    const next: Value | null = i === 0 ? operand(name, around) : addTo(sum, name, around)
    if (next === null)
      return i === 0 && node.input.length === 2
        ? addTo(around.value(node.input[1] ?? ''), name, around)
        : null
    sum = next
  }
  return sum
}

const operand = (name: string, around: Recognition): Value | null => around.value(name)

function addTo(value: Value | null, name: string, around: Recognition): Value | null {
  if (value === null || value.kind === 'list') return null
  const other = around.value(name)
  if (value.kind === 'zeros') return other?.kind === 'grid' && covers(other.grid, value.shape) ? other : null
  if (other?.kind === 'zeros') return covers(value.grid, other.shape) ? value : null
  if (other?.kind === 'grid') return asValue(addGrids(value.grid, other.grid, around))
  return asValue(addConstant(value.grid, name, around))
}

/** Whether zeros of a shape leave a tensor's own shape as it is. */
function covers(value: Grid, shape: readonly (number | string | null)[]): boolean {
  const lead = value.axes.length - shape.length
  return (
    lead >= 0 &&
    shape.every((d, i) => {
      const axis = value.axes[i + lead] ?? []
      return d === 1 || !isWritten(axis) || d === countOf(axis)
    })
  )
}

function addGrids(a: Grid, b: Grid, { cells }: Recognition): Grid | null {
  if (a.axes.length !== b.axes.length || !isPlain(a) || !isPlain(b)) return null
  if (!a.axes.every((axis, i) => piecesOf(axis) === piecesOf(b.axes[i] ?? []))) return null
  const [left, right] = [countsOf(a), countsOf(b)]
  const counts = left.map((count, i) => Math.max(count, right[i] ?? 1))
  if (counts.some((c, i) => (left[i] !== c && left[i] !== 1) || (right[i] !== c && right[i] !== 1)))
    return null
  const spread = (of: Grid, own: readonly number[]): Int32Array =>
    pickCells(
      of.cells,
      wholeSteps(own).map((steps, i) =>
        steps.length === counts[i] ? steps : new Array<number>(counts[i] ?? 1).fill(0),
      ),
    )
  const [x, y] = [spread(a, left), spread(b, right)]
  const out = new Int32Array(x.length)
  for (let i = 0; i < out.length; i++) {
    const sum = cells.add(x[i] ?? ZERO, y[i] ?? ZERO)
    if (sum === null) return null
    out[i] = sum
  }
  const axes = a.axes.map((axis, i) => ((left[i] ?? 1) >= (right[i] ?? 1) ? axis : (b.axes[i] ?? [])))
  return { axes, cells: out, pads: NO_PADS }
}

/** Adds constants to sums: one for all, or along axes that are written out. */
function addConstant(value: Grid, name: string, around: Recognition): Grid | null {
  const tensor = around.graph.constant(name)
  const floats = around.floats(name)
  if (tensor === null || floats === null || isPadded(value)) return null
  const dims = tensorDims(tensor)
  const lead = [...new Array<number>(Math.max(0, value.axes.length - dims.length)).fill(1), ...dims]
  const counts = countsOf(value)
  const fits = lead.every((d, i) => d === 1 || (isWritten(value.axes[i] ?? []) && d === counts[i]))
  if (lead.length !== value.axes.length || !fits) return null
  const index = Int32Array.from({ length: product(lead) }, (_, i) => i)
  const at = pickCells(
    index,
    wholeSteps(lead).map((steps, i) =>
      steps.length === counts[i] ? steps : new Array<number>(counts[i] ?? 1).fill(0),
    ),
  )
  const cells = new Int32Array(value.cells.length)
  for (let i = 0; i < cells.length; i++) {
    const [cell, bias] = [value.cells[i] ?? ZERO, floats[at[i] ?? 0] ?? 0]
    const sum = around.cells.sum(cell)
    if (bias !== 0 && sum === null && cell !== ZERO) return null
    cells[i] =
      bias === 0 ? cell : around.cells.addSum({ parts: sum?.parts ?? [], bias: (sum?.bias ?? 0) + bias })
  }
  return { ...value, cells }
}

/** `out[:, :, t] = frame` as exporters write it: whole axes and single positions. */
const scatter: Rule = (node, around) => {
  const [data = '', indices = '', updates = ''] = node.input
  const from = around.grid(updates)
  const into = around.value(data)
  const shape = around.shapes.of(data)
  if (from === null || into === null || into.kind === 'list' || shape?.length !== from.axes.length)
    return null
  if (!isPlain(from) || stringAttribute(node, 'reduction', 'none') !== 'none') return null
  const at =
    node.opType === 'ScatterND' ? gridOf(indices, data, around) : alongOf(node, indices, from, around)
  if (at === null) return null
  const axes = from.axes.map((axis, i) => {
    const size = shape[i]
    return (at[i] ?? null) === null ? axis : typeof size === 'number' ? written(size) : null
  })
  if (!axes.every((a) => a !== null)) return null
  const whole = into.kind === 'grid' ? into.grid : zerosLike(axes)
  const same = whole.axes.every(
    (a, i) => piecesOf(a) === piecesOf(axes[i] ?? []) && countOf(a) === countOf(axes[i] ?? []),
  )
  return same && isPlain(whole) ? asValue(replace(whole, from, at)) : null
}

/** ScatterElements along one axis with an index that is the same everywhere. */
function alongOf(
  node: NodeProto,
  indices: string,
  from: Grid,
  around: Recognition,
): (number | null)[] | null {
  const axis = intAttribute(node, 'axis', 0)
  const along = axis < 0 ? axis + from.axes.length : axis
  const constant = around.graph.constant(indices)
  const expand = around.graph.producer(indices)
  const index =
    constant !== null
      ? tensorInts(constant)
      : expand?.opType === 'Expand'
        ? around.shapes.elements(expand.input[0] ?? '')
        : null
  const [t] = index ?? []
  if (typeof t !== 'number' || index?.every((i) => i === t) !== true) return null
  const size = around.shapes.dim(node.input[0] ?? '', along)
  const place = t < 0 && typeof size === 'number' ? t + size : t
  return from.axes.map((_, i) => (i === along ? place : null))
}

/** ScatterND with a grid of whole ranges and single numbers: what it writes at of each axis, null for all. */
function gridOf(indices: string, data: string, around: Recognition): (number | null)[] | null {
  const { graph, shapes } = around
  const constant = graph.constant(indices)
  if (constant !== null) return constantGrid(tensorInts(constant), tensorDims(constant), shapes.of(data))
  const node = graph.producer(indices)
  if (node?.opType !== 'Concat') {
    // One number for the first axis.
    const [only] = shapes.elements(indices) ?? []
    return typeof only === 'number' && shapes.elements(indices)?.length === 1 ? [only] : null
  }
  const out: (number | null)[] = []
  for (const [axis, name] of node.input.entries()) {
    const origin = around.origin(name)
    const position = shapes.elements(origin)
    if (around.isWholeRange(origin, shapes.dim(data, axis))) out.push(null)
    else if (position?.length === 1 && typeof position[0] === 'number') out.push(position[0])
    else return null
  }
  return out
}

function constantGrid(
  values: readonly number[] | null,
  dims: readonly number[],
  shape: readonly (number | string | null)[] | null,
): (number | null)[] | null {
  const depth = dims.at(-1) ?? 0
  if (values === null || shape === null || depth === 0) return null
  const rows = values.length / depth
  const at: (number | null)[] = []
  const spans: number[] = []
  for (let axis = 0; axis < depth; axis++) {
    const value: number = values[axis] ?? 0
    const size = shape[axis]
    const single = values.every((v, i) => i % depth !== axis || v === value)
    if (single && size !== 1) {
      at.push(value < 0 && typeof size === 'number' ? value + size : value)
      spans.push(1)
    } else {
      if (typeof size !== 'number') return null
      at.push(null)
      spans.push(size)
    }
  }
  if (product(spans) !== rows) return null
  for (let row = 0; row < rows; row++) {
    for (let axis = depth - 1, rest = row; axis >= 0; axis--) {
      const span = spans[axis] ?? 1
      if (at[axis] === null && values[row * depth + axis] !== rest % span) return null
      rest = Math.floor(rest / span)
    }
  }
  return at
}

export const SUMS: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['Conv', conv],
  ['MatMul', matmul],
  ['Add', add],
  ['Sum', add],
  ['ScatterND', scatter],
  ['ScatterElements', scatter],
])
