/** Arrays as NumPy reads them: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */

import { open, type FileHandle } from 'node:fs/promises'

const HEADER_BYTES = 128

/** A float32 array in C order, whose rows are written in any order; its first dimension is the count of rows. */
export class NpyFile {
  private constructor(
    private readonly file: FileHandle,
    private readonly row: readonly number[],
  ) {}

  /** @param row shape of one row */
  static async create(path: string, row: readonly number[]): Promise<NpyFile> {
    return new NpyFile(await open(path, 'w'), row)
  }

  async write(index: number, data: Float32Array): Promise<void> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    await this.file.write(bytes, 0, bytes.length, HEADER_BYTES + index * bytes.length)
  }

  /** The header holds the count, which is known at the end only. */
  async close(rows: number): Promise<void> {
    const shape = [rows, ...this.row].join(', ')
    const about = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape},), }`
    const header = Buffer.alloc(HEADER_BYTES, ' ')
    header.write('\x93NUMPY\x01\x00', 0, 'latin1')
    header.writeUInt16LE(HEADER_BYTES - 10, 8)
    header.write(about, 10, 'latin1')
    header.write('\n', HEADER_BYTES - 1, 'latin1')
    await this.file.write(header, 0, HEADER_BYTES, 0)
    await this.file.close()
  }
}
