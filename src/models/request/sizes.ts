/** Sizes of tensors, safe against products that overflow. */
import { invalid, quote, showShape } from './messages.js'

const LARGEST = Number.MAX_SAFE_INTEGER

/** Elements of a shape; INVALID_REQUEST for a negative dimension or more than can be counted. */
export function elementCount(name: string, shape: readonly number[]): number {
  let empty = false
  let count = 1
  for (const dim of shape) {
    if (dim < 0)
      throw invalid(`tensor ${quote(name)} contains an invalid dimension in shape ${showShape(shape)}`)
    if (dim > LARGEST) throw tooLarge('element count', name)
    empty ||= dim === 0
  }
  // A zero anywhere makes the tensor empty, however large the other dimensions are.
  if (empty) return 0
  for (const dim of shape) count = multiply(count, dim, 'element count', name)
  return count
}

export function byteCount(name: string, elements: number, elementSize: number): number {
  return multiply(elements, elementSize, 'byte size', name)
}

function multiply(a: number, b: number, what: string, name: string): number {
  // The rounded product of two safe integers is beyond the limit whenever the exact one is.
  const product = a * b
  if (product > LARGEST) throw tooLarge(what, name)
  return product
}

function tooLarge(what: string, name: string): Error {
  return invalid(`${what} for tensor ${quote(name)} exceeds maximum size of ${LARGEST}`)
}
