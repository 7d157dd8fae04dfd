/** Transfer syntaxes (PS3.5, annex A; PS3.6, table A-1): which are read, and the names of those that are not. */

import type { Encoding } from './dataset.js'

export type Compression = 'none' | 'rle' | 'jpeg' | 'jpeg-lossless' | 'jpeg-ls' | 'jpeg-2000' | 'unsupported'

export interface TransferSyntax {
  readonly name: string
  readonly encoding: Encoding
  readonly deflated: boolean
  readonly compression: Compression
}

const EXPLICIT_LE: Encoding = { explicit: true, littleEndian: true }
const IMPLICIT_LE: Encoding = { explicit: false, littleEndian: true }
const EXPLICIT_BE: Encoding = { explicit: true, littleEndian: false }

const ROOT = '1.2.840.10008.1.2'

function plain(name: string, encoding: Encoding, deflated = false): TransferSyntax {
  return { name, encoding, deflated, compression: 'none' }
}

function encapsulated(name: string, compression: Compression): TransferSyntax {
  return { name, encoding: EXPLICIT_LE, deflated: false, compression }
}

const KNOWN = new Map<string, TransferSyntax>([
  ['', plain('Implicit VR Little Endian', IMPLICIT_LE)],
  ['.1', plain('Explicit VR Little Endian', EXPLICIT_LE)],
  ['.1.99', plain('Deflated Explicit VR Little Endian', EXPLICIT_LE, true)],
  ['.2', plain('Explicit VR Big Endian', EXPLICIT_BE)],
  ['.5', encapsulated('RLE Lossless', 'rle')],
  ['.4.50', encapsulated('JPEG Baseline (Process 1)', 'jpeg')],
  ['.4.57', encapsulated('JPEG Lossless (Process 14)', 'jpeg-lossless')],
  ['.4.70', encapsulated('JPEG Lossless (Process 14, Selection Value 1)', 'jpeg-lossless')],
  ['.4.80', encapsulated('JPEG-LS Lossless', 'jpeg-ls')],
  ['.4.81', encapsulated('JPEG-LS Near-Lossless', 'jpeg-ls')],
  ['.4.90', encapsulated('JPEG 2000 Lossless Only', 'jpeg-2000')],
  ['.4.91', encapsulated('JPEG 2000', 'jpeg-2000')],
  ['.4.51', encapsulated('JPEG Extended (Process 2 and 4)', 'unsupported')],
  ['.4.92', encapsulated('JPEG 2000 Multi-component Lossless Only', 'unsupported')],
  ['.4.93', encapsulated('JPEG 2000 Multi-component', 'unsupported')],
  ['.4.94', encapsulated('JPIP Referenced', 'unsupported')],
  ['.4.95', encapsulated('JPIP Referenced Deflate', 'unsupported')],
  ['.4.100', encapsulated('MPEG2 Main Profile / Main Level', 'unsupported')],
  ['.4.101', encapsulated('MPEG2 Main Profile / High Level', 'unsupported')],
  ['.4.102', encapsulated('MPEG-4 AVC/H.264 High Profile', 'unsupported')],
  ['.4.103', encapsulated('MPEG-4 AVC/H.264 BD-compatible High Profile', 'unsupported')],
  ['.4.104', encapsulated('MPEG-4 AVC/H.264 High Profile For 2D Video', 'unsupported')],
  ['.4.105', encapsulated('MPEG-4 AVC/H.264 High Profile For 3D Video', 'unsupported')],
  ['.4.106', encapsulated('MPEG-4 AVC/H.264 Stereo High Profile', 'unsupported')],
  ['.4.107', encapsulated('HEVC/H.265 Main Profile', 'unsupported')],
  ['.4.108', encapsulated('HEVC/H.265 Main 10 Profile', 'unsupported')],
  ['.4.110', encapsulated('JPEG XL Lossless', 'unsupported')],
  ['.4.111', encapsulated('JPEG XL JPEG Recompression', 'unsupported')],
  ['.4.112', encapsulated('JPEG XL', 'unsupported')],
  ['.4.201', encapsulated('High-Throughput JPEG 2000 Lossless Only', 'unsupported')],
  ['.4.202', encapsulated('High-Throughput JPEG 2000 with RPCL Lossless Only', 'unsupported')],
  ['.4.203', encapsulated('High-Throughput JPEG 2000', 'unsupported')],
])

/** An unknown syntax is explicit little endian outside its pixel data, as PS3.5, A.4 asks of all newer ones. */
const UNKNOWN = encapsulated('an unknown or private one', 'unsupported')

export function transferSyntax(uid: string): TransferSyntax {
  if (!uid.startsWith(ROOT)) return UNKNOWN
  return KNOWN.get(uid.slice(ROOT.length)) ?? UNKNOWN
}

/** The syntax of a data set that names none, from how its first element looks. */
export function plainSyntax(encoding: Encoding): TransferSyntax {
  const found = [...KNOWN.values()].find(
    (syntax) =>
      syntax.compression === 'none' &&
      !syntax.deflated &&
      syntax.encoding.explicit === encoding.explicit &&
      syntax.encoding.littleEndian === encoding.littleEndian,
  )
  return found ?? UNKNOWN
}
