import { type NodeProto, attribute, intAttribute, intsAttribute, isStandard } from './onnx.js'
import type { Dim, Shape, Shapes } from './shapes.js'
import { product, tensorInts } from './tensors.js'

/** Longer tensors are no shapes. */
const LIMIT = 64

/**
 * Elements of a node's first output, where it computes with dimensions as exporters do: what a Reshape, Pad
 * or Slice further on is given. null where they are not known; single ones may be null.
 */
export function inferElements(node: NodeProto, shapes: Shapes): Shape | null {
  if (!isStandard(node)) return null
  const rule = RULES.get(node.opType)
  const result = rule?.(node, shapes) ?? null
  return result !== null && result.length <= LIMIT ? result : null
}

type Rule = (node: NodeProto, shapes: Shapes) => Shape | null

const of = (node: NodeProto, shapes: Shapes, i: number): Shape | null => shapes.elements(node.input[i] ?? '')

/** The shape of an input as numbers, null where it is not known. */
function sizes(node: NodeProto, shapes: Shapes, i: number): number[] | null {
  const shape = shapes.of(node.input[i] ?? '')
  return shape?.every((d) => typeof d === 'number') === true ? [...shape] : null
}

const same: Rule = (node, shapes) => of(node, shapes, 0)

function arithmetic(compute: (a: number, b: number) => number, identity: (a: Dim, b: Dim) => Dim): Rule {
  return (node, shapes) => {
    const [a, b] = [of(node, shapes, 0), of(node, shapes, 1)]
    if (node.input.some((name) => (shapes.rank(name) ?? 1) > 1)) return null
    if (a === null || b === null || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return null
    return Array.from({ length: Math.max(a.length, b.length) }, (_, i): Dim => {
      const [x, y] = [a[a.length === 1 ? 0 : i] ?? null, b[b.length === 1 ? 0 : i] ?? null]
      return typeof x === 'number' && typeof y === 'number' ? compute(x, y) : identity(x, y)
    })
  }
}

/** An operand that changes nothing leaves a symbol as it is. */
const neutral =
  (unit: number, commutes: boolean) =>
  (a: Dim, b: Dim): Dim =>
    b === unit ? a : commutes && a === unit ? b : null

const gather: Rule = (node, shapes) => {
  const [source, index] = [of(node, shapes, 0), of(node, shapes, 1)]
  if (source === null || index === null || (shapes.rank(node.input[0] ?? '') ?? 1) !== 1) return null
  return index.map((i) => (typeof i === 'number' ? (source[i < 0 ? i + source.length : i] ?? null) : null))
}

const concat: Rule = (node, shapes) => {
  const parts = node.input.map((_, i) => of(node, shapes, i))
  return parts.every((p) => p !== null) && node.input.every((n) => (shapes.rank(n) ?? 1) === 1)
    ? parts.flat()
    : null
}

const shapeOf: Rule = (node, shapes) => {
  const x = shapes.of(node.input[0] ?? '')
  return x?.slice(intAttribute(node, 'start', 0), intAttribute(node, 'end', x.length)) ?? null
}

const filled: Rule = (node, shapes) => {
  const count = of(node, shapes, 0)
  const value = attribute(node, 'value')?.t
  const fill = value === undefined ? null : tensorInts(value)
  if (count?.every((d) => typeof d === 'number') !== true || fill === null) return null
  const length = product(count)
  return length <= LIMIT ? new Array<Dim>(length).fill(fill[0] ?? 0) : null
}

const transpose: Rule = (node, shapes) => {
  const [x, dims] = [of(node, shapes, 0), sizes(node, shapes, 0)]
  if (x === null || dims === null || dims.length > 2) return x !== null && dims?.length === 1 ? x : null
  const [rows = 1, columns = 1] = dims
  const perm = intsAttribute(node, 'perm') ?? [1, 0]
  if (perm[0] === 0) return x
  return Array.from({ length: x.length }, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)] ?? null)
}

/** Along axis 0, which is all that exporters use on shapes. */
const slice: Rule = (node, shapes) => {
  const [x, dims] = [of(node, shapes, 0), sizes(node, shapes, 0)]
  const bound = (name: string, at: number): Dim =>
    intsAttribute(node, name)?.[0] ?? of(node, shapes, at)?.[0] ?? null
  const [start, end] = [bound('starts', 1), bound('ends', 2)]
  const [axis, step] = [bound('axes', 3) ?? 0, bound('steps', 4) ?? 1]
  if (x === null || dims === null || axis !== 0 || typeof start !== 'number' || typeof end !== 'number')
    return null
  if (typeof step !== 'number' || step === 0) return null
  const rows = dims[0] ?? 1
  if (rows > x.length) return null
  const width = x.length / Math.max(1, rows)
  return slicedIndices(rows, start, end, step).flatMap((row) => x.slice(row * width, (row + 1) * width))
}

/** The positions that ONNX's Slice picks of an axis of `size`; `step` is not 0. */
export function slicedIndices(size: number, start: number, end: number, step: number): number[] {
  const { from, count } = slicedRange(size, start, end, step)
  return Array.from({ length: count }, (_, i) => from + i * step)
}

/** The first of them and their number. */
export function slicedRange(
  size: number,
  start: number,
  end: number,
  step: number,
): { from: number; count: number } {
  const clamp = (i: number, low: number, high: number): number =>
    Math.min(Math.max(i < 0 ? i + size : i, low), high)
  const [from, to] =
    step > 0
      ? [clamp(start, 0, size), clamp(end, 0, size)]
      : [clamp(start, 0, size - 1), clamp(end, -1, size - 1)]
  return { from, count: Math.max(0, Math.ceil((to - from) / step)) }
}

const cast: Rule = (node, shapes) => {
  const values = of(node, shapes, 0)
  const to = intAttribute(node, 'to', 7)
  return to === 6 || to === 7 ? values : null
}

const RULES = new Map<string, Rule>([
  ['Identity', same],
  ['Reshape', same],
  ['Squeeze', same],
  ['Unsqueeze', same],
  ['Cast', cast],
  ['Gather', gather],
  ['Concat', concat],
  ['Shape', shapeOf],
  ['Slice', slice],
  ['Transpose', transpose],
  ['ConstantOfShape', filled],
  ['Add', arithmetic((a, b) => a + b, neutral(0, true))],
  ['Sub', arithmetic((a, b) => a - b, neutral(0, false))],
  ['Mul', arithmetic((a, b) => a * b, neutral(1, true))],
  ['Div', arithmetic((a, b) => Math.trunc(a / b), neutral(1, false))],
])
