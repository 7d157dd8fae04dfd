import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { compile } from '../../src/compiler/compile.js'
import { noFiles } from '../../src/compiler/resolver.js'
import { isSentinodeError } from '../../src/errors.js'
import { Random } from './lib/random.js'

const FIXTURES = join(import.meta.dirname, '..', 'fixtures')
const MODELS = [
  'ops4d/network4d_01',
  'ops4d/conv4d_05',
  'ops4d/averagepool4d_01',
  'exported4d/loop_list_script',
  'exported4d/tap_stack_script',
]

test('models with bytes changed at random compile or are refused with a code, and soon', async (t) => {
  for (const name of MODELS) {
    const whole = await readFile(join(FIXTURES, name, 'model.onnx'))
    for (let seed = 0; seed < 80; seed++) {
      const random = new Random(seed)
      const bytes = new Uint8Array(whole)
      for (let i = random.int(1, 3); i > 0; i--)
        bytes[random.int(0, Math.min(bytes.length, 4000) - 1)] = random.int(0, 255)
      for (const target of ['cpu', 'cpu-portable'] as const) {
        const begin = performance.now()
        const error: unknown = await compile(bytes, { target, resolve: noFiles }).then(
          () => null,
          (e: unknown) => e,
        )
        t.true(error === null || isSentinodeError(error), `${name}, seed ${seed}: ${String(error)}`)
        t.true(performance.now() - begin < 5000, `${name}, seed ${seed}`)
      }
    }
  }
})
