import { NetworkBuilder } from '../lib/network-builder.js'

export interface BenchNetwork {
  readonly name: string
  readonly model: Uint8Array
  readonly shape: readonly number[]
}

/**
 * Plain networks without a fourth axis, which any runtime serves: what the addon costs shows here, most of all
 * where a run takes half a millisecond, as the smallest does.
 */
export function networks(): BenchNetwork[] {
  return [
    plain('2D, 1 x 3 x 128 x 128', 3, [128, 128]),
    plain('2D, 1 x 3 x 224 x 224', 3, [224, 224]),
    plain('3D, 1 x 1 x 32 x 64 x 64', 1, [32, 64, 64]),
  ]
}

function plain(name: string, channels: number, size: readonly number[]): BenchNetwork {
  const net = new NetworkBuilder(1)
  const kernel = size.map(() => 3)
  const pool = size.map(() => 2)
  let x = net.input('image', ['N', channels, ...size])
  let from = channels
  for (const to of [16, 32, 64, 64]) {
    x = net.maxPool(net.relu(net.conv(x, { from, to, kernel })), pool)
    from = to
  }
  net.output('answer', net.node('Sigmoid', [net.gemm(net.globalFeatures(x), 64, 2)]), ['N', 2])
  return { name, model: net.build('plain'), shape: [channels, ...size] }
}
