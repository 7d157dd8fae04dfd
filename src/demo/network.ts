import { NetworkBuilder } from './network-builder.js'

/** Phases, slices, rows and columns of the tumour-centred crop that the demonstration network takes. */
export const CROP = { phases: 5, depth: 16, height: 32, width: 32 } as const

export const CLINICAL = ['age', 'er', 'her2', 'ki67', 'grade'] as const

/**
 * A 4D network as the literature describes them: two blocks of 4D convolution, norm and pool over
 * (T, D, H, W), a global average, and the clinical values joined to the features before the last layers.
 * Its Conv, pool and norm nodes are of rank 6, as an exporter would write them. Weights are drawn from a
 * fixed seed: its answers mean nothing.
 */
export function demoNetwork(): Uint8Array {
  const net = new NetworkBuilder(20241123)
  const kernel = [3, 3, 3, 3]
  const image = net.input('image', ['N', 1, CROP.phases, CROP.depth, CROP.height, CROP.width])
  const clinical = net.input('clinical', ['N', CLINICAL.length])

  let x = net.relu(net.instanceNormalization(net.conv(image, { from: 1, to: 8, kernel }), 8))
  x = net.maxPool(x, [1, 2, 2, 2])
  x = net.relu(net.batchNormalization(net.conv(x, { from: 8, to: 16, kernel }), 16))
  x = net.maxPool(x, [1, 2, 2, 2])
  x = net.relu(net.batchNormalization(net.conv(x, { from: 16, to: 32, kernel }), 32))

  const joined = net.node('Concat', [net.globalFeatures(x), clinical], { axis: 1 })
  const hidden = net.relu(net.gemm(joined, 32 + CLINICAL.length, 16))
  net.output('probability', net.node('Sigmoid', [net.gemm(hidden, 16, 2)]), ['N', 2])
  return net.build('demo4d')
}
