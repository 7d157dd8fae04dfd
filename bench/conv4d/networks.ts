import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NetworkBuilder, type Dim } from '../lib/network-builder.js'
import { uniforms } from '../../src/demo/random.js'

/** A network as files, once for each way to write it down; all of them give the same answers. */
export interface Network {
  readonly name: string
  /** With operators over four spatial axes. */
  readonly model: string
  /** As 3D convolutions, written by hand as an expert would today. */
  readonly lowered: string
  /** With pools that ONNX Runtime's own kernels run; null where they run `model` itself. */
  readonly withoutPools: string | null
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[]
  /** GFLOP of a row by the direct algorithm, padding counted. */
  readonly gflop: number
}

const TAPS = 3
const KERNEL = [3, 3, 3]
/** From [N, C, T, D, H, W] to frames as rows, and back. */
const FRAMES_FIRST = [0, 2, 1, 3, 4, 5]

export type Style = 'four-axes' | 'lowered' | 'without-pools'

/** Layers of one style; weights are drawn in the same order in each, so the networks are the same. */
class Layers {
  readonly net = new NetworkBuilder(4)

  constructor(
    private readonly style: Style,
    private readonly frames: number,
  ) {}

  /** [N,C,T,D,H,W] as it comes, or as [N*T,C,D,H,W] for the lowered style. */
  begin(x: string, channels: number, size: readonly number[]): string {
    if (this.style !== 'lowered') return x
    return this.reshape(this.net.node('Transpose', [x], { perm: FRAMES_FIRST }), [-1, channels, ...size])
  }

  /** Of the size of its input, [D, H, W]; with batch normalisation where the network has it. */
  convRelu(x: string, from: number, to: number, size: readonly number[], normalised = false): string {
    const deviation = Math.sqrt(2 / (from * TAPS * 27))
    const weights = this.net.weights([to, from, TAPS, ...KERNEL], deviation)
    const bias = this.net.weights([to], 0.05)
    const y =
      this.style === 'lowered' ? this.conv3d(x, weights, bias, from, to, size) : this.conv4d(x, weights, bias)
    return this.net.relu(normalised ? this.net.batchNormalization(y, to) : y)
  }

  private conv4d(x: string, weights: string, bias: string): string {
    const pads = [1, 1, 1, 1, 1, 1, 1, 1]
    return this.net.node('Conv', [x, weights, bias], { kernel_shape: [TAPS, ...KERNEL], pads })
  }

  /** Frames shifted by each tap, side by side as channels of one 3D convolution. */
  private conv3d(
    x: string,
    weights: string,
    bias: string,
    from: number,
    to: number,
    size: readonly number[],
  ): string {
    const rows = this.reshape(x, [-1, this.frames, from, ...size])
    const padded = this.net.node('Pad', [rows, this.integers([0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])])
    const shifted = Array.from({ length: TAPS }, (_, tap) =>
      this.net.node('Slice', [
        padded,
        this.integers([tap]),
        this.integers([tap + this.frames]),
        this.integers([1]),
      ]),
    )
    const stacked = this.reshape(this.net.node('Concat', shifted, { axis: 2 }), [-1, TAPS * from, ...size])
    const tapsFirst = this.net.node('Transpose', [weights], { perm: FRAMES_FIRST })
    const flat = this.reshape(tapsFirst, [to, TAPS * from, ...KERNEL])
    const pads = [1, 1, 1, 1, 1, 1]
    return this.net.node('Conv', [stacked, flat, bias], { kernel_shape: KERNEL, pads })
  }

  /** Halves D, H and W. */
  pool(x: string): string {
    if (this.style === 'four-axes') return this.net.maxPool(x, [1, 2, 2, 2])
    if (this.style === 'lowered') return this.net.maxPool(x, [2, 2, 2])
    return [3, 4, 5].reduce((input, axis) => {
      const halves = [0, 1].map((start) =>
        this.net.node('Slice', [
          input,
          this.integers([start]),
          this.integers([Number.MAX_SAFE_INTEGER]),
          this.integers([axis]),
          this.integers([2]),
        ]),
      )
      return this.net.node('Max', halves)
    }, x)
  }

  /** The mean over T, D, H, W, as [N, channels]. */
  features(x: string, channels: number): string {
    if (this.style === 'four-axes') return this.net.globalFeatures(x)
    if (this.style === 'without-pools') {
      return this.reshape(this.net.node('ReduceMean', [x], { axes: [2, 3, 4, 5] }), [-1, channels])
    }
    const frames = this.net.node('ReduceMean', [x], { axes: [2, 3, 4], keepdims: 0 })
    const rows = this.reshape(frames, [-1, this.frames, channels])
    return this.net.node('ReduceMean', [rows], { axes: [1], keepdims: 0 })
  }

  /** Back to [N,C,T,D,H,W]. */
  end(x: string, channels: number, size: readonly number[]): string {
    if (this.style !== 'lowered') return x
    const whole = this.reshape(x, [-1, this.frames, channels, ...size])
    return this.net.node('Transpose', [whole], { perm: FRAMES_FIRST })
  }

  private reshape(x: string, shape: readonly number[]): string {
    return this.net.node('Reshape', [x, this.integers(shape)])
  }

  private integers(values: readonly number[]): string {
    return this.net.node('Constant', [], { value_ints: values })
  }
}

function layer(folder: string, from: number, to: number, size: readonly number[]): Network {
  const name = `${from}->${to} ${size.join('x')}`
  const [frames = 1, ...space] = size
  const write = (style: Style): string => {
    const layers = new Layers(style, frames)
    const x = layers.begin(layers.net.input('image', [1, from, ...size]), from, space)
    const y = layers.convRelu(x, from, to, space)
    layers.net.output('answer', layers.end(y, to, space), [1, to, ...size])
    return save(folder, `${name.replace(/\W+/g, '-')}-${style}`, layers.net)
  }
  return {
    name,
    model: write('four-axes'),
    lowered: write('lowered'),
    withoutPools: null,
    inputs: [{ name: 'image', shape: [1, from, ...size] }],
    gflop: flops(from, to, size),
  }
}

function save(folder: string, name: string, net: NetworkBuilder): string {
  const path = join(folder, `${name}.onnx`)
  writeFileSync(path, net.build(name))
  return path
}

function flops(from: number, to: number, size: readonly number[]): number {
  return (2 * from * to * 81 * size.reduce((a, b) => a * b, 1)) / 1e9
}

const CLINICAL = 5

const CHANNELS = [1, 16, 32, 64, 64]
const SIZES = [
  [5, 32, 64, 64],
  [5, 16, 32, 32],
  [5, 8, 16, 16],
  [5, 4, 8, 8],
]

/**
 * bench4d-large: four convolutions with batch normalisation, three pools, clinical values joined late. The
 * files under models/ are this, written by write-models.ts.
 */
export function largeNetwork(style: Style, rows: Dim): NetworkBuilder {
  const [[frames = 1, ...space] = []] = SIZES
  const layers = new Layers(style, frames)
  const { net } = layers
  const image = net.input('image', [rows, 1, frames, ...space])
  const clinical = net.input('clinical', [rows, CLINICAL])
  let x = layers.begin(image, 1, space)
  for (const [i, [, ...size]] of SIZES.entries()) {
    x = layers.convRelu(x, CHANNELS[i] ?? 0, CHANNELS[i + 1] ?? 0, size, true)
    if (i < SIZES.length - 1) x = layers.pool(x)
  }
  const joined = net.node('Concat', [layers.features(x, 64), clinical], { axis: 1 })
  const hidden = net.relu(net.gemm(joined, 64 + CLINICAL, 32))
  net.output('answer', net.node('Sigmoid', [net.gemm(hidden, 32, 2)]), [rows, 2])
  return net
}

const kept = (name: string): string => fileURLToPath(new URL(`models/${name}.onnx`, import.meta.url))

function large(folder: string, rows: number): Network {
  return {
    name: 'bench4d-large',
    model: kept('bench4d-large'),
    lowered: kept('bench4d-large-conv3d'),
    withoutPools: save(folder, 'bench4d-large-without-pools', largeNetwork('without-pools', 'N')),
    inputs: [
      { name: 'image', shape: [rows, 1, ...(SIZES[0] ?? [])] },
      { name: 'clinical', shape: [rows, CLINICAL] },
    ],
    gflop:
      rows * SIZES.reduce((sum, size, i) => sum + flops(CHANNELS[i] ?? 0, CHANNELS[i + 1] ?? 0, size), 0),
  }
}

/** Layers like those that the project sets itself targets for, with sizes drawn from a seed. */
function drawn(folder: string, count: number, seed: number): Network[] {
  const random = uniforms(seed)
  const pick = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1))
  return Array.from({ length: count }, () => {
    const from = [1, 2, 8, 12, 16, 24, 32, 48, 64][pick(0, 8)] ?? 1
    const to = [8, 16, 24, 32, 48, 64][pick(0, 5)] ?? 8
    const side = Math.max(6, Math.round(48 / Math.sqrt(Math.max(1, from / 4))))
    return layer(folder, from, to, [pick(3, 8), ...[0, 1, 2].map(() => pick(Math.ceil(side / 2), side))])
  })
}

/** @param folder where the files of networks that are not kept go */
export function networks(folder: string, options: { rows: number; drawn: number; seed: number }): Network[] {
  return [
    layer(folder, 1, 16, [5, 48, 48, 48]),
    layer(folder, 16, 32, [5, 24, 24, 24]),
    layer(folder, 32, 64, [5, 12, 12, 12]),
    layer(folder, 16, 16, [5, 48, 48, 48]),
    layer(folder, 8, 16, [5, 32, 64, 64]),
    ...drawn(folder, options.drawn, options.seed),
    large(folder, options.rows),
  ]
}
