import { constants } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { DataType, ModelProto, encodeModel, makeNode } from '../../src/compiler/onnx.js'
import { DEFAULT_SESSION_OPTIONS } from '../../src/engine/index.js'
import { addon, bytes, createInstance } from './support.js'

/** One more than the largest Buffer of Node 20; later versions have larger ones. */
const HUGE = 2 ** 32 + 1

function info(name: string, elemType: number, dim: object) {
  return ModelProto.fromPartial({
    graph: {
      input: [{ name, type: { value: { $case: 'tensorType', value: { elemType, shape: { dim: [dim] } } } } }],
    },
  }).graph!.input[0]!
}

/** Gives as many zeros, a byte each, as its eight bytes ask for. */
function zeros(): Uint8Array {
  const value = { tensor: { ...tensor(), dataType: DataType.UINT8, dims: [1n], rawData: Uint8Array.of(0) } }
  return encodeModel(
    ModelProto.fromPartial({
      irVersion: 8n,
      opsetImport: [{ domain: '', version: 17n }],
      graph: {
        name: 'zeros',
        node: [makeNode('ConstantOfShape', ['count'], ['zeros'], { value })],
        input: [info('count', DataType.INT64, { value: { $case: 'dimValue', value: 1n } })],
        output: [info('zeros', DataType.UINT8, { value: { $case: 'dimParam', value: 'n' } })],
      },
    }),
  )
}

const tensor = () => ModelProto.fromPartial({ graph: { initializer: [{}] } }).graph!.initializer[0]!

test.serial('an output larger than any Buffer fails its request; its memory is let go once', async (t) => {
  const session = await addon.createSession({ ...DEFAULT_SESSION_OPTIONS, modelBytes: zeros() })
  const instance = createInstance(session, 1)
  const run = async (count: number) => {
    const inputs = [bytes(BigInt64Array.of(BigInt(count)))]
    const requests = [{ inputs, rows: 1, deadline: Infinity }]
    const result = await instance.execute({ requests, shapes: [[1]], batched: false, outputs: [0] }).result
    return result.outcomes[0]
  }
  const outcome = await run(HUGE)
  if (HUGE > constants.MAX_LENGTH) t.like(outcome, { kind: 'failed', code: 'MEMORY_LIMIT' })
  else t.is(outcome?.kind === 'ok' ? outcome.outputs[0]?.data.byteLength : outcome?.kind, HUGE)
  // What Node still does with the buffer that it refused, it does in a later turn.
  await setImmediate()
  await setImmediate()
  t.is((await run(100_000))?.kind, 'ok')
  await instance.dispose()
})
