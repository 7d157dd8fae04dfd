/** The operators as ONNX defines them, as plain loops in float64. Nothing here is shared with the compiler. */

export interface Array6 {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

export interface Window {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Begins, then ends, resolved from auto_pad. */
  readonly pads: readonly number[]
}

export const volume = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? NaN

export function samePads(input: readonly number[], window: Omit<Window, 'pads'>, upper: boolean): number[] {
  const begins: number[] = []
  const ends: number[] = []
  input.forEach((size, i) => {
    const stride = at(window.strides, i)
    const reach = (at(window.kernel, i) - 1) * at(window.dilations, i) + 1
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size)
    begins.push(upper ? Math.floor(total / 2) : Math.ceil(total / 2))
    ends.push(upper ? Math.ceil(total / 2) : Math.floor(total / 2))
  })
  return [...begins, ...ends]
}

export function outputSizes(input: readonly number[], window: Window, ceil: boolean): number[] {
  return input.map((size, i) => {
    const reach = (at(window.kernel, i) - 1) * at(window.dilations, i) + 1
    const steps = (size + at(window.pads, i) + at(window.pads, i + 4) - reach) / at(window.strides, i)
    if (!ceil) return Math.floor(steps) + 1
    const count = Math.ceil(steps) + 1
    // A window that begins in the padding behind the input is dropped.
    return (count - 1) * at(window.strides, i) >= size + at(window.pads, i) ? count - 1 : count
  })
}

/** Calls `visit` for each output position with the input positions (or null) that its window covers. */
function slide(
  input: readonly number[],
  output: readonly number[],
  window: Window,
  visit: (out: number, tap: number, position: number | null) => void,
): void {
  const [ot = 0, od = 0, oh = 0, ow = 0] = output
  const [kt = 0, kd = 0, kh = 0, kw = 0] = window.kernel
  const where = (o: number, k: number, axis: number): number =>
    o * at(window.strides, axis) + k * at(window.dilations, axis) - at(window.pads, axis)
  let out = 0
  for (let t = 0; t < ot; t++)
    for (let d = 0; d < od; d++)
      for (let h = 0; h < oh; h++)
        for (let w = 0; w < ow; w++, out++) {
          let tap = 0
          for (let a = 0; a < kt; a++)
            for (let b = 0; b < kd; b++)
              for (let c = 0; c < kh; c++)
                for (let e = 0; e < kw; e++, tap++) {
                  const p = [where(t, a, 0), where(d, b, 1), where(h, c, 2), where(w, e, 3)]
                  const inside = p.every((x, i) => x >= 0 && x < at(input, i))
                  visit(out, tap, inside ? p.reduce((sum, x, i) => sum * at(input, i) + x, 0) : null)
                }
        }
}

export function conv4d(
  x: Array6,
  w: Array6,
  bias: ArrayLike<number> | null,
  window: Window,
  groups: number,
): Array6 {
  const [n = 0, c = 0, ...input] = x.shape
  const [m = 0, perGroup = 0] = w.shape
  const output = outputSizes(input, window, false)
  const [inVolume, outVolume, taps] = [volume(input), volume(output), volume(window.kernel)]
  const data = new Float64Array(n * m * outVolume)
  for (let row = 0; row < n; row++)
    for (let o = 0; o < m; o++) {
      const base = (row * m + o) * outVolume
      data.fill(bias === null ? 0 : at(bias, o), base, base + outVolume)
      const first = Math.floor(o / (m / groups)) * perGroup
      for (let i = 0; i < perGroup; i++) {
        const from = (row * c + first + i) * inVolume
        const weights = (o * perGroup + i) * taps
        slide(input, output, window, (out, tap, position) => {
          if (position !== null)
            data[base + out] = at(data, base + out) + at(x.data, from + position) * at(w.data, weights + tap)
        })
      }
    }
  return { shape: [n, m, ...output], data }
}

export function pool4d(
  x: Array6,
  window: Window,
  kind: 'max' | 'mean' | 'mean with padding',
  ceil: boolean,
): Array6 {
  const [n = 0, c = 0, ...input] = x.shape
  const output = outputSizes(input, window, ceil)
  const [inVolume, outVolume] = [volume(input), volume(output)]
  const data = new Float64Array(n * c * outVolume)
  const padded = input.map((size, i) => size + at(window.pads, i) + at(window.pads, i + 4))
  for (let plane = 0; plane < n * c; plane++) {
    const sums = new Float64Array(outVolume).fill(kind === 'max' ? -Infinity : 0)
    const counts = new Float64Array(outVolume)
    slide(input, output, window, (out, _tap, position) => {
      if (position === null) return
      const value = at(x.data, plane * inVolume + position)
      sums[out] = kind === 'max' ? Math.max(at(sums, out), value) : at(sums, out) + value
      counts[out] = at(counts, out) + 1
    })
    if (kind === 'mean with padding') {
      // Everything counts that lies in the input or its padding, not what a ceil_mode window has beyond.
      const whole = { ...window, pads: new Array<number>(8).fill(0) }
      counts.fill(0)
      slide(padded, output, whole, (out, _tap, position) => {
        if (position !== null) counts[out] = at(counts, out) + 1
      })
    }
    for (let i = 0; i < outVolume; i++)
      data[plane * outVolume + i] = kind === 'max' ? at(sums, i) : at(sums, i) / at(counts, i)
  }
  return { shape: [n, c, ...output], data }
}

export function perChannel(x: Array6, of: (value: number, channel: number) => number): Array6 {
  const [, c = 0, ...space] = x.shape
  return { shape: x.shape, data: x.data.map((v, i) => of(v, Math.floor(i / volume(space)) % c)) }
}

/** Zero mean and unit variance over T, D, H, W and `perGroup` channels, then scale and shift per channel. */
export function normalize(
  x: Array6,
  perGroup: number,
  epsilon: number,
  scale: ArrayLike<number>,
  shift: ArrayLike<number>,
): Array6 {
  const [, c = 0, ...space] = x.shape
  const size = volume(space) * perGroup
  const data = new Float64Array(x.data.length)
  for (let from = 0; from < x.data.length; from += size) {
    const part = x.data.subarray(from, from + size)
    const mean = part.reduce((a, b) => a + b, 0) / size
    const variance = part.reduce((a, b) => a + (b - mean) ** 2, 0) / size
    part.forEach((v, i) => (data[from + i] = (v - mean) / Math.sqrt(variance + epsilon)))
  }
  return perChannel(
    { shape: x.shape, data },
    (v, channel) => v * at(scale, channel % c) + at(shift, channel % c),
  )
}

export function reduceSpace(x: Array6, kind: 'max' | 'mean'): Array6 {
  const [n = 0, c = 0, ...space] = x.shape
  const size = volume(space)
  const data = Float64Array.from({ length: n * c }, (_, i) => {
    const part = x.data.subarray(i * size, (i + 1) * size)
    return kind === 'max' ? part.reduce((a, b) => Math.max(a, b)) : part.reduce((a, b) => a + b, 0) / size
  })
  return { shape: [n, c, 1, 1, 1, 1], data }
}
