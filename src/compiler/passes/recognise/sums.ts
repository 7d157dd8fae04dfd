import { type NodeProto, intAttribute, intsAttribute, stringAttribute } from '../../onnx.js'
import { product, tensorDims } from '../../tensors.js'
import { type ConvForm, type Frame, type Frames, NO_PADS, type Term, hasSums } from './frames.js'
import type { Recognition } from './recognition.js'

/** A 3D convolution of frames, or of frames stacked into channels. Null where its weights are not constant. */
export function convolve(node: NodeProto, value: Frames, around: Recognition): Frames | null {
  const [, w = '', b = ''] = node.input
  const weight = around.graph.constant(w)
  const bias = b === '' ? null : around.floats(b)
  const stacked = value.frames[0]?.length ?? 0
  if (weight?.dataType !== 1 || (b !== '' && bias === null) || hasSums(value)) return null
  if (!value.frames.every((stack) => stack.length === stacked)) return null
  const [outputs = 0, channels = 0, ...kernel] = tensorDims(weight)
  const form = convForm(node, kernel, outputs, value.spacePads)
  if (form === null || kernel.length !== 3 || channels % stacked !== 0 || (stacked > 1 && form.group > 1))
    return null
  const keys = Array.from({ length: stacked }, (_, i) => around.weights.slice(weight, i, stacked))
  const shared = around.form(form)
  const frames = value.frames.map((stack): Frame[] => {
    const terms = stack.flatMap((frame, i): Term[] =>
      frame.kind === 'input' ? [{ weight: keys[i] ?? '', source: frame.source, t: frame.t }] : [],
    )
    return [{ kind: 'sum', terms, bias, conv: shared }]
  })
  return { axes: value.axes, frames, spacePads: NO_PADS }
}

function convForm(
  node: NodeProto,
  kernel: readonly number[],
  outputs: number,
  spacePads: readonly number[],
): ConvForm | null {
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
    outputs,
  }
}

/** Frame by frame; null where two cannot be one sum. */
export function addFrames(a: Frames, b: Frames): Frames | null {
  const frames: Frame[][] = []
  for (const [t, left] of a.frames.entries()) {
    const right = b.frames[t] ?? []
    const [x, y] = [left[0], right[0]]
    if (left.length !== 1 || right.length !== 1 || x === undefined || y === undefined) return null
    const sum = addFrame(x, y)
    if (sum === null) return null
    frames.push([sum])
  }
  return { ...a, frames }
}

function addFrame(a: Frame, b: Frame): Frame | null {
  if (a.kind === 'zero') return b
  if (b.kind === 'zero') return a
  if (a.kind !== 'sum' || b.kind !== 'sum' || a.conv !== b.conv) return null
  return { ...a, terms: [...a.terms, ...b.terms], bias: addVectors(a.bias, b.bias) }
}

/** Adds a constant per channel to sums; null for any other operand. */
export function addBias(value: Frames, name: string, around: Recognition): Frames | null {
  const tensor = around.graph.constant(name)
  const floats = around.floats(name)
  const at = value.axes.indexOf('C')
  if (tensor === null || floats === null || at < 0) return null
  const dims = tensorDims(tensor)
  const lead = [...new Array<number>(Math.max(0, value.axes.length - dims.length)).fill(1), ...dims]
  const scalar = product(dims) === 1
  if (lead.length !== value.axes.length || !lead.every((d, i) => d === 1 || i === at)) return null
  // Zero added to anything is that thing: where a sum begins in exported code.
  if (floats.every((v) => v === 0)) return value
  const frames = value.frames.map((stack): Frame[] | null => {
    const [frame] = stack
    if (stack.length !== 1 || frame?.kind !== 'sum') return null
    const { outputs } = frame.conv
    const bias = scalar ? new Float32Array(outputs).fill(floats[0] ?? 0) : floats
    return bias.length === outputs ? [{ ...frame, bias: addVectors(frame.bias, bias) }] : null
  })
  return frames.every((f) => f !== null) ? { ...value, frames } : null
}

function addVectors(a: Float32Array | null, b: Float32Array | null): Float32Array | null {
  if (a === null || b === null) return a ?? b
  return a.map((v, i) => v + (b[i] ?? 0))
}
