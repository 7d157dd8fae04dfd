import { NetworkBuilder } from '../../src/demo/network-builder.js'

export interface Network {
  readonly name: string
  /** With operators over four spatial axes. */
  readonly model: Uint8Array
  /** The same weights and answers as 3D convolutions, written by hand as an expert would today. */
  readonly lowered: Uint8Array
  /** The same with pools that ONNX Runtime's own kernels run; null where they run `model` itself. */
  readonly withoutPools: Uint8Array | null
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[]
  /** GFLOP of a row by the direct algorithm, padding counted. */
  readonly gflop: number
}

const TAPS = 3
const KERNEL = [3, 3, 3]

type Style = 'four-axes' | 'lowered' | 'without-pools'

/** Layers of one style; weights are drawn in the same order in each, so the networks are the same. */
class Layers {
  readonly net = new NetworkBuilder(4)

  constructor(private readonly style: Style) {}

  /** [1,C,T,D,H,W] as it comes, or as [T,C,D,H,W] for the lowered style. */
  begin(x: string, channels: number, size: readonly number[]): string {
    if (this.style !== 'lowered') return x
    const frames = this.net.node('Transpose', [x], { perm: [0, 2, 1, 3, 4, 5] })
    return this.reshape(frames, [size[0] ?? 1, channels, ...size.slice(1)])
  }

  convRelu(x: string, from: number, to: number): string {
    const deviation = Math.sqrt(2 / (from * TAPS * 27))
    const weights = this.net.weights([to, from, TAPS, ...KERNEL], deviation)
    const bias = this.net.weights([to], 0.05)
    if (this.style !== 'lowered') {
      const pads = [1, 1, 1, 1, 1, 1, 1, 1]
      return this.net.relu(
        this.net.node('Conv', [x, weights, bias], { kernel_shape: [TAPS, ...KERNEL], pads }),
      )
    }
    // Frames shifted by each tap, side by side as channels of one 3D convolution.
    const padded = this.net.node('Pad', [x, this.integers([1, 0, 0, 0, 0, 1, 0, 0, 0, 0])])
    const shifted = Array.from({ length: TAPS }, (_, tap) =>
      this.net.node('Slice', [
        padded,
        this.integers([tap]),
        this.integers([tap - TAPS + 1 === 0 ? Number.MAX_SAFE_INTEGER : tap - TAPS + 1]),
        this.integers([0]),
      ]),
    )
    const stacked = this.net.node('Concat', shifted, { axis: 1 })
    const tapsFirst = this.net.node('Transpose', [weights], { perm: [0, 2, 1, 3, 4, 5] })
    const flat = this.reshape(tapsFirst, [to, TAPS * from, ...KERNEL])
    const pads = [1, 1, 1, 1, 1, 1]
    return this.net.relu(this.net.node('Conv', [stacked, flat, bias], { kernel_shape: KERNEL, pads }))
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

  features(x: string): string {
    if (this.style === 'four-axes') return this.net.globalFeatures(x)
    const axes = this.style === 'lowered' ? [0, 2, 3, 4] : [2, 3, 4, 5]
    const mean = this.net.node('ReduceMean', [x], { axes, keepdims: 1 })
    return this.reshape(mean, [1, -1])
  }

  /** Back to [1,C,T,D,H,W]. */
  end(x: string, channels: number, size: readonly number[]): string {
    if (this.style !== 'lowered') return x
    const whole = this.reshape(x, [1, size[0] ?? 1, channels, ...size.slice(1)])
    return this.net.node('Transpose', [whole], { perm: [0, 2, 1, 3, 4, 5] })
  }

  private reshape(x: string, shape: readonly number[]): string {
    return this.net.node('Reshape', [x, this.integers(shape)])
  }

  private integers(values: readonly number[]): string {
    return this.net.node('Constant', [], { value_ints: values })
  }
}

function layer(from: number, to: number, size: readonly number[]): Network {
  const build = (style: Style): Uint8Array => {
    const layers = new Layers(style)
    const x = layers.begin(layers.net.input('image', [1, from, ...size]), from, size)
    layers.net.output('answer', layers.end(layers.convRelu(x, from, to), to, size), [1, to, ...size])
    return layers.net.build('layer')
  }
  return {
    name: `${from}->${to} ${size.join('x')}`,
    model: build('four-axes'),
    lowered: build('lowered'),
    withoutPools: null,
    inputs: [{ name: 'image', shape: [1, from, ...size] }],
    gflop: flops(from, to, size),
  }
}

function flops(from: number, to: number, size: readonly number[]): number {
  return (2 * from * to * 81 * size.reduce((a, b) => a * b, 1)) / 1e9
}

const CLINICAL = 5

/** The network of the project's own benchmark: four convolutions, three pools, clinical values joined late. */
function large(): Network {
  const channels = [1, 16, 32, 64, 64]
  const sizes = [
    [5, 32, 64, 64],
    [5, 16, 32, 32],
    [5, 8, 16, 16],
    [5, 4, 8, 8],
  ]
  const build = (style: Style): Uint8Array => {
    const layers = new Layers(style)
    const { net } = layers
    const image = net.input('image', [1, 1, ...(sizes[0] ?? [])])
    const clinical = net.input('clinical', [1, CLINICAL])
    let x = layers.begin(image, 1, sizes[0] ?? [])
    sizes.forEach((_, i) => {
      x = layers.convRelu(x, channels[i] ?? 0, channels[i + 1] ?? 0)
      if (i < sizes.length - 1) x = layers.pool(x)
    })
    const joined = net.node('Concat', [layers.features(x), clinical], { axis: 1 })
    const hidden = net.relu(net.gemm(joined, 64 + CLINICAL, 32))
    net.output('answer', net.node('Sigmoid', [net.gemm(hidden, 32, 2)]), [1, 2])
    return net.build('bench4d-large')
  }
  return {
    name: 'bench4d-large',
    model: build('four-axes'),
    lowered: build('lowered'),
    withoutPools: build('without-pools'),
    inputs: [
      { name: 'image', shape: [1, 1, 5, 32, 64, 64] },
      { name: 'clinical', shape: [1, CLINICAL] },
    ],
    gflop: sizes.reduce((sum, size, i) => sum + flops(channels[i] ?? 0, channels[i + 1] ?? 0, size), 0),
  }
}

export function networks(): Network[] {
  return [
    layer(1, 16, [5, 48, 48, 48]),
    layer(16, 32, [5, 24, 24, 24]),
    layer(32, 64, [5, 12, 12, 12]),
    layer(16, 16, [5, 48, 48, 48]),
    layer(8, 16, [5, 32, 64, 64]),
    large(),
  ]
}
