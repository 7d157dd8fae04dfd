import type { ConvForm, Frames } from './frames.js'

/** A convolution along T that frames agree with. */
export interface TimeConv {
  readonly source: string
  readonly form: ConvForm
  readonly bias: Float32Array | null
  /** Keys of the taps' weights, in order. */
  readonly taps: readonly string[]
  readonly stride: number
  readonly dilation: number
  readonly before: number
  readonly after: number
}

/**
 * The convolution over `frames` input frames whose output these sums are: y[t] = sum of w[i] x[t*s + i*d - p],
 * every term there whose frame exists and no other. Null where there is none.
 */
export function solve(value: Frames, inputFrames: (source: string) => number | null): TimeConv | null {
  const sums = value.frames.map((stack) => (stack.length === 1 && stack[0]?.kind === 'sum' ? stack[0] : null))
  const [first] = sums
  const source = sums.find((s) => (s?.terms.length ?? 0) > 0)?.terms[0]?.source
  if (first === null || first === undefined || source === undefined) return null
  const size = inputFrames(source)
  if (size === null) return null
  const seen = new Map<string, { at: number; t: number }[]>()
  for (const [at, sum] of sums.entries()) {
    if (sum?.conv !== first.conv || !sameBias(sum.bias, first.bias)) return null
    for (const { weight, source: from, t } of sum.terms) {
      if (from !== source) return null
      seen.set(weight, [...(seen.get(weight) ?? []), { at, t }])
    }
  }
  const stride = strideOf(seen)
  if (stride === null) return null
  const taps = [...seen].map(([weight, uses]) => ({
    weight,
    offset: (uses[0]?.t ?? 0) - (uses[0]?.at ?? 0) * stride,
  }))
  taps.sort((a, b) => a.offset - b.offset)
  const dilation = taps.length > 1 ? (taps[1]?.offset ?? 0) - (taps[0]?.offset ?? 0) : 1
  const before = -(taps[0]?.offset ?? 0)
  if (dilation < 1 || !taps.every(({ offset }, i) => offset === i * dilation - before)) return null

  // Each tap meets exactly the output frames whose input frame exists.
  const outputs = sums.length
  for (const { weight, offset } of taps) {
    const expected = Array.from({ length: outputs }, (_, at) => ({ at, t: at * stride + offset }))
    const present = expected.filter(({ t }) => t >= 0 && t < size).map(({ at, t }) => `${at}:${t}`)
    const found = (seen.get(weight) ?? []).map(({ at, t }) => `${at}:${t}`).sort()
    if (present.sort().join() !== found.join()) return null
  }
  const reach = (taps.length - 1) * dilation + 1
  const after = Math.max(0, (outputs - 1) * stride + reach - size - before)
  const count = Math.floor((size + before + after - reach) / stride) + 1
  if (before < 0 || count !== outputs) return null
  return {
    source,
    form: first.conv,
    bias: first.bias,
    taps: taps.map((t) => t.weight),
    stride,
    dilation,
    before,
    after,
  }
}

/** Distance of the input frames that one tap meets in neighbouring output frames; 1 where none meets two. */
function strideOf(seen: ReadonlyMap<string, readonly { at: number; t: number }[]>): number | null {
  for (const uses of seen.values()) {
    const [a, b] = uses
    if (a === undefined || b === undefined || a.at === b.at) continue
    const stride = (b.t - a.t) / (b.at - a.at)
    return Number.isInteger(stride) && stride >= 1 ? stride : null
  }
  return 1
}

function sameBias(a: Float32Array | null, b: Float32Array | null): boolean {
  return a === b || (a !== null && b !== null && a.length === b.length && a.every((v, i) => v === b[i]))
}
