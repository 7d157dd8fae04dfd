/** Decoders of the JPEG family, one interface over the well-kept ones. Loaded when first needed. */

import { createRequire } from 'node:module'
import type { Compression } from '../transfer-syntax.js'
import { jpeg2000Size, jpegSize, type CodestreamSize } from './codestream.js'
import { decodeRle } from './rle.js'

/** One frame's samples, little endian, without padding between them. */
export interface Decoded {
  readonly bytes: Uint8Array
  readonly bytesPerSample: 1 | 2
}

interface WasmDecoder {
  getEncodedBuffer(length: number): Uint8Array
  decode(): void
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number }
  getDecodedBuffer(): Uint8Array
  delete(): void
}

type WasmModule = Record<string, new () => WasmDecoder>
type WasmFactory = (options: Record<string, unknown>) => Promise<WasmModule>

interface LosslessModule {
  Decoder: new () => {
    decompress(buffer: ArrayBuffer, offset: number, length: number): ArrayBuffer
    numBytes: number
  }
}

const require = createRequire(import.meta.url)
const WASM = {
  'jpeg-2000': ['@cornerstonejs/codec-openjpeg', 'J2KDecoder'],
  'jpeg-ls': ['@cornerstonejs/codec-charls', 'JpegLSDecoder'],
  jpeg: ['@cornerstonejs/codec-libjpeg-turbo-8bit', 'JPEGDecoder'],
} as const

const modules = new Map<string, Promise<WasmModule>>()

function wasmModule(name: string): Promise<WasmModule> {
  let module = modules.get(name)
  if (module === undefined) {
    const factory = require(`${name}/decodewasmjs`) as WasmFactory
    const silent = (): void => undefined
    module = factory({
      locateFile: () => require.resolve(`${name}/decodewasm`),
      print: silent,
      printErr: silent,
    })
    modules.set(name, module)
  }
  return module
}

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
  if (compression === 'jpeg-lossless') return decodeLossless(bytes, rows * columns)
  if (compression === 'jpeg-2000' || compression === 'jpeg-ls' || compression === 'jpeg') {
    return decodeWasm(compression, bytes, rows * columns)
  }
  return null
}

function fits(size: CodestreamSize | null, rows: number, columns: number): boolean {
  return size !== null && size.rows === rows && size.columns === columns && size.components === 1
}

function decodeLossless(bytes: Uint8Array, pixels: number): Decoded | null {
  const { Decoder } = require('jpeg-lossless-decoder-js') as LosslessModule
  const decoder = new Decoder()
  try {
    const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
    const out = new Uint8Array(decoder.decompress(own, 0, own.byteLength))
    return sized(out, pixels)
  } catch {
    return null
  }
}

async function decodeWasm(
  compression: keyof typeof WASM,
  bytes: Uint8Array,
  pixels: number,
): Promise<Decoded | null> {
  const [name, className] = WASM[compression]
  const module = await wasmModule(name)
  const Decoder = module[className]
  if (Decoder === undefined) throw new Error(`${name} has no ${className}`)
  try {
    const decoder = new Decoder()
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
    modules.delete(name)
    return null
  }
}

function sized(bytes: Uint8Array, pixels: number): Decoded | null {
  if (bytes.byteLength === pixels) return { bytes, bytesPerSample: 1 }
  if (bytes.byteLength === 2 * pixels) return { bytes, bytesPerSample: 2 }
  return null
}
