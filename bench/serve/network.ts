import { NetworkBuilder } from '../lib/network-builder.js'

/** Phases, slices, rows, columns: 64,000 bytes of float32 a request. */
export const SIZE = [5, 8, 20, 20] as const

/** A 4D network with small requests and more than 10 ms of computing a row on two cores. */
export function servedNetwork(): Uint8Array {
  const net = new NetworkBuilder(5)
  const kernel = [3, 3, 3, 3]
  let x = net.input('image', ['N', 1, ...SIZE])
  let from = 1
  for (const to of [32, 64, 64]) {
    x = net.relu(net.batchNormalization(net.conv(x, { from, to, kernel }), to))
    from = to
  }
  net.output('answer', net.node('Sigmoid', [net.gemm(net.globalFeatures(x), 64, 2)]), ['N', 2])
  return net.build('served4d')
}
