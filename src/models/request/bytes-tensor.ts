/** BYTES tensors on the wire: each element a little-endian uint32 length and its bytes, one after another. */
import { PIECE, runAtOnce, type Sliced } from '../../slices.js'
import { invalid, quote } from './messages.js'

/** Elements that are put into a tensor at once. */
const SETS = 8192

/** INVALID_REQUEST unless `data` holds exactly `elements` well-formed elements. */
export function* checkBytesTensor(
  name: string,
  model: string,
  data: Uint8Array,
  elements: number,
): Sliced<undefined> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const tensor = tensorOf(name, model)
  let offset = 0
  let found = 0
  while (offset < data.byteLength) {
    const left = data.byteLength - offset
    if (left < 4) {
      throw invalid(
        `incomplete string length indicator for ${tensor}, expecting 4 bytes but only ${left} bytes available`,
      )
    }
    found += 1
    if (found > elements) throw wrongCount(name, model, found, elements)
    const length = view.getUint32(offset, true)
    if (length > left - 4) {
      throw invalid(
        `incomplete string data for ${tensor}, expecting ${length} bytes but only ${left - 4} bytes available`,
      )
    }
    offset += 4 + length
    if (found % PIECE === 0) yield
  }
  if (found < elements) throw wrongCount(name, model, found, elements)
}

/** More elements are not counted to their end. */
export function wrongCount(name: string, model: string, found: number, elements: number): Error {
  const tensor = tensorOf(name, model)
  return found > elements
    ? invalid(`unexpected number of string elements ${found} for ${tensor}, expecting ${elements}`)
    : invalid(`expected ${elements} string elements for ${tensor}, got ${found}`)
}

function tensorOf(name: string, model: string): string {
  return `inference input ${quote(name)} for model ${quote(model)}`
}

/** The same bytes from elements that came one by one. */
export function encodeBytesTensor(elements: readonly Uint8Array[]): Uint8Array {
  return runAtOnce(encodeElements(elements))
}

/** In pieces, where there may be many. */
export function* encodeElements(elements: readonly Uint8Array[]): Sliced<Uint8Array> {
  const data = new Uint8Array(elements.reduce((size, element) => size + 4 + element.byteLength, 0))
  const view = new DataView(data.buffer)
  let offset = 0
  for (const [i, element] of elements.entries()) {
    view.setUint32(offset, element.byteLength, true)
    data.set(element, offset + 4)
    offset += 4 + element.byteLength
    if (i % SETS === SETS - 1) yield
  }
  return data
}
