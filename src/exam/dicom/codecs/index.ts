/** Decoders of compressed pixel data, one interface over the well-kept ones. Started when first needed. */

import type { Compression } from '../transfer-syntax.js'
import { jpeg2000Size, jpegSize, type CodestreamSize } from './codestream.js'
import { decodeJpegLossless } from './jpeg-lossless.js'
import { decodeRle } from './rle.js'

/** One frame's samples, little endian, without padding between them. */
export interface Decoded {
  readonly bytes: Uint8Array
  readonly bytesPerSample: 1 | 2
}

type Decoder = () => WasmDecoder
type WasmCompression = 'jpeg-2000' | 'jpeg-ls' | 'jpeg'

/**
 * They would print what they make of a broken file. An object for each instance: a factory makes the one that
 * it is given into the module, and handed in again it stays the module that trapped.
 */
const silent = (): WasmOptions => ({ print: () => undefined, printErr: () => undefined })

const LOADERS: Readonly<Record<WasmCompression, () => Promise<Decoder>>> = {
  'jpeg-2000': async () => {
    const { default: load } = await import('@cornerstonejs/codec-openjpeg/decodewasmjs')
    const { J2KDecoder } = await load(silent())
    return () => new J2KDecoder()
  },
  'jpeg-ls': async () => {
    const { default: load } = await import('@cornerstonejs/codec-charls/decodewasmjs')
    const { JpegLSDecoder } = await load(silent())
    return () => new JpegLSDecoder()
  },
  jpeg: async () => {
    const { default: load } = await import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs')
    const { JPEGDecoder } = await load(silent())
    return () => new JPEGDecoder()
  },
}

/** Loads the code of all decoders, for a process that may load none later. */
export async function loadDecoders(): Promise<void> {
  await Promise.all([
    import('@cornerstonejs/codec-openjpeg/decodewasmjs'),
    import('@cornerstonejs/codec-charls/decodewasmjs'),
    import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
  ])
}

const loaded = new Map<WasmCompression, Promise<Decoder>>()

/**
 * Decodes one frame of one component. What a decoder throws, and what does not fit the header, comes back as null.
 * @param rows, columns what the header says; a codestream that says otherwise is not decoded
 * @param bytesPerSample of the header, for RLE, which does not say it itself
 */
export async function decode(
  compression: Compression,
  bytes: Uint8Array,
  rows: number,
  columns: number,
  bytesPerSample: number,
): Promise<Decoded | null> {
  if (compression === 'rle') {
    const planes = bytesPerSample === 1 ? 1 : 2
    const decoded = decodeRle(bytes, rows * columns, planes)
    return decoded === null ? null : { bytes: decoded, bytesPerSample: planes }
  }
  const size = compression === 'jpeg-2000' ? jpeg2000Size(bytes) : jpegSize(bytes)
  if (!fits(size, rows, columns)) return null
  if (compression === 'jpeg-lossless') return decodeLossless(bytes)
  if (compression === 'jpeg-2000' || compression === 'jpeg-ls' || compression === 'jpeg') {
    return decodeWasm(compression, bytes, rows * columns)
  }
  return null
}

function fits(size: CodestreamSize | null, rows: number, columns: number): boolean {
  return size !== null && size.rows === rows && size.columns === columns && size.components === 1
}

function decodeLossless(bytes: Uint8Array): Decoded | null {
  const samples = decodeJpegLossless(bytes)
  if (samples === null) return null
  const bytesPerSample = samples instanceof Uint8Array ? 1 : 2
  return { bytes: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), bytesPerSample }
}

async function decodeWasm(
  compression: WasmCompression,
  bytes: Uint8Array,
  pixels: number,
): Promise<Decoded | null> {
  let create = loaded.get(compression)
  if (create === undefined) loaded.set(compression, (create = LOADERS[compression]()))
  try {
    const decoder = (await create)()
    try {
      decoder.getEncodedBuffer(bytes.byteLength).set(bytes)
      decoder.decode()
      // The decoded buffer is the module's memory: copied before anything else runs in it.
      return sized(decoder.getDecodedBuffer().slice(), pixels)
    } finally {
      decoder.delete()
    }
  } catch {
    // A module that trapped may be left in any state: the next frame gets a fresh one.
    loaded.delete(compression)
    return null
  }
}

function sized(bytes: Uint8Array, pixels: number): Decoded | null {
  if (bytes.byteLength === pixels) return { bytes, bytesPerSample: 1 }
  if (bytes.byteLength === 2 * pixels) return { bytes, bytesPerSample: 2 }
  return null
}
