import { type Emitter, type Extent, merged } from './emitter.js'
import type { Dim, Shapes } from './shapes.js'

/**
 * A tensor [N, C, T, D, H, W] held as [N*T, C, D, H, W]: what an operator over three spatial axes takes,
 * with every frame a row of the batch. `value` is that tensor.
 */
export interface Folded {
  readonly value: string
  readonly n: Extent
  readonly t: Extent
  /** C, D, H, W. */
  readonly frame: readonly Extent[]
}

/** Axes [N, C, T, D, H, W] in the order [N, T, C, D, H, W]; the permutation is its own inverse. */
export const FRAMES_FIRST = [0, 2, 1, 3, 4, 5] as const

/**
 * The two forms in which a graph under rewriting holds its values: plain, under the value's own name, and
 * folded. A form is made the first time that it is asked for, so that between two operators over four axes
 * no transposition stands.
 */
export class Layouts {
  private readonly folded = new Map<string, Folded>()
  private readonly plain = new Set<string>()

  constructor(
    readonly emit: Emitter,
    readonly shapes: Shapes,
  ) {}

  /** Whether `value` is held folded already. */
  isFolded(value: string): boolean {
    return this.folded.has(value)
  }

  /** Whether plain `value` would have to be made from its folded form. */
  isFoldedOnly(value: string): boolean {
    return this.folded.has(value) && !this.plain.has(value)
  }

  /** Says that `value` is from now on held folded. */
  define(value: string, folded: Folded): void {
    this.folded.set(value, folded)
  }

  /** The folded form of a value of rank 6. */
  fold(value: string): Folded {
    const known = this.folded.get(value)
    if (known !== undefined) return known
    const [n, c, t, ...space] = [0, 1, 2, 3, 4, 5].map((axis) => this.extent(value, axis, value, axis))
    const frame = [c ?? 0, ...space]
    const extents = { n: n ?? 0, t: t ?? 0, frame }
    // With one channel or one frame the order of the elements is the same either way.
    const source = c === 1 || t === 1 ? value : this.emit.transpose(value, FRAMES_FIRST)
    const folded = { value: this.emit.reshape(source, [foldedRows(extents), ...frame]), ...extents }
    this.folded.set(value, folded)
    this.plain.add(value)
    return folded
  }

  /** Makes sure that `value` exists plain under its own name. */
  unfold(value: string): string {
    const folded = this.folded.get(value)
    if (folded === undefined || this.plain.has(value)) return value
    this.plain.add(value)
    const { n, t, frame } = folded
    const [c = 0, ...space] = frame
    if (c === 1 || t === 1) return this.emit.reshape(folded.value, [n, c, t, ...space], value)
    const frames = this.emit.reshape(folded.value, [n, t, ...frame])
    return this.emit.transpose(frames, FRAMES_FIRST, value)
  }

  /** Says that `value` exists plain, beside its folded form if it has one. */
  definePlain(value: string): void {
    this.plain.add(value)
  }

  /** A folded value as [N, T, C, D, H, W]: the same elements in the same order. */
  frames(folded: Folded): string {
    return this.emit.reshape(folded.value, [folded.n, folded.t, ...folded.frame])
  }

  /** Size of `value` along `axis` as far as it is known, otherwise that of axis `at` of `source` when run. */
  extent(value: string, axis: number, source: string, at: number): Extent {
    const dim = this.shapes.dim(value, axis)
    return typeof dim === 'number' ? dim : this.emit.sizeOf(source, at)
  }

  /** Sizes C, D, H, W of `value`, asked of `tensor` [N*T, C, D, H, W] where inference does not know them. */
  frame(value: string, tensor: string): Extent[] {
    return [1, 3, 4, 5].map((axis, i) => this.extent(value, axis, tensor, i + 1))
  }

  /** Says that `value` is held in `tensor` [N*T, C, D, H, W]. */
  defineFrom(value: string, tensor: string, n: Extent, t: Extent): void {
    this.define(value, { value: tensor, n, t: this.known(value, 2, t), frame: this.frame(value, tensor) })
  }

  /** The inferred size if there is one, otherwise `extent`. */
  known(value: string, axis: number, extent: Extent): Extent {
    const dim = this.shapes.dim(value, axis)
    return typeof dim === 'number' ? dim : extent
  }

  /** Whether two values are known to have the same sizes along all axes. */
  sameShape(a: string, b: string): boolean {
    const [left, right] = [this.shapes.of(a), this.shapes.of(b)]
    return left?.length === right?.length && (left?.every((d, i) => sameDim(d, right?.[i] ?? null)) ?? false)
  }
}

/** Rows of the folded form; inferred (-1) where N or T is known only when run. */
export function foldedRows({ n, t }: Pick<Folded, 'n' | 't'>): number {
  return merged([n, t])
}

function sameDim(a: Dim, b: Dim): boolean {
  return a !== null && a === b
}
