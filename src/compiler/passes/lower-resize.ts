import type { Extent } from '../emitter.js'
import { foldedRows } from '../layout.js'
import { type NodeProto, stringAttribute } from '../onnx.js'
import { type ResizeSpec, readResize } from '../resize.js'
import { floatTensor } from '../tensors.js'
import { type Lowering, unsupported } from './lowering.js'

/** Modes are separable: what is outside along one axis is outside, and shares of an axis sum to 1. */
const MODES = ['nearest', 'linear', 'cubic']

/** Whether ONNX Runtime runs the node as it is: it takes the nearest over any number of axes, along N and C too. */
export function resizesPlain(
  node: NodeProto,
  { graph, shapes }: Pick<Lowering, 'graph' | 'shapes'>,
): boolean {
  if (shapes.rank(node.input[0] ?? '') !== 6) return true
  if (stringAttribute(node, 'mode', 'nearest') !== 'nearest') return false
  const spec = readResize(node, graph, shapes)
  return spec === null || spec.keepAspect !== 'stretch' || spec.scales[0] !== 1 || spec.scales[1] !== 1
}

/**
 * Resize over T, D, H, W as one over W and H, one over D and one along T, those that change nothing left out: each
 * an operator over the last two axes of four, which every execution provider has in every mode.
 */
export function lowerResize(node: NodeProto, lowering: Lowering): void {
  const { graph, shapes, emit, layouts } = lowering
  const [x = ''] = node.input
  const [y = ''] = node.output
  const spec = readResize(node, graph, shapes)
  if (spec === null) throw unsupported(node, 'its scales or sizes are known only when it runs')
  if (!MODES.includes(spec.mode)) throw unsupported(node, `mode ${spec.mode} is not one of ONNX's`)
  if (spec.scales[0] !== 1 || spec.scales[1] !== 1)
    throw unsupported(node, `it resizes N or C, which mode ${spec.mode} over four spatial axes does not`)
  if (spec.keepAspect !== 'stretch') throw unsupported(node, `keep_aspect_ratio_policy ${spec.keepAspect}`)
  checkRegion(node, spec)
  const folded = layouts.fold(x)
  const { n } = folded
  let { value, t } = folded
  const [c = 0, ...space] = folded.frame
  let [d = 0, h = 0, w = 0] = space
  const after = (axis: number, extent: Extent): Extent => {
    const size = spec.sizes[axis]
    return typeof size === 'number' ? size : extent
  }
  const done: string[] = []
  if (changes(spec, 4) || changes(spec, 5)) {
    const rows = emit.reshape(value, [-1, 1, h, w])
    value = resizeLastTwo(node, rows, spec, [4, 5], lowering)
    ;[h, w] = [after(4, emit.sizeOf(value, 2)), after(5, emit.sizeOf(value, 3))]
    done.push('H and W')
  }
  if (changes(spec, 3)) {
    const rows = emit.reshape(value, [-1, 1, d, emit.product([h, w])])
    value = resizeLastTwo(node, rows, spec, [3, null], lowering)
    d = after(3, emit.sizeOf(value, 2))
    done.push('D')
  }
  if (changes(spec, 2)) {
    const rows = emit.reshape(value, [n, 1, t, -1])
    value = resizeLastTwo(node, rows, spec, [2, null], lowering)
    t = after(2, emit.sizeOf(value, 2))
    done.push('T')
  }
  const shaped = emit.reshape(value, [foldedRows({ n, t }), c, d, h, w])
  layouts.define(y, { value: shaped, n, t, frame: [c, d, h, w] })
  lowering.note(
    node,
    done.length === 0 ? 'Resize that changes nothing' : `Resize over ${done.join(', then ')}`,
  )
}

/** Whether a region of interest leaves anything of the axis out. */
function crops({ coordinates, roi }: ResizeSpec, axis: number): boolean {
  const half = (roi?.length ?? 0) / 2
  return coordinates === 'tf_crop_and_resize' && (roi?.[axis] !== 0 || roi[axis + half] !== 1)
}

/** ONNX Runtime copies an axis of scale 1 whole. */
function checkRegion(node: NodeProto, spec: ResizeSpec): void {
  const copied = [2, 3, 4, 5].some((axis) => spec.scales[axis] === 1 && crops(spec, axis))
  if (copied) throw unsupported(node, 'it takes a region of interest out of an axis whose scale is 1')
}

function changes(spec: ResizeSpec, axis: number): boolean {
  return spec.scales[axis] !== 1
}

/** `rows` has four axes; its last two are these of the node's, null for one that stays. */
function resizeLastTwo(
  node: NodeProto,
  rows: string,
  spec: ResizeSpec,
  axes: readonly (number | null)[],
  { emit, graph }: Lowering,
): string {
  const floats = (values: readonly number[]): string =>
    emit.constant(floatTensor('', [values.length], Float64Array.from(values)))
  const scales = axes.map((axis) => (axis === null ? 1 : (spec.scales[axis] ?? null)))
  const known = scales.every((scale) => scale !== null)
  if (graph.opset < 11) {
    if (!known) throw unsupported(node, 'its scales are known only when it runs')
    const all = [1, 1, ...scales]
    if (graph.opset < 9) return emit.op('Upsample', [rows], { mode: spec.mode, scales: { floats: all } })
    return emit.op(graph.opset === 9 ? 'Upsample' : 'Resize', [rows, floats(all)], { mode: spec.mode })
  }
  const region = spec.roi
  const half = (region?.length ?? 0) / 2
  const roi =
    region === null
      ? graph.opset < 13
        ? floats([])
        : ''
      : floats([
          ...[0, 0, ...axes.map((axis) => (axis === null ? 0 : (region[axis] ?? 0)))],
          ...[1, 1, ...axes.map((axis) => (axis === null ? 1 : (region[axis + half] ?? 1)))],
        ])
  const attributes = {
    mode: spec.mode,
    coordinate_transformation_mode: spec.coordinates,
    nearest_mode: spec.mode === 'nearest' ? spec.nearest : undefined,
    cubic_coeff_a: spec.mode === 'cubic' ? { float: spec.cubic } : undefined,
    exclude_outside: spec.excludeOutside ? 1 : undefined,
    extrapolation_value: spec.extrapolation === 0 ? undefined : { float: spec.extrapolation },
    antialias: spec.antialias ? 1 : undefined,
  }
  if (known && !spec.bySize) return emit.op('Resize', [rows, roi, floats([1, 1, ...scales])], attributes)
  const sizes = [0, 1, 2, 3].map((at): Extent => {
    const axis = at < 2 ? null : (axes[at - 2] ?? null)
    const size = axis === null ? null : spec.sizes[axis]
    return typeof size === 'number' ? size : emit.sizeOf(rows, at)
  })
  const none = graph.opset < 13 ? floats([]) : ''
  return emit.op('Resize', [rows, roi, none, emit.vector(sizes)], attributes)
}
