/** Sizes that a region is measured at when it is loaded. */
import type { Graph } from '../../graph.js'
import { typeShape } from '../../onnx.js'
import { type Shape, Shapes } from '../../shapes.js'

const RANK = 6
/** What an open size is taken for where nobody tells: a dynamic series of a small volume. */
const USUAL = [5, 32, 32, 32]

/**
 * The shapes of a graph's values for inputs of usual or of given sizes.
 *
 * @param hints [T, D, H, W] of inputs with four spatial axes; one that contradicts an input is left out
 */
export function assumedShapes(graph: Graph, hints: readonly (readonly number[])[]): Shapes[] {
  const declared = graph.proto.input.flatMap(({ name, type }): [string, Shape][] => {
    const shape = typeShape(type)
    return shape?.length === RANK ? [[name, shape]] : []
  })
  const fitting = hints.filter(
    (hint) => hint.length === USUAL.length && declared.some(([, shape]) => fits(shape, hint)),
  )
  return (fitting.length > 0 ? fitting : [USUAL]).map((sizes) => {
    const inputs = declared.map(([name, shape]) => [name, assume(shape, sizes)] as const)
    return new Shapes(graph, null, new Map(inputs))
  })
}

/** [T, D, H, W] of each of `values`, one after the other; what is still not known is taken for usual. */
export function assumedSizes(values: readonly string[], shapes: Shapes): number[] {
  return values.flatMap((name) =>
    USUAL.map((usual, i) => {
      const size = shapes.dim(name, i + RANK - USUAL.length)
      return typeof size === 'number' && size > 0 ? size : usual
    }),
  )
}

function fits(shape: Shape, hint: readonly number[]): boolean {
  return shape.slice(-hint.length).every((d, i) => typeof d !== 'number' || d === hint[i])
}

function assume(shape: Shape, sizes: readonly number[]): Shape {
  const spatial = shape.slice(-sizes.length).map((d, i) => (typeof d === 'number' ? d : (sizes[i] ?? d)))
  return [...shape.slice(0, -sizes.length), ...spatial]
}
