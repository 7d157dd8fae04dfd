/**
 * Reads protobuf's text format into a message, driven by the message's descriptor: what is not in the
 * schema, or has another type, is an error at its place. Knows nothing of any particular message.
 */
import {
  create,
  ScalarType,
  type DescEnum,
  type DescField,
  type DescMessage,
  type Message,
} from '@bufbuild/protobuf'
import { reflect, type ReflectList, type ReflectMap, type ReflectMessage } from '@bufbuild/protobuf/reflect'
import { suggest } from '../../config/suggest.js'
import { describe, TextFormatError, tokenize, type Position, type Token } from './tokenizer.js'
import { parseScalar } from './scalars.js'

/** Where each field was written, by path: `input[0].dims[1]`, `parameters["target"].string_value`. */
export type Positions = ReadonlyMap<string, Position>

export interface ParsedText {
  readonly message: Message
  readonly positions: Positions
}

/** Throws TextFormatError at the first fault. */
export function parseText(text: string, schema: DescMessage): ParsedText {
  const parser = new Parser(tokenize(text))
  const message = reflect(schema, create(schema))
  parser.fields(message, '', null)
  return { message: message.message, positions: parser.positions }
}

class Parser {
  positions = new Map<string, Position>()
  private next = 0

  constructor(private readonly tokens: readonly Token[]) {}

  /** Fields up to `close`, or up to the end of the text where it is null. */
  fields(into: ReflectMessage, path: string, close: string | null): void {
    for (;;) {
      const token = this.take()
      if (close === null ? token.kind === 'end' : isSymbol(token, close)) return
      if (token.kind !== 'identifier') {
        const end = close === null ? 'the end of the file' : JSON.stringify(close)
        throw new TextFormatError(token.at, `a field of ${into.desc.name} or ${end}`, describe(token))
      }
      const field = into.fields.find((candidate) => candidate.name === token.text)
      if (field === undefined) {
        throw new TextFormatError(
          token.at,
          `a field of ${into.desc.name}${nearest(into, token.text)}`,
          describe(token),
        )
      }
      this.field(into, field, join(path, field.name), token)
      if (isSymbol(this.peek(), ',') || isSymbol(this.peek(), ';')) this.take()
    }
  }

  private field(into: ReflectMessage, field: DescField, path: string, name: Token): void {
    const isMessage =
      field.fieldKind === 'message' || (field.fieldKind === 'list' && field.listKind === 'message')
    const colon = isSymbol(this.peek(), ':')
    if (colon) this.take()
    else if (!isMessage && field.fieldKind !== 'map') {
      throw new TextFormatError(
        this.peek().at,
        `":" after ${JSON.stringify(field.name)}`,
        describe(this.peek()),
      )
    }
    if (field.fieldKind !== 'list' && field.fieldKind !== 'map') this.checkOnce(into, field, name)
    this.mark(path, name.at)
    const repeated = field.fieldKind === 'list' || field.fieldKind === 'map'
    if (!repeated || !isSymbol(this.peek(), '[')) {
      this.value(into, field, path)
      return
    }
    this.take()
    if (isSymbol(this.peek(), ']')) {
      this.take()
      return
    }
    for (;;) {
      this.value(into, field, path)
      const separator = this.take()
      if (isSymbol(separator, ']')) return
      if (!isSymbol(separator, ','))
        throw new TextFormatError(separator.at, '"," or "]"', describe(separator))
    }
  }

  private value(into: ReflectMessage, field: DescField, path: string): void {
    switch (field.fieldKind) {
      case 'scalar':
        into.set(field, this.scalar(field.scalar, field.name))
        return
      case 'enum':
        into.set(field, this.enumValue(field.enum, field.name))
        return
      case 'message':
        into.set(field, this.message(field.message, field.name, path))
        return
      case 'list': {
        const list: ReflectList = into.get(field)
        const item = `${path}[${list.size}]`
        this.mark(item, this.peek().at)
        if (field.listKind === 'scalar') list.add(this.scalar(field.scalar, field.name))
        else if (field.listKind === 'enum') list.add(this.enumValue(field.enum, field.name))
        else list.add(this.message(field.message, field.name, item))
        return
      }
      case 'map':
        this.mapEntry(into.get(field), field, path)
    }
  }

  private message(schema: DescMessage, name: string, path: string): ReflectMessage {
    const open = this.take()
    if (!isSymbol(open, '{') && !isSymbol(open, '<')) {
      throw new TextFormatError(open.at, `"{" of ${JSON.stringify(name)}`, describe(open))
    }
    const message = reflect(schema, create(schema))
    this.fields(message, path, isSymbol(open, '{') ? '}' : '>')
    return message
  }

  /** A map is written as messages of a `key` and a `value`; either may be left out. */
  private mapEntry(map: ReflectMap, field: DescField & { fieldKind: 'map' }, path: string): void {
    const open = this.take()
    if (!isSymbol(open, '{') && !isSymbol(open, '<')) {
      throw new TextFormatError(open.at, `"{" of ${JSON.stringify(field.name)}`, describe(open))
    }
    const close = isSymbol(open, '{') ? '}' : '>'
    let key: unknown
    let value: unknown
    let keyAt = open.at
    // The path of what is in the value has the key in it, which may be written after the value.
    const outer = this.positions
    const inner = (this.positions = new Map<string, Position>())
    for (let token = this.take(); !isSymbol(token, close); token = this.take()) {
      const part = token.kind === 'identifier' ? token.text : ''
      if (part !== 'key' && part !== 'value') {
        throw new TextFormatError(token.at, `"key", "value" or "${close}"`, describe(token))
      }
      if ((part === 'key' ? key : value) !== undefined) {
        throw new TextFormatError(token.at, `one "${part}"`, `"${part}" a second time`)
      }
      if (isSymbol(this.peek(), ':')) this.take()
      else if (part === 'key' || field.mapKind !== 'message') {
        throw new TextFormatError(this.peek().at, `":" after "${part}"`, describe(this.peek()))
      }
      if (part === 'key') {
        keyAt = this.peek().at
        key = this.scalar(field.mapKey, 'key')
      } else if (field.mapKind === 'message') value = this.message(field.message, 'value', '')
      else if (field.mapKind === 'enum') value = this.enumValue(field.enum, 'value')
      else value = this.scalar(field.scalar, 'value')
      if (isSymbol(this.peek(), ',') || isSymbol(this.peek(), ';')) this.take()
    }
    key ??=
      field.mapKey === ScalarType.STRING ? '' : field.mapKey === ScalarType.BOOL ? false : zero(field.mapKey)
    if (map.has(key))
      throw new TextFormatError(keyAt, 'each key once', `${JSON.stringify(String(key))} a second time`)
    value ??= emptyValue(field)
    map.set(key, value)
    const entry = `${path}[${JSON.stringify(String(key))}]`
    this.positions = outer
    this.mark(entry, keyAt)
    for (const [at, position] of inner) this.mark(`${entry}.${at}`, position)
  }

  private scalar(type: ScalarType, name: string): unknown {
    const negative = isSymbol(this.peek(), '-')
    const at = this.peek().at
    if (negative) this.take()
    const token = this.take()
    if (token.kind !== 'string') return parseScalar(type, token, negative, at, name)
    const parts = [token.bytes]
    for (let more = this.peek(); more.kind === 'string'; more = this.peek()) {
      parts.push(more.bytes)
      this.take()
    }
    return parseScalar(type, { ...token, bytes: Buffer.concat(parts) }, negative, at, name)
  }

  private enumValue(schema: DescEnum, name: string): number {
    const token = this.take()
    const known = schema.values.find((value) => {
      if (token.kind === 'identifier') return value.name === token.text
      return token.kind === 'number' && String(value.number) === token.text
    })
    if (known !== undefined) return known.number
    const names = schema.values.map((value) => value.name).join(', ')
    throw new TextFormatError(token.at, `one of ${names} for ${JSON.stringify(name)}`, describe(token))
  }

  private checkOnce(into: ReflectMessage, field: DescField, name: Token): void {
    // A scalar at its default reads as unset in proto3, so the text itself is asked.
    const written = this.writtenIn.get(into) ?? new Set<DescField>()
    this.writtenIn.set(into, written)
    if (written.has(field)) {
      throw new TextFormatError(name.at, `${JSON.stringify(field.name)} at most once`, 'it a second time')
    }
    const rival = field.oneof?.fields.find((other) => written.has(other))
    if (rival !== undefined) {
      throw new TextFormatError(
        name.at,
        `no other choice beside ${JSON.stringify(rival.name)}`,
        describe(name),
      )
    }
    written.add(field)
  }

  private readonly writtenIn = new Map<ReflectMessage, Set<DescField>>()

  private mark(path: string, at: Position): void {
    if (!this.positions.has(path)) this.positions.set(path, at)
  }

  private peek(): Token {
    // The last token is `end`, and nothing is taken after it.
    return this.tokens[this.next] as Token
  }

  private take(): Token {
    const token = this.peek()
    if (token.kind !== 'end') this.next += 1
    return token
  }
}

function isSymbol(token: Token, text: string): boolean {
  return token.kind === 'symbol' && token.text === text
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function zero(type: ScalarType): unknown {
  const long = [
    ScalarType.INT64,
    ScalarType.UINT64,
    ScalarType.SINT64,
    ScalarType.FIXED64,
    ScalarType.SFIXED64,
  ]
  return long.includes(type) ? 0n : 0
}

function emptyValue(field: DescField & { fieldKind: 'map' }): unknown {
  if (field.mapKind === 'message') return reflect(field.message, create(field.message))
  if (field.mapKind === 'enum') return 0
  return field.scalar === ScalarType.STRING
    ? ''
    : field.scalar === ScalarType.BOOL
      ? false
      : zero(field.scalar)
}

/** ` (did you mean "x"?)` where a field's name is near. */
function nearest(message: ReflectMessage, name: string): string {
  const meant = suggest(
    name,
    message.fields.map((field) => field.name),
  )
  return meant === null ? '' : ` (did you mean ${JSON.stringify(meant)}?)`
}
