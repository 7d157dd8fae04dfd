/** The size that a JPEG family codestream claims, read before a decoder allocates for it. */

export interface CodestreamSize {
  readonly rows: number
  readonly columns: number
  readonly components: number
}

/** JPEG, JPEG Lossless and JPEG-LS: the first start-of-frame marker (ITU T.81, B.2.2; T.87, C.2.2). */
export function jpegSize(bytes: Uint8Array): CodestreamSize | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.byteLength < 4 || view.getUint16(0) !== 0xffd8) return null
  let at = 2
  while (at + 9 < bytes.byteLength) {
    if (bytes[at] !== 0xff) return null
    const marker = bytes[at + 1] ?? 0
    if (marker === 0xff) {
      at++
      continue
    }
    if (isStartOfFrame(marker)) {
      return { rows: view.getUint16(at + 5), columns: view.getUint16(at + 7), components: bytes[at + 9] ?? 0 }
    }
    at += 2 + view.getUint16(at + 2)
  }
  return null
}

function isStartOfFrame(marker: number): boolean {
  const huffmanOrArithmetic = marker === 0xc4 || marker === 0xc8 || marker === 0xcc
  return (marker >= 0xc0 && marker <= 0xcf && !huffmanOrArithmetic) || marker === 0xf7
}

/** Writers make one tile, or some dozens; a decoder takes time for each, however small it is. */
const MOST_TILES = 4096

/** JPEG 2000: the SIZ segment, which comes first (ITU T.800, A.5.1). Null where it has more tiles than any image. */
export function jpeg2000Size(bytes: Uint8Array): CodestreamSize | null {
  if (bytes.byteLength < 42) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0) !== 0xff4fff51) return null
  const [columns, rows, left, top, wide, high] = [8, 12, 16, 20, 24, 28].map((at) => view.getUint32(at))
  const tiles = Math.ceil((columns ?? 0) / (wide ?? 0)) * Math.ceil((rows ?? 0) / (high ?? 0))
  if (!(tiles <= MOST_TILES)) return null
  return {
    rows: (rows ?? 0) - (top ?? 0),
    columns: (columns ?? 0) - (left ?? 0),
    components: view.getUint16(40),
  }
}
