/** One DICOM file's header (PS3.10), read without its pixel data. */

import { inflatingReader, type Unpacking } from '../inflate.js'
import type { ByteReader } from '../source.js'
import { Dataset, ElementReader, Malformed, NeedMore, type Encoding, type ElementHeader } from './dataset.js'
import { TAGS } from './tags.js'
import { plainSyntax, transferSyntax, type TransferSyntax } from './transfer-syntax.js'

export interface DicomHeader {
  readonly syntax: TransferSyntax
  readonly dataset: Dataset
  /** Where the data set starts in the file (the deflated part, for a deflated file). */
  readonly start: number
  /** The pixel data element, `at` counted from `start` when deflated and from the file's start otherwise. */
  readonly pixels: ElementHeader | null
}

const FIRST_READ = 64 * 1024
const PREAMBLE = 128
const META_READER: Encoding = { explicit: true, littleEndian: true }
const PIXEL_TAGS: readonly number[] = [TAGS.PixelData, TAGS.FloatPixelData, TAGS.DoubleFloatPixelData]
const VRS = new Set(
  'AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV'.split(
    ' ',
  ),
)

/**
 * Reads everything before the pixel data that tags.ts lists.
 * A missing preamble or missing file meta information is tolerated where the data set itself tells its encoding.
 * @param maxHeaderBytes the largest single element, sequences included, that is read
 * @returns null when the bytes are not DICOM
 * @throws Malformed when they are, and are broken
 * @throws ExamRejection EXAM_TOO_LARGE when they unpack to too much
 */
export async function readDicomHeader(
  reader: ByteReader,
  maxHeaderBytes: number,
  unpacking: Unpacking,
): Promise<DicomHeader | null> {
  const head = await reader.read(0, FIRST_READ)
  const metaAt = isMagic(head) ? PREAMBLE + 4 : startsWithMeta(head) ? 0 : null
  const meta = metaAt === null ? null : readMeta(head, metaAt)
  const start = meta?.end ?? 0
  const declared = meta === null ? '' : meta.dataset.text('TransferSyntaxUID')
  const syntax = settle(declared === '' ? null : transferSyntax(declared), sniff(head, start))
  if (syntax === null) return null

  const body = syntax.deflated ? inflatingReader(reader, start, unpacking) : reader
  const { dataset, pixels } = await readDataset(
    body,
    syntax.deflated ? 0 : start,
    syntax.encoding,
    maxHeaderBytes,
  ).finally(() => (body === reader ? undefined : body.close()))
  const known = dataset.has('SOPClassUID') || dataset.has('Modality')
  if (!known && metaAt !== PREAMBLE + 4) return null
  return { syntax, dataset, start, pixels }
}

/** The reader in which `header.pixels.at` counts; to be closed before `reader` where it is another one. */
export function pixelReader(
  reader: ByteReader,
  header: Pick<DicomHeader, 'syntax' | 'start'>,
  unpacking: Unpacking,
): ByteReader {
  return header.syntax.deflated ? inflatingReader(reader, header.start, unpacking) : reader
}

/** Whether it begins as a file with a preamble does. */
export function isMagic(head: Uint8Array): boolean {
  return (
    Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1', PREAMBLE, PREAMBLE + 4) ===
    'DICM'
  )
}

function startsWithMeta(head: Uint8Array): boolean {
  const encoding = sniff(head, 0)
  return head[0] === 2 && head[1] === 0 && encoding !== null && encoding.explicit
}

function readMeta(head: Uint8Array, metaAt: number): { dataset: Dataset; end: number } {
  const elements = new ElementReader(head, META_READER)
  const dataset = new Dataset()
  let at = metaAt
  try {
    while (at < head.byteLength) {
      const header = elements.header(at)
      if (header.tag >>> 16 !== 2) break
      at = elements.value(header, dataset)
    }
  } catch (error) {
    // A data set in implicit VR or big endian follows: its first element does not read as explicit little endian.
    if (!(error instanceof Malformed || error instanceof NeedMore)) throw error
  }
  return { dataset, end: at }
}

/** The encoding that the first element of a data set shows; null when nothing fits. */
function sniff(head: Uint8Array, at: number): Encoding | null {
  if (at + 8 > head.byteLength) return null
  const group = (head[at] ?? 0) | ((head[at + 1] ?? 0) << 8)
  const littleEndian = group === 0x0008 || group === 0x0002
  if (!littleEndian && group !== 0x0800 && group !== 0x0200) return null
  const vr = String.fromCharCode(head[at + 4] ?? 0, head[at + 5] ?? 0)
  if (VRS.has(vr)) return { explicit: true, littleEndian }
  const length = new DataView(head.buffer, head.byteOffset).getUint32(at + 4, true)
  return littleEndian && length < 0x10000 ? { explicit: false, littleEndian } : null
}

/** What the file says, unless its own first element contradicts it. */
function settle(declared: TransferSyntax | null, seen: Encoding | null): TransferSyntax | null {
  if (declared === null) return seen === null ? null : plainSyntax(seen)
  const wrong = seen !== null && declared.compression === 'none' && !declared.deflated
  return wrong && seen.explicit !== declared.encoding.explicit ? plainSyntax(seen) : declared
}

async function readDataset(
  reader: ByteReader,
  start: number,
  encoding: Encoding,
  maxHeaderBytes: number,
): Promise<{ dataset: Dataset; pixels: ElementHeader | null }> {
  const dataset = new Dataset()
  let base = start
  let wanted = FIRST_READ
  for (;;) {
    const bytes = await reader.read(base, wanted)
    const atEnd = bytes.byteLength < wanted
    const elements = new ElementReader(bytes, encoding)
    let at = 0
    try {
      for (;;) {
        if (atEnd && at === bytes.byteLength) return { dataset, pixels: null }
        const header = elements.header(at)
        if (PIXEL_TAGS.includes(header.tag)) return { dataset, pixels: { ...header, at: base + header.at } }
        at = elements.value(header, dataset)
      }
    } catch (error) {
      if (!(error instanceof NeedMore)) throw error
      if (atEnd) throw new Malformed('the file ends in the middle of an element')
      const needed = error.bytes - at
      if (needed > maxHeaderBytes) throw new Malformed('the header is larger than is read')
      // An element that did not fit is read again from its start, with room to spare.
      wanted =
        at === 0
          ? Math.min(Math.max(2 * wanted, needed), Math.max(maxHeaderBytes, needed))
          : Math.max(FIRST_READ, needed)
      base += at
      if (base > reader.size) throw new Malformed('the file ends in the middle of an element')
    }
  }
}
