import type { Graph } from './graph.js'
import { type Attributes, type NodeProto, type TensorProto, makeNode } from './onnx.js'
import { int64Tensor, product } from './tensors.js'

/**
 * The size of a dimension in a graph under construction: a number where it is known, otherwise the name of
 * an int64 tensor of one element, made the first time that somebody asks.
 */
export type Extent = number | (() => string)

/** An extent that is computed at most once. */
export function lazy(make: () => string): Extent {
  let name: string | null = null
  return () => (name ??= make())
}

export type ReduceOp = 'ReduceMean' | 'ReduceMax' | 'ReduceMin' | 'ReduceSum'

/** Writes nodes in the form that the model's opset has for them. Values are named after what they serve. */
export class Emitter {
  readonly nodes: NodeProto[] = []
  /** The nodes made here, as opposed to those passed through. */
  readonly made = new Set<NodeProto>()
  private readonly vectors = new Map<string, string>()
  private readonly reshapes = new Map<string, string>()
  private readonly sizes = new Map<string, Extent>()
  /** The node of the original graph that new nodes serve: errors of a run name them after it. */
  origin: string | null = null
  private readonly shapeValues = new Map<string, string>()

  /** `prefix` begins the name of every value made. */
  constructor(
    readonly graph: Graph,
    private readonly prefix: string,
  ) {}

  /** A node of the original graph, as it is. */
  keep(node: NodeProto): void {
    this.nodes.push(node)
  }

  /** Emits an operator with one output, under a fresh name unless `output` gives one. */
  op(opType: string, input: readonly string[], attributes: Attributes = {}, output?: string): string {
    const value = output ?? this.graph.fresh(`${this.prefix}_${opType}`)
    const name = this.graph.fresh(this.origin === null ? `${value}_node` : `${this.origin}/${opType}`)
    const node = makeNode(opType, input, [value], attributes, { name })
    this.nodes.push(node)
    this.made.add(node)
    return value
  }

  constant(tensor: TensorProto): string {
    tensor.name = this.graph.fresh(tensor.name === '' ? `${this.prefix}_constant` : tensor.name)
    this.graph.addInitializer(tensor)
    return tensor.name
  }

  /** An int64 vector; the same vector is written once. */
  ints(values: readonly number[], dims: readonly number[] = [values.length]): string {
    const key = `${dims.join('x')}:${values.join()}`
    let name = this.vectors.get(key)
    if (name === undefined) {
      name = this.constant(int64Tensor('', dims, values))
      this.vectors.set(key, name)
    }
    return name
  }

  /** Size of an axis of `value`, as a run finds it. */
  sizeOf(value: string, axis: number): Extent {
    const key = `${axis} of ${value}`
    let extent = this.sizes.get(key)
    if (extent === undefined) {
      extent = lazy(() => this.op('Gather', [this.shapeOf(value), this.ints([axis])]))
      this.sizes.set(key, extent)
    }
    return extent
  }

  /** The shape of `value` as a run finds it. */
  shapeOf(value: string): string {
    let shape = this.shapeValues.get(value)
    if (shape === undefined) {
      shape = this.op('Shape', [value])
      this.shapeValues.set(value, shape)
    }
    return shape
  }

  extent(value: Extent): string {
    return typeof value === 'number' ? this.ints([value]) : value()
  }

  /** `extent` times a number. */
  times(extent: Extent, factor: number): Extent {
    if (typeof extent === 'number') return extent * factor
    return lazy(() => this.op('Mul', [extent(), this.ints([factor])]))
  }

  /** Reshape; at most one unknown size costs nothing, more are gathered when the graph runs. */
  reshape(value: string, dims: readonly Extent[], output?: string): string {
    // A zero copies a size of the very value that it is given.
    const source = dims.includes(0) ? value : (this.reshapes.get(value) ?? value)
    const unknown = dims.filter((d) => typeof d !== 'number').length
    const shape =
      unknown === 0 || (unknown === 1 && !dims.includes(-1))
        ? this.ints(dims.map((d) => (typeof d === 'number' ? d : -1)))
        : this.op('Concat', this.gathered(dims), { axis: 0 })
    const result = this.op('Reshape', [source, shape], {}, output)
    this.reshapes.set(result, source)
    return result
  }

  /** An int64 vector of extents. */
  vector(extents: readonly Extent[]): string {
    const known = extents.filter((d) => typeof d === 'number')
    if (known.length === extents.length) return this.ints(known)
    return this.op('Concat', this.gathered(extents), { axis: 0 })
  }

  /** The product of extents, computed when the graph runs where one is not known before. */
  product(extents: readonly Extent[]): Extent {
    const known = extents.reduce<number>((all, d) => (typeof d === 'number' ? all * d : all), 1)
    const open = extents.filter((d) => typeof d !== 'number')
    if (open.length === 0) return known
    return lazy(() => {
      const all = open.map((d) => d()).reduce((a, b) => this.op('Mul', [a, b]))
      return known === 1 ? all : this.op('Mul', [all, this.ints([known])])
    })
  }

  /** Runs of known sizes as one vector each. */
  private gathered(dims: readonly Extent[]): string[] {
    const parts: string[] = []
    let run: number[] = []
    const flush = (): void => {
      if (run.length > 0) parts.push(this.ints(run))
      run = []
    }
    for (const d of dims) {
      if (typeof d === 'number') {
        run.push(d)
      } else {
        flush()
        parts.push(d())
      }
    }
    flush()
    return parts
  }

  transpose(value: string, perm: readonly number[], output?: string): string {
    return this.op('Transpose', [value], { perm }, output)
  }

  /** Zeros before and after along one axis. */
  padZeros(value: string, rank: number, axis: number, before: number, after: number): string {
    const pads = new Array<number>(2 * rank).fill(0)
    pads[axis] = before
    pads[axis + rank] = after
    return this.graph.opset < 11
      ? this.op('Pad', [value], { pads, mode: 'constant' })
      : this.op('Pad', [value, this.ints(pads)], { mode: 'constant' })
  }

  /** Elements `start` to `end` (negative: from the back) of one axis, every `step`-th (above 1 from opset 10). */
  slice(value: string, axis: number, start: number, end: number, step = 1): string {
    if (this.graph.opset < 10)
      return this.op('Slice', [value], { axes: [axis], starts: [start], ends: [end] })
    const inputs = [value, this.ints([start]), this.ints([end]), this.ints([axis])]
    return this.op('Slice', step === 1 ? inputs : [...inputs, this.ints([step])])
  }

  /** A reduction that keeps the reduced axes. */
  reduce(opType: ReduceOp, value: string, axes: readonly number[]): string {
    const attribute = this.graph.opset < (opType === 'ReduceSum' ? 13 : 18)
    return attribute
      ? this.op(opType, [value], { axes, keepdims: 1 })
      : this.op(opType, [value, this.ints(axes)], { keepdims: 1 })
  }
}

/** The product of extents where all are numbers, -1 (to be inferred) otherwise. */
export function merged(extents: readonly Extent[]): number {
  return extents.every((e) => typeof e === 'number') ? product(extents) : -1
}
