import {
  type NodeProto,
  attribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from './onnx.js'
import type { Graph } from './graph.js'
import type { Dim, Shape, Shapes } from './shapes.js'
import { isFloat, tensorFloats } from './tensors.js'

/** What a Resize or an Upsample does, whatever the opset. Lists have one entry an axis of the input. */
export interface ResizeSpec {
  readonly mode: string
  readonly coordinates: string
  readonly nearest: string
  readonly antialias: boolean
  readonly cubic: number
  readonly excludeOutside: boolean
  readonly extrapolation: number
  /** [begins, ends] of the region of interest (tf_crop_and_resize); null where there is none. */
  readonly roi: readonly number[] | null
  /** Null for an axis whose scale follows from sizes that are known only when it runs. */
  readonly scales: readonly (number | null)[]
  /** Sizes of the output; null where they follow from the input's. */
  readonly sizes: readonly Dim[]
  /** Whether output sizes were given, not scales. */
  readonly bySize: boolean
  readonly keepAspect: string
}

/** Reads the node; null where its rank, scales or sizes are not constants of the model, or not even a Shape's. */
export function readResize(node: NodeProto, graph: Graph, shapes: Shapes): ResizeSpec | null {
  const [x = ''] = node.input
  const input = shapes.of(x)
  if (input === null) return null
  const early = node.opType === 'Upsample' || graph.opset < 11
  const at = early ? 1 : 2
  const given = attribute(node, 'scales')?.floats ?? floats(node.input[at] ?? '', graph)
  const sizes = early ? null : shapes.elements(node.input[3] ?? '')
  const axes = (intsAttribute(node, 'axes') ?? input.map((_, i) => i)).map((a) =>
    a < 0 ? a + input.length : a,
  )
  const bySize = (given === null || given.length === 0) && sizes !== null && sizes.length > 0
  const list = bySize ? sizes : given
  if (list?.length !== axes.length) return null
  const spread = <T>(values: readonly T[], absent: (axis: number) => T): T[] =>
    input.map((_, axis) => values[axes.indexOf(axis)] ?? absent(axis))
  const roi = early ? null : floats(node.input[1] ?? '', graph)
  const whole = roi?.length === 2 * axes.length
  const half = axes.length
  const all = bySize
    ? spread<Dim>(sizes, (axis) => input[axis] ?? null)
    : outputSizes(
        spread(given ?? [], () => 1),
        input,
      )
  // A number of rows that was written down where a batch is open is what the exporter saw, no wish.
  const out = all.map((d, axis) => (axis === 0 && typeof input[0] !== 'number' ? (input[0] ?? null) : d))
  return {
    mode: stringAttribute(node, 'mode', 'nearest'),
    coordinates: early ? 'asymmetric' : stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel'),
    nearest: early ? 'floor' : stringAttribute(node, 'nearest_mode', 'round_prefer_floor'),
    antialias: intAttribute(node, 'antialias', 0) === 1,
    cubic: floatAttribute(node, 'cubic_coeff_a', -0.75),
    excludeOutside: intAttribute(node, 'exclude_outside', 0) === 1,
    extrapolation: floatAttribute(node, 'extrapolation_value', 0),
    roi: whole
      ? [...spread([...roi.slice(0, half)], () => 0), ...spread([...roi.slice(half)], () => 1)]
      : null,
    scales: bySize
      ? out.map((d, axis) => ratio(d, input[axis] ?? null))
      : spread<number>(given ?? [], () => 1),
    sizes: out,
    bySize,
    keepAspect: stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch'),
  }
}

function floats(name: string, graph: Graph): number[] | null {
  const tensor = graph.constant(name)
  return tensor !== null && isFloat(tensor.dataType) ? [...tensorFloats(tensor)] : null
}

function outputSizes(scales: readonly number[], input: Shape): Dim[] {
  return input.map((d, axis) => {
    const scale = scales[axis] ?? 1
    return scale === 1 ? d : typeof d === 'number' ? Math.floor(Math.fround(d * Math.fround(scale))) : null
  })
}

function ratio(out: Dim, input: Dim): number | null {
  if (typeof out === 'number' && typeof input === 'number') return Math.fround(out / input)
  return out !== null && out === input ? 1 : null
}
