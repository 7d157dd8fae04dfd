/** What a message may hold, from the descriptors that protoc wrote: enough to walk its bytes without decoding them. */
import { readFileSync } from 'node:fs'
import {
  createFileRegistry,
  fromBinary,
  ScalarType,
  type DescField,
  type DescMessage,
  type FileRegistry,
} from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { MOST } from './limits.js'

/** How a value is written: the low three bits of its tag. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, groupStart: 3, groupEnd: 4, fixed32: 5 } as const

/** One field of a message. */
export interface FieldShape {
  readonly name: string
  /** As the value is written when it stands alone. */
  readonly wire: number
  /** Values of it in one object; Infinity where it is not repeated, so that only the last value counts. */
  readonly most: number
  /** Whether it is text, which is decoded into a string. */
  readonly text: boolean
  /** Whether several values may be written as one packed run. */
  readonly packable: boolean
  /** What its bytes are, where they are a message that is decoded along. */
  readonly message: MessageShape | null
}

export interface MessageShape {
  readonly name: string
  /** By field number. */
  readonly fields: readonly (FieldShape | undefined)[]
}

/** Messages that stay bytes when what holds them is decoded: their own reader bounds them. */
const OPAQUE: ReadonlySet<string> = new Set(['inference.InferTensorContents'])

const FIXED32: ReadonlySet<ScalarType> = new Set([ScalarType.FIXED32, ScalarType.SFIXED32, ScalarType.FLOAT])
const FIXED64: ReadonlySet<ScalarType> = new Set([ScalarType.FIXED64, ScalarType.SFIXED64, ScalarType.DOUBLE])

function wireOf(type: ScalarType | undefined): number {
  if (type === undefined || type === ScalarType.STRING || type === ScalarType.BYTES) return WIRE.bytes
  if (FIXED32.has(type)) return WIRE.fixed32
  return FIXED64.has(type) ? WIRE.fixed64 : WIRE.varint
}

/** The shapes of a descriptor set's messages, each made once. */
export class Shapes {
  readonly #registry: FileRegistry
  readonly #known = new Map<string, MessageShape>()

  constructor(descriptorSet: Uint8Array) {
    this.#registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet))
  }

  /** Of the requests of a method, by its path: `/package.Service/Method`. Throws where there is none. */
  ofRequest(path: string): MessageShape {
    const [, service = '', name] = path.split('/')
    const method = this.#registry.getService(service)?.methods.find((candidate) => candidate.name === name)
    if (method === undefined) throw new Error(`no method ${path} in the descriptor set`)
    return this.#ofMessage(method.input)
  }

  #ofMessage(message: DescMessage): MessageShape {
    const known = this.#known.get(message.typeName)
    if (known !== undefined) return known
    const fields: (FieldShape | undefined)[] = []
    const shape: MessageShape = { name: message.name, fields }
    // Before its fields: a message may hold itself.
    this.#known.set(message.typeName, shape)
    for (const field of message.fields) fields[field.number] = this.#ofField(field)
    return shape
  }

  #ofField(field: DescField): FieldShape {
    const { name } = field
    const message = (type: DescMessage): MessageShape | null =>
      OPAQUE.has(type.typeName) ? null : this.#ofMessage(type)
    if (field.fieldKind === 'map') {
      const value = field.mapKind === 'message' ? message(field.message) : null
      const entry = {
        name: `entry of ${name}`,
        fields: [undefined, leaf('key', field.mapKey), { ...leaf('value', field.scalar), message: value }],
      }
      return { ...leaf(name, undefined), most: MOST.entries, message: entry }
    }
    if (field.fieldKind === 'message') return { ...leaf(name, undefined), message: message(field.message) }
    if (field.fieldKind === 'list' && field.listKind === 'message')
      return { ...leaf(name, undefined), most: MOST.items, message: message(field.message) }
    // An enumeration is a number on the wire.
    const shape = leaf(name, field.enum === undefined ? field.scalar : ScalarType.INT32)
    if (field.fieldKind !== 'list') return shape
    if (shape.wire === WIRE.bytes) return { ...shape, most: MOST.items }
    return { ...shape, packable: true, most: name === 'shape' ? MOST.dimensions : MOST.numbers }
  }
}

function leaf(name: string, type: ScalarType | undefined): FieldShape {
  return {
    name,
    wire: wireOf(type),
    most: Infinity,
    text: type === ScalarType.STRING,
    packable: false,
    message: null,
  }
}

/** Of the services of this package. */
export const SHAPES = new Shapes(readFileSync(new URL('../../generated/descriptors.binpb', import.meta.url)))
