import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { largeNetwork } from '../../bench/conv4d/networks.js'
import { compile } from '../../src/compiler/compile.js'
import { embedExternalData } from '../../src/compiler/external-data.js'
import { decodeModel, encodeModel } from '../../src/compiler/onnx.js'
import { confinedResolver } from '../../src/compiler/resolver.js'
import { relativeError, run } from '../compiler/lib/model.js'
import { Random } from '../compiler/lib/random.js'
import { volume } from '../compiler/lib/reference.js'

const MODELS = fileURLToPath(new URL('../../bench/conv4d/models/', import.meta.url))
const resolve = confinedResolver(dirname(`${MODELS}x`))

async function whole(name: string): Promise<Uint8Array> {
  const model = decodeModel(await readFile(`${MODELS}${name}.onnx`))
  await embedExternalData(model.graph, resolve)
  return encodeModel(model)
}

test('the benchmark network and its lowering by hand give the same answers', async (t) => {
  const random = new Random(8)
  const tensor = (shape: number[]) => ({ shape, data: random.values(volume(shape)) })
  const inputs = { image: tensor([2, 1, 5, 32, 64, 64]), clinical: tensor([2, 5]) }
  const [byHand] = await run({ path: `${MODELS}bench4d-large-conv3d.onnx` }, inputs)
  const model = await readFile(`${MODELS}bench4d-large.onnx`)
  const lowered = await compile(model, { target: 'cpu-portable', resolve })
  const [ours] = await run({ bytes: lowered.model }, inputs)
  t.deepEqual(byHand!.shape, [2, 2])
  t.true(relativeError(ours!, byHand!) < 1e-5)
})

test('the files are what the code of the benchmark writes', async (t) => {
  for (const [name, style] of [
    ['bench4d-large', 'four-axes'],
    ['bench4d-large-conv3d', 'lowered'],
  ] as const) {
    const written = decodeModel(largeNetwork(style, 'N').build(name))
    t.true(Buffer.from(await whole(name)).equals(encodeModel(written)), name)
  }
})
