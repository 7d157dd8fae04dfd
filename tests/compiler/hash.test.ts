import { createHash } from 'node:crypto'
import test from 'ava'
import { sha256, updateHash } from '../../src/compiler/hash.js'

test('data is hashed in pieces, as in one', (t) => {
  const data = Uint8Array.from({ length: 1000 }, (_, i) => i * 7)
  const expected = createHash('sha256').update(data).digest('hex')
  for (const piece of [1, 7, 999, 1000, 1001]) {
    t.is(updateHash(createHash('sha256'), data, piece).digest('hex'), expected)
  }
  t.is(sha256(data.subarray(0, 10), data.subarray(10)), expected)
})
