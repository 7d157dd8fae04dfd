import test from 'ava'
import fc from 'fast-check'
import { Gatherer } from '../../src/grpc/gatherer.js'

/** A message as it is framed on the wire. */
function framed(bytes: Buffer, compressed = 0): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt8(compressed)
  prefix.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([prefix, bytes])
}

const pattern = (length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8)))

/** The same bytes in chunks of the lengths that are given, over and over. */
function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] as number
    chunks.push(bytes.subarray(at, at + length))
    at += length
  }
  return chunks
}

test('messages come out whole wherever their chunks are cut', (t) => {
  const messages = fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(1)), { maxLength: 6 })
  const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(messages, lengths, (list, chunked) => {
      const expected = list.map(([bytes, compressed]) => framed(Buffer.from(bytes), compressed))
      const gatherer = new Gatherer(-1)
      const found = cut(Buffer.concat(expected), chunked).flatMap((chunk) => gatherer.write(chunk))
      t.deepEqual(found, expected)
    }),
    { numRuns: 500, endOnFailure: true },
  )
})

test('large messages come out whole from chunks of every size', (t) => {
  const large = framed(pattern(3_000_001))
  const wire = Buffer.concat([large, framed(Buffer.from('x')), large])
  for (const lengths of [
    [1000],
    [4095],
    [4096],
    [65_536],
    [1_048_576],
    [5, 100_000],
    [70_000, 3, 1],
    [wire.length],
  ]) {
    const gatherer = new Gatherer(4_000_000)
    const found = cut(wire, lengths).flatMap((chunk) => gatherer.write(chunk))
    t.is(found.length, 3)
    t.true(found[0]?.equals(large) && found[2]?.equals(large), String(lengths))
  }
})

test('a message that is announced and too large is refused', (t) => {
  const gatherer = new Gatherer(10)
  t.is(gatherer.write(framed(Buffer.alloc(10))).length, 1)
  t.throws(() => gatherer.write(framed(Buffer.alloc(11)).subarray(0, 5)), {
    message: 'Received message larger than max (11 vs 10)',
  })
})

test('a message that is only announced takes no memory, and one in single bytes not much more than it has', (t) => {
  const announced = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff])
  const gatherers = Array.from({ length: 100 }, () => new Gatherer(-1))
  const before = process.memoryUsage()
  for (const gatherer of gatherers) t.is(gatherer.write(announced).length, 0)
  const used = (): number => {
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external - before.heapUsed - before.external
  }
  t.true(used() < 32 * 2 ** 20, `${used()} bytes`)
  const single = gatherers[0] as Gatherer
  const one = Buffer.alloc(1)
  for (let i = 0; i < 2 ** 21; i++) single.write(one)
  // Each chunk by itself is an object of some hundred bytes.
  t.true(used() < 64 * 2 ** 20, `${used()} bytes`)
})
