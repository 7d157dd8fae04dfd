/** A network with a region of our own operators, for tests of what runs in it. */
import { compileCached } from '../../src/compiler/cache.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { DEFAULT_SESSION_OPTIONS } from '../../src/engine/index.js'
import type { NativeSession } from '../../src/engine/native.js'
import { ModelBuilder } from '../compiler/lib/model.js'
import { Random } from '../compiler/lib/random.js'
import { addon, runtime } from './support.js'

export const SIDE = 12

/** Two convolutions of eight channels over any number of frames, on target cpu. */
export async function openRegion(folder: string): Promise<NativeSession> {
  const random = new Random(3)
  const model = new ModelBuilder(17)
  let value = model.input('x', ['N', 8, 'T', SIDE, SIDE, SIDE])
  for (let layer = 0; layer < 2; layer++) {
    const weights = model.floats([8, 8, 3, 3, 3, 3], random.values(8 * 8 * 81))
    value = model.node('Conv', [value, weights], { pads: [1, 1, 1, 1, 1, 1, 1, 1] })
  }
  model.output(model.node('GlobalAveragePool', [value]), ['N', 8, 1, 1, 1, 1])
  const cache = { folder, onnxruntime: runtime.version, onednn: runtime.onednn }
  const compiled = await compileCached(model.bytes, { target: 'cpu', resolve: noFiles }, cache)
  return addon.createSession({ ...DEFAULT_SESSION_OPTIONS, modelPath: compiled.path, threads: 2 })
}
