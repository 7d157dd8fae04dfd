import { tensorDims, tensorFloats } from '../../tensors.js'
import { type Application, type Cells, type ConvForm, ZERO, kernelSize } from './cells.js'

/** What a tensor of sums is: one convolution over T, D, H, W of a source. */
export interface TimeConv {
  readonly source: string
  /** The applications that the sums are made of. */
  readonly uses: ReadonlySet<number>
  readonly form: ConvForm
  /** [M, C/g, kT, kD, kH, kW] */
  readonly dims: readonly number[]
  readonly weights: Float32Array
  /** By output channel; null where it differs from frame to frame. */
  readonly bias: Float32Array | null
  /** [M, T] where frames have biases of their own. */
  readonly frameBias: Float32Array | null
  readonly stride: number
  readonly dilation: number
  readonly before: number
  readonly after: number
  /** Whether frames before the first are the last ones. */
  readonly circular: boolean
}

/** What one input frame adds to one output frame: applications' rows, and where their inputs go. */
interface Block {
  key: string
  readonly parts: {
    readonly of: Application
    readonly rows: readonly number[]
    readonly columns: readonly [number, number][]
  }[]
}

/** The sums of an output, by channel and frame. */
export interface Output {
  readonly channels: number
  readonly frames: number
  readonly cell: (channel: number, frame: number) => number
}

export interface SourceSize {
  readonly channels: number
  readonly frames: number
}

const MOST_STRIDE = 8
const MOST_WEIGHTS = 2 ** 27

/**
 * The convolution whose output these sums are: y[t] = sum of w[i] x[t*s + i*d - p], every term there whose
 * frame exists and no other, or with frames counted round the end. Null where there is none.
 */
export function solve(
  output: Output,
  cells: Cells,
  sizeOf: (source: string) => SourceSize | null,
): TimeConv | null {
  const reader = new Reader(output, cells)
  const frames = Array.from({ length: output.frames }, (_, t) => reader.frame(t))
  if (!frames.every((f) => f !== null) || reader.source === null || reader.form === null) return null
  const size = sizeOf(reader.source)
  if (size === null) return null
  // Where frames see some of the channels only, time was taken for channels: one convolution would multiply zeros.
  if (!frames.every((blocks) => [...blocks.values()].every((b) => channelsOf(b) === size.channels)))
    return null
  const grouped = reader.isGrouped(frames, size.channels)
  if (!grouped && reader.form.group > 1 && size.channels * output.channels > 4096) return null
  const perGroup = grouped ? size.channels / reader.form.group : size.channels
  const weigh = (block: Block): Float32Array => weightsOf(block, output.channels, size.channels, perGroup)
  for (const circular of [false, true]) {
    for (let stride = 1; stride <= (circular ? 1 : MOST_STRIDE); stride++) {
      const taps = tapsOf(frames, size.frames, stride, circular, weigh)
      if (taps !== null) dropZeros(taps, weigh)
      const found = taps === null ? null : place(taps, size.frames, output.frames, stride, circular)
      if (found === null) continue
      const kernel = reader.form.kernel.reduce((a, b) => a * b, 1)
      if (output.channels * perGroup * found.count * kernel > MOST_WEIGHTS) return null
      const weights = stack(found, output.channels * perGroup, kernel, weigh)
      const dims = [output.channels, perGroup, found.count, ...reader.form.kernel]
      const form = { ...reader.form, group: grouped ? reader.form.group : 1 }
      const { dilation, before, after } = found
      return {
        source: reader.source,
        uses: reader.uses,
        form,
        dims,
        weights,
        ...reader.bias(),
        stride,
        dilation,
        before,
        after,
        circular,
      }
    }
  }
  return null
}

/** Reads output frames apart into what each input frame adds to them. */
class Reader {
  source: string | null = null
  form: ConvForm | null = null
  readonly uses = new Set<number>()

  constructor(
    private readonly output: Output,
    private readonly cells: Cells,
  ) {}

  /** By input frame; null where a sum is no sum of convolutions of one source in one form. */
  frame(t: number): Map<number, Block> | null {
    const { channels, cell } = this.output
    const sums = Array.from({ length: channels }, (_, m) => this.cells.sum(cell(m, t)))
    const [first] = sums
    if (!sums.every((s) => s !== null) || first === null || first === undefined) return null
    const blocks = new Map<number, Block>()
    for (let i = 0; i < first.parts.length; i += 2) {
      const id = first.parts[i] ?? -1
      if (!sums.every((s) => s.parts.length === first.parts.length && s.parts[i] === id)) return null
      const rows = sums.map((s) => s.parts[i + 1] ?? 0)
      if (!this.spread(id, rows, blocks)) return null
    }
    return blocks
  }

  private spread(id: number, rows: readonly number[], blocks: Map<number, Block>): boolean {
    const of = this.cells.applications[id]
    this.uses.add(id)
    if (of === undefined || (this.form !== null && of.form !== this.form)) return false
    this.form = of.form
    const columns = new Map<number, [number, number][]>()
    for (const [j, cell] of of.inputs.entries()) {
      if (cell === ZERO) continue
      const plane = this.cells.plane(cell)
      if (plane === null || (this.source !== null && plane.source !== this.source)) return false
      this.source = plane.source
      const list = columns.get(plane.frame)
      if (list === undefined) columns.set(plane.frame, [[j, plane.channel]])
      else list.push([j, plane.channel])
    }
    for (const [frame, list] of columns) {
      const block = blocks.get(frame) ?? { key: '', parts: [] }
      block.parts.push({ of, rows, columns: list })
      block.key += `${numberOf(of.weight)}:${runs(rows)}:${runs(list.map(([j]) => j))}:${runs(list.map(([, c]) => c))}:${runs(list.map(([j]) => of.places?.[j] ?? 0))};`
      blocks.set(frame, block)
    }
    return true
  }

  /** Whether every part is a whole grouped convolution of all channels in order. */
  isGrouped(frames: readonly Map<number, Block>[], channels: number): boolean {
    const group = this.form?.group ?? 1
    return (
      group > 1 &&
      frames.every((blocks) =>
        [...blocks.values()].every(({ parts }) =>
          parts.every(
            ({ of, rows, columns }) =>
              of.inputs.length === channels &&
              columns.length === channels &&
              columns.every(([j, c]) => j === c) &&
              rows.length === tensorDims(of.weight)[0] &&
              rows.every((row, m) => row === m),
          ),
        ),
      )
    )
  }

  bias(): Pick<TimeConv, 'bias' | 'frameBias'> {
    const { channels, frames, cell } = this.output
    const all = new Float32Array(channels * frames)
    for (let m = 0; m < channels; m++)
      for (let t = 0; t < frames; t++) all[m * frames + t] = this.cells.sum(cell(m, t))?.bias ?? 0
    const even = all.every((v, i) => v === all[i - (i % frames)])
    if (!even) return { bias: null, frameBias: all }
    const bias = Float32Array.from({ length: channels }, (_, m) => all[m * frames] ?? 0)
    return { bias: bias.every((v) => v === 0) ? null : bias, frameBias: null }
  }
}

function channelsOf({ parts }: Block): number {
  return new Set(parts.flatMap(({ columns }) => columns.map(([, channel]) => channel))).size
}

const numbered = new WeakMap<object, number>()
let next = 0
function numberOf(weight: object): number {
  const known = numbered.get(weight) ?? next++
  numbered.set(weight, known)
  return known
}

/** Numbers as text, runs of neighbours as their ends. */
function runs(values: readonly number[]): string {
  const [first = 0] = values
  return values.every((v, i) => v === first + i) ? `${first}+${values.length}` : values.join()
}

/** [M, C, kernel] of a block. */
function weightsOf({ parts }: Block, outputs: number, channels: number, perGroup: number): Float32Array {
  const [head] = parts
  const kernel = head === undefined ? 0 : kernelSize(head.of)
  const out = new Float32Array(outputs * perGroup * kernel)
  for (const { of, rows, columns } of parts) {
    const [all = 1, own = 1] = tensorDims(of.weight)
    const data = tensorFloats(of.weight)
    const rowsPerGroup = all / of.form.group
    for (const [m, row] of rows.entries()) {
      const firstOf = Math.floor(row / rowsPerGroup) * own
      for (const [j, c] of columns) {
        const column = j - firstOf
        if (column < 0 || column >= own) continue
        const from = (row * own + column) * kernel
        const to = (m * perGroup + (perGroup === channels ? c : c % perGroup)) * kernel
        const place = of.places?.[j]
        if (place !== undefined) {
          out[to + place] = (out[to + place] ?? 0) + (data[row * own + column] ?? 0)
          continue
        }
        for (let k = 0; k < kernel; k++) out[to + k] = (out[to + k] ?? 0) + (data[from + k] ?? 0)
      }
    }
  }
  return out
}

/** A block for each distance of input from output frame; null where frames do not agree or one is missing. */
function tapsOf(
  frames: readonly Map<number, Block>[],
  inputs: number,
  stride: number,
  circular: boolean,
  weigh: (block: Block) => Float32Array,
): Map<number, Block> | null {
  const taps = new Map<number, Block>()
  const alike = new Map<string, boolean>()
  const half = Math.floor((inputs - 1) / 2)
  for (const [t, blocks] of frames.entries()) {
    for (const [from, block] of blocks) {
      const plain = from - t * stride
      const offset = circular ? ((plain + half + 2 * inputs) % inputs) - half : plain
      const known = taps.get(offset)
      if (known === undefined) {
        taps.set(offset, block)
        continue
      }
      if (known.key === block.key) continue
      const pair = `${known.key}|${block.key}`
      const same = alike.get(pair) ?? equal(weigh(known), weigh(block))
      alike.set(pair, same)
      if (!same) return null
    }
  }
  // With a stride that is long enough any frames agree: each would have taps of its own.
  const seen = Math.max(...frames.map((blocks) => blocks.size))
  if (taps.size > 2 * seen - 1) return null
  for (const offset of taps.keys()) {
    for (const [t, blocks] of frames.entries()) {
      const plain = t * stride + offset
      const from = circular ? (plain + inputs) % inputs : plain
      if (from >= 0 && from < inputs && !blocks.has(from)) return null
    }
  }
  return taps
}

/** A banded weight meets every frame, most with zeros: such taps cost time and add nothing. */
function dropZeros(taps: Map<number, Block>, weigh: (block: Block) => Float32Array): void {
  for (const [offset, block] of [...taps])
    if (taps.size > 1 && weigh(block).every((v) => v === 0)) taps.delete(offset)
}

const equal = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && a.every((v, i) => v === b[i])

interface Placed {
  readonly taps: ReadonlyMap<number, Block>
  readonly first: number
  readonly count: number
  readonly dilation: number
  readonly before: number
  readonly after: number
}

function place(
  taps: ReadonlyMap<number, Block>,
  inputs: number,
  outputs: number,
  stride: number,
  circular: boolean,
): Placed | null {
  const offsets = [...taps.keys()].sort((a, b) => a - b)
  const [low = 0] = offsets
  const dilation = offsets.slice(1).reduce((a, offset) => gcd(a, offset - low), 0) || 1
  // Frames that are never looked at before the first tap are taps of zeros.
  const first = low > 0 ? low - Math.ceil(low / dilation) * dilation : low
  const last = offsets.at(-1) ?? 0
  const count = (last - first) / dilation + 1
  if (count > 2 * offsets.length + 1 || count > 31) return null
  const [before, reach] = [-first, last - first + 1]
  const after = Math.max(0, (outputs - 1) * stride + last - (inputs - 1))
  if (circular && (outputs !== inputs || before > inputs || last > inputs)) return null
  if (!circular && Math.floor((inputs + before + after - reach) / stride) + 1 !== outputs) return null
  return { taps, first, count, dilation, before, after: circular ? last : after }
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

function stack(
  { taps, first, count, dilation }: Placed,
  rows: number,
  kernel: number,
  weigh: (block: Block) => Float32Array,
): Float32Array {
  const out = new Float32Array(rows * count * kernel)
  for (const [offset, block] of taps) {
    const data = weigh(block)
    const i = (offset - first) / dilation
    for (let row = 0; row < rows; row++)
      out.set(data.subarray(row * kernel, (row + 1) * kernel), (row * count + i) * kernel)
  }
  return out
}
