import type { Dim, Shapes } from '../../shapes.js'

/**
 * What an exporter's unrolled loop computes, followed frame by frame: each frame of a value is zero, a frame
 * of some tensor over four axes, or a sum of 3D convolutions of such frames.
 */
export type Frame =
  | { readonly kind: 'zero' }
  | { readonly kind: 'input'; readonly source: string; readonly t: number }
  | {
      readonly kind: 'sum'
      readonly terms: readonly Term[]
      readonly bias: Float32Array | null
      readonly conv: ConvForm
    }

/** One 3D convolution of one frame. */
export interface Term {
  /** Key of the weights [M, C/g, kD, kH, kW] in the registry. */
  readonly weight: string
  readonly source: string
  readonly t: number
}

/** How the convolutions of a sum move over D, H, W; the same object stands for the same attributes. */
export interface ConvForm {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly pads: readonly number[]
  readonly group: number
  readonly outputs: number
}

export type Axis = 'N' | 'C' | 'T' | 'D' | 'H' | 'W' | 'NT' | 'TN'

/** A tensor of frames. */
export interface Frames {
  /** 'NT' is N and T in one axis, N outermost. Without any T there is one frame. */
  readonly axes: readonly Axis[]
  /** By position along T; at each one or more frames, stacked in the channel axis. */
  readonly frames: readonly (readonly Frame[])[]
  /** Zeros around D, H, W that a Pad added: begins, then ends. */
  readonly spacePads: readonly number[]
}

export const PLAIN: readonly Axis[] = ['N', 'C', 'T', 'D', 'H', 'W']
export const NO_PADS: readonly number[] = [0, 0, 0, 0, 0, 0]
const ZERO: Frame = { kind: 'zero' }

export function sourceFrames(source: string, count: number): Frames {
  const frames = Array.from({ length: count }, (_, t) => [{ kind: 'input' as const, source, t }])
  return { axes: PLAIN, frames, spacePads: NO_PADS }
}

export function zeroFrames(count: number): Frames {
  return { axes: PLAIN, frames: zeros(count), spacePads: NO_PADS }
}

export function zeros(count: number): Frame[][] {
  return Array.from({ length: count }, () => [ZERO])
}

export function isPadded(value: Frames): boolean {
  return value.spacePads.some((p) => p !== 0)
}

export function hasSums(value: Frames): boolean {
  return value.frames.some((stack) => stack.some((f) => f.kind === 'sum'))
}

/** Exams have a few frames; each one is followed by itself. */
export const MOST_FRAMES = 1024

/** The number of frames along T, null where the value is no tensor over four axes of a known number. */
export function frameCount(name: string, shapes: Shapes): number | null {
  const shape = shapes.of(name)
  const t: Dim = shape?.[2] ?? null
  return shape?.length === 6 && typeof t === 'number' && t > 0 && t <= MOST_FRAMES ? t : null
}

export function sameAxes(a: Frames, b: Frames): boolean {
  return a.axes.join() === b.axes.join() && a.frames.length === b.frames.length
}
