/** More work than there is room or time for. */
import { ModelInferRequest } from '../../../src/generated/grpc_service.js'
import type { Attack } from '../attack.js'
import { call } from '../wire.js'

const MIB = 2 ** 20

function rows(count: number, fill: number): Uint8Array {
  const image = new Float32Array(count * 5 * 16 ** 3).fill(fill)
  return ModelInferRequest.encode({
    ...ModelInferRequest.fromPartial({
      modelName: 'lymph4d',
      inputs: [
        { name: 'image', datatype: 'FP32', shape: [BigInt(count), 1n, 5n, 16n, 16n, 16n] },
        { name: 'clinical', datatype: 'FP32', shape: [BigInt(count), 5n] },
      ],
    }),
    rawInputContents: [new Uint8Array(image.buffer), new Uint8Array(count * 5 * 4)],
  }).finish()
}

function flood(message: () => Uint8Array, callers: number): Attack['run'] {
  return async (target, signal) => {
    const session = target.connect(signal)
    const bytes = message()
    const lane = async (): Promise<void> => {
      while (!signal.aborted && !session.destroyed) await call(session, bytes)
    }
    await Promise.all(Array.from({ length: callers }, lane))
  }
}

export const overload: Attack = {
  name: 'overload',
  what: '64 callers who each keep 32 rows of a 4D network (2.6 MB) under way',
  promised: { answered: 0.5, probeMs: 1000, growthBytes: 900 * MIB },
  run: flood(() => rows(32, 0.5), 64),
}

/** Values below 2^-126, which processors take a hundred times longer to multiply. */
export const denormals: Attack = {
  name: 'denormals',
  what: 'inputs of denormal numbers',
  promised: { answered: 0.9, probeMs: 1000, growthBytes: 512 * MIB },
  run: flood(() => rows(8, 1e-40), 4),
}

/** An index outside the table fails the run, and whoever shares the batch must not notice. */
export const badRows: Attack = {
  name: 'bad-rows',
  what: 'requests that make ONNX Runtime fail, one after the other',
  promised: { answered: 0.95, probeMs: 1000, growthBytes: 128 * MIB },
  run: flood(
    () =>
      ModelInferRequest.encode({
        ...ModelInferRequest.fromPartial({
          modelName: 'gather',
          inputs: [
            { name: 'x', datatype: 'FP32', shape: [1n, 4n] },
            { name: 'index', datatype: 'INT64', shape: [1n] },
          ],
        }),
        rawInputContents: [new Uint8Array(16), new Uint8Array(new BigInt64Array([1_000_000n]).buffer)],
      }).finish(),
    4,
  ),
}
