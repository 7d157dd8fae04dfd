/**
 * Short convolutions with fewer multiplications than taps: Toom-Cook (Winograd, Arithmetic Complexity of
 * Computations, 1980; Lavin and Gray, arXiv 1509.09308, use it in the plane). Here along time, where each
 * multiplication is a whole 3D convolution.
 */

/** y = output * ((weight * w) . (input * x)) for y[i] = sum over k of w[k] x[i + k]; matrices by row. */
export interface ToomCook {
  readonly outputs: number
  readonly taps: number
  /** outputs + taps - 1, also the number of inputs. */
  readonly products: number
  /** products x products */
  readonly input: Float64Array
  /** products x taps */
  readonly weight: Float64Array
  /** outputs x products */
  readonly output: Float64Array
  /** The product that reaches every output once: a bias belongs into it. */
  readonly ones: number
}

/** In pairs of opposite sign, and small: products of them stay near one. The last point is infinity. */
const POINTS: Readonly<Record<number, readonly number[]>> = { 4: [0, 1, -1, 2], 5: [0, 1, -1, 0.5, -2] }
const MORE_POINTS = [0, 1, -1, 0.5, -0.5, 2, -2, 0.25, -0.25]

/** F(outputs, taps), for 2 to 10 products. */
export function toomCook(outputs: number, taps: number): ToomCook {
  const products = outputs + taps - 1
  const points = POINTS[products - 1] ?? MORE_POINTS.slice(0, products - 1)
  return {
    outputs,
    taps,
    products,
    input: transpose(invert(vandermonde(points, products), products), products, products),
    weight: vandermonde(points, taps),
    output: transpose(vandermonde(points, outputs), products, outputs),
    ones: points.indexOf(1),
  }
}

/** 1, x, x^2, ... of each point, and a last row 0 ... 0 1 for infinity. */
function vandermonde(points: readonly number[], columns: number): Float64Array {
  const rows = points.map((x) => Array.from({ length: columns }, (_, i) => x ** i))
  return Float64Array.from([...rows.flat(), ...new Array<number>(columns - 1).fill(0), 1])
}

function transpose(matrix: Float64Array, rows: number, columns: number): Float64Array {
  return matrix.map((_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)] ?? 0)
}

/** Gauss-Jordan with row exchange. */
function invert(matrix: Float64Array, n: number): Float64Array {
  const rows = Array.from({ length: n }, (_, r) => [
    ...matrix.subarray(r * n, (r + 1) * n),
    ...Array.from({ length: n }, (_, c) => (c === r ? 1 : 0)),
  ])
  for (let column = 0; column < n; column++) {
    const size = (r: number): number => Math.abs(rows[r]?.[column] ?? 0)
    let pivot = column
    for (let r = column + 1; r < n; r++) if (size(r) > size(pivot)) pivot = r
    const row = rows[pivot] ?? []
    rows[pivot] = rows[column] ?? []
    const scale = 1 / (row[column] ?? 0)
    const unit = (rows[column] = row.map((x) => x * scale))
    rows.forEach((other, r) => {
      const factor = other[column] ?? 0
      if (r !== column) rows[r] = other.map((x, c) => x - factor * (unit[c] ?? 0))
    })
  }
  return Float64Array.from(rows.flatMap((row) => row.slice(n)))
}
