/**
 * Tokens of protobuf's text format (https://protobuf.dev/reference/protobuf/textformat-spec), each with
 * the place where it stands, so that every later complaint can point at a line and a column.
 */

/** Both count from 1; a column is a character, not a byte. */
export interface Position {
  readonly line: number
  readonly column: number
}

export type Token =
  | { readonly kind: 'identifier'; readonly text: string; readonly at: Position }
  | { readonly kind: 'number'; readonly text: string; readonly at: Position }
  | { readonly kind: 'string'; readonly bytes: Uint8Array; readonly at: Position }
  | { readonly kind: 'symbol'; readonly text: string; readonly at: Position }
  | { readonly kind: 'end'; readonly at: Position }

/** A fault in the text: what was expected at a place and what stands there. */
export class TextFormatError extends Error {
  override readonly name = 'TextFormatError'

  constructor(
    readonly at: Position,
    readonly expected: string,
    readonly found: string,
  ) {
    super(`${at.line}:${at.column}: expected ${expected}, found ${found}`)
  }
}

const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/y
// A number runs on through letters, so that "12abc" is one bad number and not a number and a name.
const NUMBER = /(?:\.[0-9]|[0-9])(?:[eE][+-]?|[A-Za-z0-9_.])*/y
const SKIPPED = /(?:[ \t\r\n\f\v]|#[^\n]*)+/y
const PLAIN_IN_DOUBLE = /[^"\\\n]+/y
const PLAIN_IN_SINGLE = /[^'\\\n]+/y
const SYMBOLS = '{}<>[]:,;-/.'
const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '?': 63,
  '\\': 92,
  "'": 39,
  '"': 34,
}

/** Splits a whole text; the last token is always `end`. Throws TextFormatError. */
export function tokenize(text: string): Token[] {
  return new Tokenizer(text).run()
}

class Tokenizer {
  private offset = 0
  private line = 1
  private column = 1
  /** Up to where `column` has counted, so that a long line is walked once. */
  private counted = 0

  constructor(private readonly text: string) {
    if (text.startsWith('\uFEFF')) this.offset = this.counted = 1
  }

  run(): Token[] {
    const tokens: Token[] = []
    for (;;) {
      this.skip()
      const at = this.position()
      const char = this.text[this.offset]
      if (char === undefined) return [...tokens, { kind: 'end', at }]
      if (char === '"' || char === "'") {
        tokens.push({ kind: 'string', bytes: this.string(char), at })
        continue
      }
      const identifier = this.match(IDENTIFIER)
      if (identifier !== null) {
        tokens.push({ kind: 'identifier', text: identifier, at })
        continue
      }
      const number = this.match(NUMBER)
      if (number !== null) {
        tokens.push({ kind: 'number', text: number, at })
        continue
      }
      if (!SYMBOLS.includes(char)) throw new TextFormatError(at, 'a field, a value or a bracket', show(char))
      this.offset += 1
      tokens.push({ kind: 'symbol', text: char, at })
    }
  }

  private position(): Position {
    this.column += Array.from(this.text.slice(this.counted, this.offset)).length
    this.counted = this.offset
    return { line: this.line, column: this.column }
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.offset
    const found = pattern.exec(this.text)
    if (found === null) return null
    this.offset += found[0].length
    return found[0]
  }

  private skip(): void {
    const from = this.offset
    const skipped = this.match(SKIPPED)
    if (skipped === null) return
    for (let i = 0; i < skipped.length; i++) {
      if (skipped[i] !== '\n') continue
      this.line += 1
      this.column = 1
      this.counted = from + i + 1
    }
  }

  private string(quote: string): Uint8Array {
    const start = this.position()
    this.offset += 1
    const chunks: Uint8Array[] = []
    for (;;) {
      const plain = this.match(quote === '"' ? PLAIN_IN_DOUBLE : PLAIN_IN_SINGLE)
      if (plain !== null) chunks.push(new TextEncoder().encode(plain))
      const char = this.text[this.offset]
      if (char === undefined) throw new TextFormatError(start, `a closing ${quote}`, 'the end of the file')
      if (char === '\n') throw new TextFormatError(start, `a closing ${quote}`, 'the end of the line')
      if (char === quote) {
        this.offset += 1
        return Buffer.concat(chunks)
      }
      chunks.push(this.escape())
    }
  }

  private escape(): Uint8Array {
    const at = this.position()
    this.offset += 1
    const char = this.text[this.offset] ?? ''
    const simple = SIMPLE_ESCAPES[char]
    if (simple !== undefined) {
      this.offset += 1
      return Uint8Array.of(simple)
    }
    const octal = this.match(/[0-7]{1,3}/y)
    if (octal !== null) {
      const value = parseInt(octal, 8)
      if (value > 255) throw new TextFormatError(at, 'an octal escape up to \\377', `\\${octal}`)
      return Uint8Array.of(value)
    }
    const hex = this.match(/[xX][0-9A-Fa-f]{1,2}/y)
    if (hex !== null) return Uint8Array.of(parseInt(hex.slice(1), 16))
    const unicode = this.match(/u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}/y)
    const point = unicode === null ? NaN : parseInt(unicode.slice(1), 16)
    if (!(point <= 0x10ffff) || (point >= 0xd800 && point <= 0xdfff)) {
      throw new TextFormatError(
        at,
        'an escape sequence',
        `\\${unicode ?? (char === '\n' ? 'end of line' : char)}`,
      )
    }
    return new TextEncoder().encode(String.fromCodePoint(point))
  }
}

/** A token as a message shows it. */
export function describe(token: Token): string {
  if (token.kind === 'end') return 'the end of the file'
  if (token.kind === 'string') return `the string ${show(new TextDecoder().decode(token.bytes))}`
  return show(token.text)
}

function show(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text)
}
