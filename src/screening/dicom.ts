/** DICOM files by dicom-parser, with what unpacks bounded: the parser itself would inflate anything. */

import { constants, inflateRawSync } from 'node:zlib'
import dicomParser, { type DataSet, type ParseDicomOptions } from 'dicom-parser'

/** Of a deflated data set only the start is unpacked, which holds all that is asked of one. */
const MAX_DEFLATED = 64 * 1024

/**
 * @param bytes a part 10 file, or its beginning where `untilTag` is reached in it
 * @returns null where it is none, or is broken
 */
export function parseDicom(bytes: Uint8Array, untilTag?: string): DataSet | null {
  const options: ParseDicomOptions = { inflater: unpackStart }
  if (untilTag !== undefined) options.untilTag = untilTag
  try {
    return dicomParser.parseDicom(bytes, options)
  } catch {
    return null
  }
}

/** The file with its data set unpacked, as the parser wants it (its types say that it wants nothing). */
function unpackStart(bytes: Uint8Array, position: number): Uint8Array {
  const packed = bytes.subarray(position, position + MAX_DEFLATED)
  const unpacked = inflateRawSync(packed, { finishFlush: constants.Z_SYNC_FLUSH })
  return Buffer.concat([bytes.subarray(0, position), unpacked])
}
