import { NetworkBuilder } from '../lib/network-builder.js'

/** Phases, slices, rows, columns: 64,000 bytes of float32 a request. */
export const SIZE = [5, 8, 20, 20] as const

/** A 4D network with small requests and more than 10 ms of computing a row on two cores. */
export function servedNetwork(): Uint8Array {
  return network('served4d', [32, 64, 64])
}

/** One that takes the same requests, gives the same kind of answer, and has next to nothing to compute. */
export function quickNetwork(): Uint8Array {
  return network('quick4d', [])
}

function network(name: string, widths: readonly number[]): Uint8Array {
  const net = new NetworkBuilder(5)
  const kernel = [3, 3, 3, 3]
  let x = net.input('image', ['N', 1, ...SIZE])
  let from = 1
  for (const to of widths) {
    x = net.relu(net.batchNormalization(net.conv(x, { from, to, kernel }), to))
    from = to
  }
  net.output('answer', net.node('Sigmoid', [net.gemm(net.globalFeatures(x), from, 2)]), ['N', 2])
  return net.build(name)
}
