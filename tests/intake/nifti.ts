/** A NIfTI-1 file of int16 samples, 1 mm apart about the origin, for tests that need one of any size. */
export function niftiFile(size: readonly [number, number, number, number], samples: Int16Array): Uint8Array {
  const header = Buffer.alloc(352)
  header.writeInt32LE(348, 0)
  ;[4, ...size, 1, 1, 1].forEach((n, i) => header.writeInt16LE(n, 40 + 2 * i))
  header.writeInt16LE(4, 70)
  header.writeInt16LE(16, 72)
  ;[1, 1, 1, 1, 0].forEach((n, i) => header.writeFloatLE(n, 76 + 4 * i))
  header.writeFloatLE(352, 108)
  header.writeFloatLE(1, 112)
  header.writeUInt8(2 | 8, 123)
  header.writeInt16LE(1, 254)
  for (const axis of [0, 1, 2] as const) {
    header.writeFloatLE(1, 280 + 16 * axis + 4 * axis)
    header.writeFloatLE(-(size[axis] - 1) / 2, 280 + 16 * axis + 12)
  }
  header.write('n+1\0', 344, 'latin1')
  return Buffer.concat([header, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)])
}
