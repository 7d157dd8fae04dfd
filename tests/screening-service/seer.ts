/** Models whose explanations are known: one that looks at a known place, a slow one, and one too large. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NetworkBuilder } from '../../bench/lib/network-builder.js'
import { niftiFile } from '../intake/nifti.js'
import { contract, GRID, PHASES } from './model.js'

const [DEPTH, HEIGHT, WIDTH] = GRID
/** Of the grid; patches of 2 x 6 x 6 voxels start at every voxel along z and at every third along y and x. */
const SEEN = { phase: 1, z: [3, 3], y: [6, 8], x: [12, 14] } as const
const within = (at: number, [low, high]: readonly [number, number]): boolean => at >= low && at <= high

/** The place that `seer` looks at: the middle of the grid lies in the patient's origin. */
export const PLACE = { x: 13 - 11.5, y: 7 - 11.5, z: (3 - 3.5) * 2 }

/** The first finding depends on one place in the second phase, the other one on nothing. */
function seer(): Uint8Array {
  const net = new NetworkBuilder(1)
  const image = net.input('image', ['N', 1, PHASES, ...GRID])
  const weights = new Float32Array(2 * PHASES * DEPTH * HEIGHT * WIDTH)
  for (let z = 0; z < DEPTH; z++)
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++)
        if (within(z, SEEN.z) && within(y, SEEN.y) && within(x, SEEN.x))
          weights[2 * (((SEEN.phase * DEPTH + z) * HEIGHT + y) * WIDTH + x)] = 0.01
  const flat = net.node('Flatten', [image], { axis: 1 })
  const logits = net.node('MatMul', [flat, net.constant([weights.length / 2, 2], weights)])
  net.output('probability', net.node('Sigmoid', [logits]), ['N', 2])
  return net.build('seer')
}

/** Takes long enough to be interrupted. */
function slow(): Uint8Array {
  const net = new NetworkBuilder(2)
  const kernel = [3, 3, 3, 3]
  let x = net.input('image', ['N', 1, PHASES, ...GRID])
  for (const from of [1, 12, 12]) x = net.relu(net.conv(x, { from, to: 12, kernel }))
  const logits = net.gemm(net.globalFeatures(x), 12, 2)
  net.output('probability', net.node('Sigmoid', [logits]), ['N', 2])
  return net.build('slow')
}

function large(grid: readonly number[]): Uint8Array {
  const net = new NetworkBuilder(3)
  const image = net.input('image', ['N', 1, PHASES, ...grid])
  net.output('probability', net.node('Sigmoid', [net.gemm(net.globalFeatures(image), 1, 2)]), ['N', 2])
  return net.build('large')
}

/** Models `seer`, `slow` and `large`, of images alone. */
export function explainRepository(folder: string): string {
  const size = [64, 96, 96]
  const grid = `{ size: [${size.join(', ')}], spacing_mm: [1, 1, 1] }`
  const models: [string, Uint8Array, string?][] = [
    ['seer', seer()],
    ['slow', slow()],
    ['large', large(size), grid],
  ]
  for (const [name, network, itsGrid] of models) {
    const version = join(folder, name, '1')
    mkdirSync(version, { recursive: true })
    writeFileSync(join(version, 'model.onnx'), network)
    const asked = itsGrid === undefined ? {} : { grid: itsGrid }
    writeFileSync(join(version, 'screening.yaml'), contract({ clinical: false, ...asked }))
  }
  return folder
}

/** Dim tissue about the origin, in which the place that `seer` looks at lights up in the second phase. */
export function seenExam(): Uint8Array {
  const [width, height, depth] = [WIDTH, HEIGHT, 2 * DEPTH]
  const samples = new Int16Array(PHASES * depth * height * width)
  let i = 0
  for (let t = 0; t < PHASES; t++)
    for (let z = 0; z < depth; z++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          // NIfTI counts to the right and front of what DICOM does.
          const seen = within(WIDTH - 1 - x, SEEN.x) && within(HEIGHT - 1 - y, SEEN.y) && within(z, [5, 8])
          samples[i++] = 100 + ((i * 7919) % 11) + (seen && t === SEEN.phase ? 400 : 0)
        }
  return niftiFile([width, height, depth, PHASES], samples)
}
