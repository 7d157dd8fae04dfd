/** Texts of refusals. What clients match on (Triton's wording) lives beside the check that raises it. */
import { SentinodeError } from '../../errors.js'

export function invalid(message: string): SentinodeError {
  return new SentinodeError('INVALID_REQUEST', message)
}

/** A name from a request, short and printable: it may be anything, and messages travel in headers. */
export function quote(name: string): string {
  const short = name.length > 100 ? `${name.slice(0, 100)}...` : name
  return `'${short.replace(/[\u0000-\u001f\u007f-\u009f\ud800-\udfff]/g, '?')}'`
}

/** As Triton writes a list of names. */
export function quoteAll(names: readonly string[]): string {
  const shown = names.slice(0, 20).map(quote)
  return `[${[...shown, ...(names.length > 20 ? ['...'] : [])].join(',')}]`
}

export function showShape(shape: readonly (number | bigint)[]): string {
  const shown = shape.length > 16 ? [...shape.slice(0, 16), '...'] : shape
  return `[${shown.join(',')}]`
}
