import type { Graph } from '../../graph.js'
import { DataType, type TensorProto } from '../../onnx.js'
import type { Dim, Shape, Shapes } from '../../shapes.js'
import { tensorDims, tensorFloats, tensorInts } from '../../tensors.js'
import { Cells, ZERO } from './cells.js'
import { type Axis, type Grid, type Label, MOST_CELLS, NO_PADS, written } from './grid.js'

/** Where batch, channels, time and space of a source stand. */
export type Layout = string

export const LAYOUTS: readonly Layout[] = ['NCTDHW', 'NTCDHW', 'NCDHWT', 'NTDHWC', 'NDHWTC', 'TNCDHW']

/** What is followed: a tensor of cells, zeros of whatever shape they are wanted in, or a list of tensors. */
export type Value =
  | { readonly kind: 'grid'; readonly grid: Grid }
  | { readonly kind: 'zeros'; readonly shape: Shape }
  | { readonly kind: 'list'; readonly items: readonly Value[] }

/** Exams have a few frames; each one is followed by itself. */
const MOST_FRAMES = 1024

/** What is known while a graph's values are followed, with sources taken to have one layout. */
export class Recognition {
  readonly cells = new Cells()
  private readonly values = new Map<string, Value>()

  constructor(
    readonly graph: Graph,
    readonly shapes: Shapes,
    readonly layout: Layout,
  ) {}

  set(name: string, value: Value): void {
    this.values.set(name, value)
  }

  known(name: string): Value | null {
    return this.values.get(name) ?? null
  }

  /** A value: followed, a constant of zeros, or a source of its own where it is a tensor over four axes. */
  value(name: string): Value | null {
    const known = this.values.get(name)
    if (known !== undefined || name === '') return known ?? null
    const constant = this.graph.constant(name)
    if (constant !== null) return isZero(constant) ? { kind: 'zeros', shape: tensorDims(constant) } : null
    const grid = this.source(name)
    return grid === null ? null : { kind: 'grid', grid }
  }

  grid(name: string): Grid | null {
    const value = this.value(name)
    return value?.kind === 'grid' ? value.grid : null
  }

  private source(name: string): Grid | null {
    const shape = this.shapes.of(name)
    if (shape?.length !== 6) return null
    const size = (label: string): Dim => shape[this.layout.indexOf(label)] ?? null
    const [frames, channels] = [size('T'), size('C')]
    if (typeof frames !== 'number' || typeof channels !== 'number' || frames < 1 || channels < 1) return null
    if (frames > MOST_FRAMES || frames * channels > MOST_CELLS) return null
    const first = this.cells.source(name, frames, channels)
    const cells = new Int32Array(frames * channels)
    // Channels vary faster in the table; in the tensor whichever axis stands further back.
    const timeFirst = this.layout.indexOf('T') < this.layout.indexOf('C')
    for (let t = 0; t < frames; t++) {
      for (let c = 0; c < channels; c++)
        cells[timeFirst ? t * channels + c : c * frames + t] = first + t * channels + c
    }
    const axes = Array.from(this.layout, (label, i): Axis => {
      if (label === 'T') return written(frames)
      if (label === 'C') return written(channels)
      return [{ label: label as Label, size: shape[i] ?? null }]
    })
    return { axes, cells, pads: NO_PADS }
  }

  floats(name: string): Float32Array | null {
    const tensor = this.graph.constant(name)
    if (tensor?.dataType !== DataType.FLOAT) return null
    const floats = tensorFloats(tensor)
    return floats instanceof Float32Array ? floats : null
  }

  /** Where a tensor of indices comes from, through what only changes its shape. */
  origin(name: string): string {
    const node = this.graph.producer(name)
    if (node?.opType === 'Where') return this.origin(this.whole(node.input) ?? '')
    const through =
      node !== undefined && ['Unsqueeze', 'Expand', 'Reshape', 'Cast', 'Identity'].includes(node.opType)
    return through ? this.origin(node.input[0] ?? '') : name
  }

  /**
   * Of a Where that exporters write to expand: where a size is -1 take 1, else the size. The value is the one
   * of its inputs that is computed.
   */
  private whole(inputs: readonly string[]): string | null {
    return inputs.find((name, i) => i > 0 && this.graph.constant(name) === null) ?? null
  }

  /** Whether `name` holds 0 to the size of `axis` of `shape`, step 1. */
  isWholeRange(name: string, size: Dim): boolean {
    const node = this.graph.producer(name)
    const constant = this.graph.constant(name)
    const elements = constant === null ? this.shapes.elements(name) : tensorInts(constant)
    if (elements !== null && elements.every((v) => typeof v === 'number'))
      return elements.length === size && elements.every((v, i) => v === i)
    if (node?.opType !== 'Range' || size === null) return false
    const [start, limit, step] = node.input.map((n) => this.shapes.elements(n)?.[0] ?? null)
    return start === 0 && step === 1 && limit === size
  }
}

function isZero(tensor: TensorProto): boolean {
  return tensor.dataType === DataType.FLOAT && tensorFloats(tensor).every((v) => v === 0)
}

/** Zeros with the axes of another tensor. */
export function zerosLike(axes: readonly Axis[]): Grid {
  const count = axes.flat().reduce((a, f) => a * (f.label === null ? f.count : 1), 1)
  return { axes, cells: new Int32Array(count).fill(ZERO), pads: NO_PADS }
}
