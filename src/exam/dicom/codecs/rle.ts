/** RLE Lossless (PS3.5, annex G): PackBits of byte planes, the most significant first. */

const HEADER = 64

/**
 * @param bytes one frame, its 64-byte header included
 * @returns samples of `width` bytes, little endian; null when the frame is broken or too short
 */
export function decodeRle(bytes: Uint8Array, pixels: number, width: number): Uint8Array | null {
  if (bytes.byteLength < HEADER) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const segments = view.getUint32(0, true)
  if (segments !== width) return null
  const out = new Uint8Array(pixels * width)
  for (let plane = 0; plane < width; plane++) {
    const from = view.getUint32(4 + 4 * plane, true)
    const to = plane + 1 < width ? view.getUint32(8 + 4 * plane, true) : bytes.byteLength
    if (from < HEADER || to > bytes.byteLength || from > to) return null
    if (!unpack(bytes.subarray(from, to), out, width - 1 - plane, width, pixels)) return null
  }
  return out
}

function unpack(
  packed: Uint8Array,
  out: Uint8Array,
  offset: number,
  stride: number,
  pixels: number,
): boolean {
  let done = 0
  for (let at = 0; done < pixels && at < packed.length;) {
    const control = packed[at++] ?? 0
    if (control < 128) {
      const run = Math.min(control + 1, pixels - done)
      if (at + run > packed.length) return false
      for (let i = 0; i < run; i++) out[(done + i) * stride + offset] = packed[at + i] ?? 0
      at += control + 1
      done += run
    } else if (control > 128) {
      const run = Math.min(257 - control, pixels - done)
      if (at >= packed.length) return false
      const value = packed[at++] ?? 0
      for (let i = 0; i < run; i++) out[(done + i) * stride + offset] = value
      done += run
    }
  }
  return done === pixels
}
