/** One scalar of protobuf's text format, checked against the type that the schema gives it. */
import { ScalarType } from '@bufbuild/protobuf'
import { describe, TextFormatError, type Position, type Token } from './tokenizer.js'

const INTEGER_RANGES: Partial<Record<ScalarType, { name: string; min: bigint; max: bigint; long: boolean }>> =
  {
    [ScalarType.INT32]: { name: 'int32', min: -(2n ** 31n), max: 2n ** 31n - 1n, long: false },
    [ScalarType.UINT32]: { name: 'uint32', min: 0n, max: 2n ** 32n - 1n, long: false },
    [ScalarType.INT64]: { name: 'int64', min: -(2n ** 63n), max: 2n ** 63n - 1n, long: true },
    [ScalarType.UINT64]: { name: 'uint64', min: 0n, max: 2n ** 64n - 1n, long: true },
  }

/**
 * @param negative whether a minus stood before the token
 * @param at where the value begins, the minus included
 * @param name the field's, for the message
 */
export function parseScalar(
  type: ScalarType,
  token: Token,
  negative: boolean,
  at: Position,
  name: string,
): unknown {
  const fail = (expected: string): never => {
    const found = negative ? `"-" and ${describe(token)}` : describe(token)
    throw new TextFormatError(at, `${expected} for ${JSON.stringify(name)}`, found)
  }
  const integers = INTEGER_RANGES[type]
  if (integers !== undefined) {
    const magnitude = token.kind === 'number' ? parseInteger(token.text) : null
    if (magnitude === null) return fail(`an ${integers.name} number`)
    const value = negative ? -magnitude : magnitude
    if (value < integers.min || value > integers.max) {
      return fail(`an ${integers.name} number from ${integers.min} to ${integers.max}`)
    }
    return integers.long ? value : Number(value)
  }
  switch (type) {
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE: {
      const magnitude = parseFloating(token)
      if (magnitude === null) return fail('a number')
      const value = negative ? -magnitude : magnitude
      return type === ScalarType.FLOAT ? Math.fround(value) : value
    }
    case ScalarType.BOOL: {
      if (negative || (token.kind !== 'identifier' && token.kind !== 'number')) return fail('true or false')
      if (['true', 'True', 't', '1'].includes(token.text)) return true
      if (['false', 'False', 'f', '0'].includes(token.text)) return false
      return fail('true or false')
    }
    case ScalarType.BYTES:
      return negative || token.kind !== 'string' ? fail('a string in quotes') : token.bytes
    case ScalarType.STRING: {
      if (negative || token.kind !== 'string') return fail('a string in quotes')
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(token.bytes)
      } catch {
        throw new TextFormatError(at, `UTF-8 text for ${JSON.stringify(name)}`, 'bytes that are not')
      }
    }
    default:
      return fail('a type that the schema uses')
  }
}

/** Decimal, octal (leading 0) or hexadecimal; null for anything else. */
function parseInteger(text: string): bigint | null {
  if (/^0[xX][0-9A-Fa-f]+$/.test(text)) return BigInt(text)
  if (/^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`)
  return /^(0|[1-9][0-9]*)$/.test(text) ? BigInt(text) : null
}

function parseFloating(token: Token): number | null {
  if (token.kind === 'identifier') {
    if (/^inf(inity)?f?$/i.test(token.text)) return Infinity
    return /^nan$/i.test(token.text) ? NaN : null
  }
  if (token.kind !== 'number') return null
  const decimal = /^([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fF]?$/
  if (decimal.test(token.text) && !/^0[0-9]+$/.test(token.text)) return parseFloat(token.text)
  const integer = parseInteger(token.text)
  return integer === null ? null : Number(integer)
}
