/** Callers whose answers are large, and who do not read them. */
import { ModelInferRequest } from '../../../src/generated/grpc_service.js'
import type { Attack } from '../attack.js'
import { frame, open } from '../wire.js'

const MIB = 2 ** 20

export const slowReaders: Attack = {
  name: 'slow-readers',
  what: 'eight callers with answers of 32 MiB who read nothing of them',
  promised: { answered: 0.5, probeMs: 1000, growthBytes: 900 * MIB },
  run: async (target, signal) => {
    const message = frame(
      ModelInferRequest.encode({
        ...ModelInferRequest.fromPartial({
          modelName: 'echo',
          inputs: [{ name: 'x', datatype: 'FP32', shape: [BigInt(8 * MIB)] }],
        }),
        rawInputContents: [new Uint8Array(32 * MIB)],
      }).finish(),
    )
    const lane = async (): Promise<void> => {
      while (!signal.aborted) {
        const session = target.connect(signal)
        const stream = open(session)
        const ended = new Promise<void>((resolve) => stream.once('close', resolve))
        stream.pause()
        stream.end(message)
        const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        await Promise.race([ended, aborted])
        session.destroy()
      }
    }
    await Promise.all(Array.from({ length: 8 }, lane))
  },
}
