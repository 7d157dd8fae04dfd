import { product, tensorDims } from '../../tensors.js'
import type { TensorProto } from '../../onnx.js'

/** How a 3D convolution moves over D, H, W. */
export interface ConvForm {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly pads: readonly number[]
  readonly group: number
}

/** One 3D convolution of the planes of one batch of channels: what each of its output channels is made of. */
export interface Application {
  /** [M, C/g, kD, kH, kW] */
  readonly weight: TensorProto
  readonly form: ConvForm
  /** Cells of its input channels: planes of the source, or zeros. */
  readonly inputs: Int32Array
  /** Where each input's only weight stands in the kernel: of a matrix product of unfolded planes. */
  readonly places?: Int32Array
}

/** Output channels of convolutions and a number, added up. */
export interface Sum {
  /** Application and its output channel, alternately. */
  readonly parts: readonly number[]
  readonly bias: number
}

/** A plane of zeros. */
export const ZERO = 0

/** The table of planes: zeros, the planes of one source, and sums. */
export class Cells {
  readonly applications: Application[] = []
  private readonly forms = new Map<string, ConvForm>()
  private readonly sources: { readonly name: string; readonly first: number; readonly channels: number }[] =
    []
  private next = 1
  private readonly sumAt = new Map<number, Sum>()

  /** Cells of a source's planes, frame after frame, channel after channel. */
  source(name: string, frames: number, channels: number): number {
    const known = this.sources.find((s) => s.name === name)
    if (known !== undefined) return known.first
    const first = this.next
    this.sources.push({ name, first, channels })
    this.next += frames * channels
    for (let i = 0; i < frames * channels; i++) this.planes.set(first + i, this.sources.length - 1)
    return first
  }

  private readonly planes = new Map<number, number>()

  /** Which plane of which source a cell is; null for zeros and sums. */
  plane(cell: number): { source: string; frame: number; channel: number } | null {
    const moved = this.moved.get(cell)
    if (moved !== undefined) return this.plane(moved.cell)
    const source = this.sources[this.planes.get(cell) ?? -1]
    if (source === undefined) return null
    const at = cell - source.first
    return { source: source.name, frame: Math.floor(at / source.channels), channel: at % source.channels }
  }

  private readonly moved = new Map<number, { readonly cell: number; readonly shift: readonly number[] }>()
  private readonly shifted = new Map<string, number>()

  /** How many positions of a window a cell is shifted along D, H, W. */
  shiftOf(cell: number): readonly number[] {
    return this.moved.get(cell)?.shift ?? [0, 0, 0]
  }

  /** A plane, `by` positions of a window further along one of D, H, W. */
  shift(cell: number, axis: number, by: number): number {
    if (cell === ZERO || by === 0) return cell
    const key = `${cell} ${axis} ${by}`
    const known = this.shifted.get(key)
    if (known !== undefined) return known
    const before = this.moved.get(cell)
    const shift = this.shiftOf(cell).map((s, i) => (i === axis ? s + by : s))
    this.moved.set(this.next, { cell: before?.cell ?? cell, shift })
    this.shifted.set(key, this.next)
    return this.next++
  }

  sum(cell: number): Sum | null {
    return this.sumAt.get(cell) ?? null
  }

  addSum(sum: Sum): number {
    this.sumAt.set(this.next, sum)
    return this.next++
  }

  /** Both added; null where one is a plane of a source. */
  add(a: number, b: number): number | null {
    if (a === ZERO) return b
    if (b === ZERO) return a
    const [x, y] = [this.sumAt.get(a), this.sumAt.get(b)]
    if (x === undefined || y === undefined) return null
    return this.addSum({ parts: [...x.parts, ...y.parts], bias: x.bias + y.bias })
  }

  /** One object for equal attributes, so that identity tells equality. */
  form(form: ConvForm): ConvForm {
    const key = JSON.stringify(form)
    const known = this.forms.get(key) ?? form
    this.forms.set(key, known)
    return known
  }

  /** Cells of the output channels of a convolution of the given input channels. */
  apply(application: Application, bias: ArrayLike<number> | null): Int32Array {
    const [outputs = 0] = tensorDims(application.weight)
    this.applications.push(application)
    const id = this.applications.length - 1
    return Int32Array.from({ length: outputs }, (_, m) =>
      this.addSum({ parts: [id, m], bias: bias?.[m] ?? 0 }),
    )
  }
}

/** Numbers of the kernel of one input and one output channel. */
export function kernelSize({ form }: Application): number {
  return product(form.kernel)
}
