import type { Graph } from '../../graph.js'
import { DataType } from '../../onnx.js'
import type { Shapes } from '../../shapes.js'
import { tensorFloats } from '../../tensors.js'
import { type ConvForm, type Frames, frameCount, sourceFrames } from './frames.js'
import { WeightRegistry } from './weights.js'

/** What is known while a graph's values are followed frame by frame. */
export class Recognition {
  readonly weights = new WeightRegistry()
  private readonly values = new Map<string, Frames>()
  private readonly forms = new Map<string, ConvForm>()

  constructor(
    readonly graph: Graph,
    readonly shapes: Shapes,
  ) {}

  set(name: string, value: Frames): void {
    this.values.set(name, value)
  }

  has(name: string): boolean {
    return this.values.has(name)
  }

  /** The frames of a value: followed, or its own where it is a tensor over four axes. */
  frames(name: string): Frames | null {
    const known = this.values.get(name)
    if (known !== undefined) return known
    const count = name === '' || this.graph.constant(name) !== null ? null : frameCount(name, this.shapes)
    return count === null ? null : sourceFrames(name, count)
  }

  /** One object for equal attributes, so that identity tells equality. */
  form(form: ConvForm): ConvForm {
    const key = JSON.stringify(form)
    const known = this.forms.get(key) ?? form
    this.forms.set(key, known)
    return known
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
    const through =
      node !== undefined && ['Unsqueeze', 'Expand', 'Reshape', 'Cast', 'Identity'].includes(node.opType)
    return through ? this.origin(node.input[0] ?? '') : name
  }

  /** Whether `name` holds 0 to the size of `axis` of `data`, step 1. */
  isWholeRange(name: string, data: string, axis: number): boolean {
    const size = this.shapes.dim(data, axis)
    const node = this.graph.producer(name)
    const elements = this.shapes.elements(name)
    if (elements !== null) return elements.length === size && elements.every((v, i) => v === i)
    if (node?.opType !== 'Range' || size === null) return false
    const [start, limit, step] = node.input.map((n) => this.shapes.elements(n)?.[0] ?? null)
    return start === 0 && step === 1 && limit === size
  }
}
