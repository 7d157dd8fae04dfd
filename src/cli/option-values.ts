/** What the text of an option says: parsers for commander, which end in its error of usage. */

import { InvalidArgumentError } from 'commander'

export function whole(text: string): number {
  const value = numberOf(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('expected a whole number')
}

export function positive(text: string): number {
  const value = numberOf(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new InvalidArgumentError('expected a whole number above 0')
}

export function tolerance(text: string): number {
  const value = numberOf(text)
  if (Number.isFinite(value) && value >= 0) return value
  throw new InvalidArgumentError('expected a number of at least 0')
}

export const seconds = (text: string): number[] => numbers(text, null, 'seconds, separated by commas')

/** @param count of the numbers; null for any */
export function numbers(text: string, count: number | null, expected: string): number[] {
  const values = text.split(',').map(numberOf)
  if (values.every(Number.isFinite) && (count === null || values.length === count)) return values
  throw new InvalidArgumentError(`expected ${expected}`)
}

/** The name ends where the first `=` is. */
export function assignment(text: string): [name: string, value: string] {
  const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === '') throw new InvalidArgumentError('expected NAME=VALUE')
  return [name, value]
}

/** NAME=SIZE, given once for each open dimension. */
export function dimension(
  text: string,
  before: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> {
  const [name, size] = assignment(text)
  return new Map([...before, [name, whole(size)]])
}

/** Of an option that may be given several times: all that was given. */
export const repeated = (value: string, before: readonly string[] = []): string[] => [...before, value]

/** NaN for no text as well, of which Number makes 0. */
function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text)
}
