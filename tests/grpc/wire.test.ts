import { readFileSync } from 'node:fs'
import { create, createFileRegistry, fromBinary, toBinary, type DescMessage } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import type { BinaryWriter } from '@bufbuild/protobuf/wire'
import test from 'ava'
import { serializeInferResponse } from '../../src/grpc/codec.js'
import * as config from '../../src/generated/model_config.js'
import * as service from '../../src/generated/grpc_service.js'
import { descriptorSet } from './harness.js'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

interface Recorded {
  readonly methods: { path: string; requestStream: boolean; responseStream: boolean }[]
  readonly messages: { message: string; bytes: string; fields: Record<string, Json> }[]
}

interface Codec {
  decode(bytes: Uint8Array): unknown
  encode(message: unknown): BinaryWriter
}

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/grpc/wire.json', import.meta.url), 'utf8'),
) as Recorded

/** Beyond Triton's schema, from the Open Inference Protocol's. */
const OWN_FIELDS = new Set(['properties'])

function codecOf(message: string): Codec {
  const name = message.replace('inference.', '').replaceAll('.', '_')
  return { ...config, ...service }[name as 'ModelInferRequest']
}

function camel(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** What our decoder should have made of a recorded value. */
function expected(value: Json): unknown {
  if (Array.isArray(value)) return value.map(expected)
  if (value === null || typeof value !== 'object') return value
  if ('$int64' in value) return BigInt(value['$int64'] as string)
  if ('$bytes' in value) return value['$bytes']
  if ('$map' in value) return expectedFields(value['$map'] as Record<string, Json>, (key) => key)
  if ('$case' in value)
    return { $case: camel(value['$case'] as string), value: expected(value['value'] ?? null) }
  return expectedFields(value, camel)
}

function expectedFields(
  fields: Record<string, Json>,
  rename: (name: string) => string,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [rename(name), expected(value)]))
}

/** Our messages in the form of the expectation: bytes as hexadecimal, maps as objects. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value instanceof Map)
    return plain(Object.fromEntries([...value].map(([key, item]) => [String(key), item as unknown])))
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !OWN_FIELDS.has(name))
      .map(([name, item]) => [name, plain(item)]),
  )
}

test('every message that a client of the protocol writes is read field by field', (t) => {
  t.true(recorded.messages.length > 100)
  for (const { message, bytes, fields } of recorded.messages) {
    const decoded = codecOf(message).decode(Buffer.from(bytes, 'base64'))
    t.deepEqual(plain(decoded), expectedFields(fields, camel), message)
  }
})

test('what we write has the same values on the wire, judged by another implementation', (t) => {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet))
  for (const { message, bytes } of recorded.messages) {
    const codec = codecOf(message)
    const original = Buffer.from(bytes, 'base64')
    const written = codec.encode(codec.decode(original)).finish()
    const schema = registry.getMessage(message) as DescMessage
    t.truthy(create(schema), message)
    const canonical = (wire: Uint8Array): string =>
      Buffer.from(toBinary(schema, fromBinary(schema, wire))).toString('hex')
    t.is(canonical(written), canonical(original), message)
  }
})

test('the service has every call under its path, streaming where clients expect it', (t) => {
  const ours = Object.values(service.GRPCInferenceServiceService)
  t.deepEqual(
    ours.map(({ path, requestStream, responseStream }) => ({ path, requestStream, responseStream })),
    recorded.methods.map(({ path, requestStream, responseStream }) => ({
      path,
      requestStream,
      responseStream,
    })),
  )
})

test('an answer that is gathered around its tensors is the same bytes as one that is encoded whole', (t) => {
  const sizes = [[], [0], [1], [127, 128], [16_383, 16_384, 2_097_152]]
  for (const lengths of sizes) {
    const response = service.ModelInferResponse.fromPartial({
      modelName: 'm',
      modelVersion: '3',
      id: 'é'.repeat(lengths.length),
      outputs: lengths.map((length, i) => ({ name: `o${i}`, datatype: 'UINT8', shape: [BigInt(length)] })),
      rawOutputContents: lengths.map((length, i) => new Uint8Array(length).fill(i + 1)),
    })
    const gathered = serializeInferResponse(response)
    const target = Buffer.alloc(gathered.byteLength + 5)
    gathered.copy(target, 5)
    t.true(target.subarray(5).equals(service.ModelInferResponse.encode(response).finish()))
    t.is(target.readUIntBE(0, 5), 0)
  }
})
