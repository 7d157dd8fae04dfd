/**
 * `reshape` of an input or output: the shape that clients see (dims) against the one that the network
 * has. Variable dimensions (-1) keep their order and their values.
 */

/** Null if the two agree, else what was expected and found. Batch dimension not included in either. */
export function checkReshape(
  dims: readonly bigint[],
  shape: readonly bigint[],
): { readonly expected: string; readonly found: string } | null {
  const outer = chunks(dims)
  const inner = chunks(shape)
  if (outer.length !== inner.length) {
    return { expected: `${outer.length - 1} variable dimensions as in dims`, found: String(inner.length - 1) }
  }
  // The values of variable dimensions stay, so what lies between them must hold as many elements.
  const differs = outer.findIndex((count, i) => count !== inner[i])
  if (differs < 0) return null
  return { expected: `${outer[differs]} elements as in dims`, found: `${inner[differs]} in reshape` }
}

function chunks(dims: readonly bigint[]): bigint[] {
  const counts = [1n]
  for (const dim of dims) {
    if (dim === -1n) counts.push(1n)
    else counts[counts.length - 1] = (counts[counts.length - 1] as bigint) * dim
  }
  return counts
}

/** Rewrites the concrete `shape`, which fits `from`, into `to`. */
export function applyReshape(
  shape: readonly number[],
  from: readonly number[],
  to: readonly number[],
): number[] {
  const values = shape.filter((_, i) => from[i] === -1)
  return to.map((dim) => (dim === -1 ? (values.shift() ?? 0) : dim))
}
