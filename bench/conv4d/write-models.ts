// Writes the files of bench4d-large that are kept under models/: with operators over four spatial axes, and as
// an expert would lower it to 3D convolutions by hand. Both share the file of the weights.
//   node --import=tsx bench/conv4d/write-models.ts
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { detachLargeData } from '../../src/compiler/external-data.js'
import { decodeModel, encodeModel } from '../../src/compiler/onnx.js'
import { largeNetwork, type Style } from './networks.js'

const folder = new URL('models/', import.meta.url)

/** The network and, beside it, its weights in a file named after their hash. */
async function write(name: string, style: Style): Promise<void> {
  const model = decodeModel(largeNetwork(style, 'N').build(name))
  for (const { name: file, chunks } of detachLargeData(model.graph, 0)) {
    await writeFile(fileURLToPath(new URL(file, folder)), Buffer.concat(chunks))
  }
  await writeFile(fileURLToPath(new URL(`${name}.onnx`, folder)), encodeModel(model))
}

await mkdir(folder, { recursive: true })
await write('bench4d-large', 'four-axes')
await write('bench4d-large-conv3d', 'lowered')
