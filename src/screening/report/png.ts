/** A minimal PNG writer (ISO/IEC 15948): 8-bit grey or RGB, no filter. */

import { deflateSync } from 'node:zlib'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/** @param pixels width * height, row by row */
export function greyPng(pixels: Uint8Array, width: number, height: number): Buffer {
  return png(pixels, width, height, GREY)
}

/** @param pixels width * height * 3, row by row */
export function rgbPng(pixels: Uint8Array, width: number, height: number): Buffer {
  return png(pixels, width, height, RGB)
}

interface ColourType {
  readonly code: number
  readonly channels: number
}

const GREY: ColourType = { code: 0, channels: 1 }
const RGB: ColourType = { code: 2, channels: 3 }

function png(pixels: Uint8Array, width: number, height: number, { code, channels }: ColourType): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 8 // bits
  header[9] = code // the rest is 0: deflate, adaptive filters, not interlaced
  const row = width * channels
  const rows = Buffer.alloc((row + 1) * height)
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * row, (y + 1) * row), y * (row + 1) + 1)
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  body.copy(framed, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let bit = 0; bit < 8; bit++) c = (c & 1) === 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  return c
})

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0)
  return (crc ^ 0xffffffff) >>> 0
}
