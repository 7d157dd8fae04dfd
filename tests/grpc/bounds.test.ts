import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { ServiceDefinition } from '@grpc/grpc-js'
import test from 'ava'
import fc from 'fast-check'
import { isSentinodeError } from '../../src/errors.js'
import { checkBounds } from '../../src/grpc/decode/bounds.js'
import { decodeInferRequest } from '../../src/grpc/decode/infer-request.js'
import { MOST } from '../../src/grpc/decode/limits.js'
import { SHAPES } from '../../src/grpc/decode/shapes.js'
import * as inference from '../../src/generated/grpc_service.js'
import * as screening from '../../src/generated/sentinode/v1/screening.js'

const INFER = '/inference.GRPCInferenceService/ModelInfer'
const SCREEN_PATH = '/sentinode.v1.Screening/ScreenPath'

/** The code and the message of what `checkBounds` throws; null where it passes. */
function refusal(path: string, bytes: Uint8Array): string | null {
  try {
    checkBounds(bytes, SHAPES.ofRequest(path))
    return null
  } catch (error) {
    return isSentinodeError(error) ? `${error.code}: ${error.message}` : 'malformed'
  }
}

const repeat = (bytes: readonly number[], times: number): Uint8Array =>
  Uint8Array.from({ length: bytes.length * times }, (_, i) => bytes[i % bytes.length] as number)

/** A field of `bytes`, by its number. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish()
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** What a parameter is on the wire: an entry of a map. */
const entry = (number: number, key: string): Uint8Array =>
  field(number, Buffer.concat([field(1, text(key)), field(2, new Uint8Array())]))

const many = (count: number, one: (i: number) => Uint8Array): Uint8Array =>
  Buffer.concat(Array.from({ length: count }, (_, i) => one(i)))

const varints = (count: number): Uint8Array => repeat([1], count)

/** Unknown groups within one another. */
const groups = (depth: number): Uint8Array =>
  Buffer.concat([repeat([(15 << 3) | 3], depth), repeat([(15 << 3) | 4], depth)])

const TOO_MUCH: readonly [
  title: string,
  path: string,
  bytes: (over: 0 | 1) => Uint8Array,
  message: string,
][] = [
  ['inputs', INFER, (o) => repeat([42, 0], MOST.items + o), '1024 inputs in a ModelInferRequest'],
  ['outputs', INFER, (o) => repeat([50, 0], MOST.items + o), '1024 outputs in a ModelInferRequest'],
  [
    'raw tensors',
    INFER,
    (o) => repeat([58, 0], MOST.items + o),
    '1024 raw_input_contents in a ModelInferRequest',
  ],
  [
    'parameters of a request',
    INFER,
    (o) => many(MOST.entries + o, (i) => entry(4, String(i))),
    '256 parameters in a ModelInferRequest',
  ],
  [
    'parameters of an input',
    INFER,
    (o) =>
      field(
        5,
        many(MOST.entries + o, (i) => entry(4, String(i))),
      ),
    '256 parameters in a InferInputTensor',
  ],
  [
    'dimensions, packed',
    INFER,
    (o) => field(5, field(3, varints(MOST.dimensions + o))),
    '32 shape in a InferInputTensor',
  ],
  [
    'dimensions, one by one',
    INFER,
    (o) => field(5, repeat([24, 1], MOST.dimensions + o)),
    '32 shape in a InferInputTensor',
  ],
  ['unknown fields', INFER, (o) => repeat([120, 1], MOST.fields + o), '16384 fields in a message'],
  [
    'unknown fields in a group',
    INFER,
    (o) =>
      Buffer.concat(
        [[(15 << 3) | 3], repeat([120, 1], MOST.fields - 2 + o), [(15 << 3) | 4]].map((b) =>
          Uint8Array.from(b),
        ),
      ),
    '16384 fields in a message',
  ],
  ['nested groups', INFER, (o) => groups(MOST.nesting + o), '32 objects within one another'],
  ['a long name', INFER, (o) => field(1, new Uint8Array(MOST.text + o)), 'bytes of text in model_name'],
  [
    'much text',
    INFER,
    (o) =>
      Buffer.concat([
        repeat([...field(1, new Uint8Array(MOST.text))], MOST.texts / MOST.text),
        field(2, new Uint8Array(o)),
      ]),
    '1048576 bytes of text in a message',
  ],
  [
    'clinical values',
    SCREEN_PATH,
    (o) =>
      field(
        1,
        many(MOST.entries + o, (i) => entry(4, String(i))),
      ),
    '256 clinical in a ScreeningOptions',
  ],
  [
    'times',
    SCREEN_PATH,
    (o) => field(1, field(7, new Uint8Array(8 * (MOST.numbers + o)))),
    '4096 times_s in a ScreeningOptions',
  ],
  [
    'reports',
    SCREEN_PATH,
    (o) => field(1, field(6, varints(MOST.numbers + o))),
    '4096 reports in a ScreeningOptions',
  ],
  [
    'settings of a call that is not offered',
    '/inference.GRPCInferenceService/TraceSetting',
    (o) => field(1, field(2, repeat([10, 0], MOST.items + o))),
    '1024 value in a SettingValue',
  ],
  [
    'unknown fields of an empty message',
    '/inference.GRPCInferenceService/ServerLive',
    (o) => repeat([8, 0], MOST.fields + o),
    '16384 fields in a message',
  ],
]

for (const [title, path, bytes, message] of TOO_MUCH) {
  test(`a message may not hold too much: ${title}`, (t) => {
    t.is(refusal(path, bytes(0)), null, 'as much as may be')
    const found = refusal(path, bytes(1))
    t.true(found?.startsWith('INVALID_REQUEST: expected at most '), String(found))
    t.true(found?.includes(message), String(found))
  })
}

const tag = (number: number, wire: number): number => (number << 3) | wire

const MALFORMED: readonly [title: string, bytes: readonly number[]][] = [
  ['a length beyond the end', [10, 5, 97]],
  ['a length beyond its object', [42, 2, 10, 3, 97, 97, 97]],
  ['a number beyond its object', [42, 2, 24, 128, 1]],
  ['a packed run that ends within a number', [42, 3, 26, 1, 128, 1]],
  ['an end of a group without its beginning', [tag(9, 4)]],
  ['an end of a group that ends an object', [42, 1, tag(9, 4)]],
  ['an end of another group', [tag(9, 3), tag(8, 4)]],
  ['a group without its end', [tag(9, 3), 8, 1]],
  ['field number 0', [0]],
  ['field number 0 of another wire type', [1, 1, 2, 3, 4, 5, 6, 7, 8]],
  ['wire type 6', [tag(9, 6)]],
  ['a number of eleven bytes', [tag(9, 0), ...new Array<number>(10).fill(128), 1]],
  ['a number that is cut off', [tag(9, 0), 128]],
  ['a fixed number that is cut off', [tag(9, 5), 1, 2, 3]],
  ['a tag of eleven bytes', [...new Array<number>(10).fill(128), 1]],
]

for (const [title, bytes] of MALFORMED) {
  test(`a message that is not well-formed is refused: ${title}`, (t) => {
    t.is(refusal(INFER, Uint8Array.from(bytes)), 'malformed')
  })
}

test('forty million empty inputs are refused as soon as there are too many', (t) => {
  const bytes = new Uint8Array(80_000_000)
  for (let i = 0; i < bytes.length; i += 2) bytes[i] = 42
  const begin = performance.now()
  t.is(
    refusal(INFER, bytes),
    'INVALID_REQUEST: expected at most 1024 inputs in a ModelInferRequest, found more',
  )
  // The walk takes microseconds; without its end it takes seconds.
  t.true(performance.now() - begin < 500)
})

const choice: fc.Arbitrary<inference.InferParameter> = fc
  .oneof(
    fc.boolean().map((value) => ({ $case: 'boolParam' as const, value })),
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      .map((value) => ({ $case: 'int64Param' as const, value })),
    fc.string({ unit: 'grapheme' }).map((value) => ({ $case: 'stringParam' as const, value })),
    fc.double({ noNaN: true }).map((value) => ({ $case: 'doubleParam' as const, value })),
  )
  .map((parameterChoice) => ({ parameterChoice }))

const parameters = fc.dictionary(fc.string({ unit: 'grapheme' }), choice, { maxKeys: 4 })
const name = fc.string({ unit: 'grapheme', maxLength: 40 })

const request: fc.Arbitrary<inference.ModelInferRequest> = fc.record({
  modelName: name,
  modelVersion: name,
  id: name,
  parameters,
  inputs: fc.array(
    fc.record({
      name,
      datatype: name,
      shape: fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 6 }),
      parameters,
      // Not decoded here: typed-contents.test.ts of the models compares them.
      contents: fc.constant(undefined),
    }),
    { maxLength: 4 },
  ),
  outputs: fc.array(fc.record({ name, parameters }), { maxLength: 3 }),
  rawInputContents: fc.array(fc.uint8Array(), { maxLength: 4 }),
})

/** Unknown fields of every wire type, which are passed over. */
const unknown = fc.constantFrom(
  [],
  [(tag(100, 0) & 127) | 128, tag(100, 0) >> 7, 255, 1],
  [tag(9, 0), 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
  [tag(9, 1), 1, 2, 3, 4, 5, 6, 7, 8],
  [tag(9, 5), 1, 2, 3, 4],
  [tag(9, 2), 3, 42, 99, 99],
  [tag(9, 3), tag(5, 0), 1, tag(5, 3), tag(5, 4), tag(9, 4)],
  // A known field of another wire type.
  [tag(5, 0), 7],
)

function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}

/** What the generated decoder makes of it; contents are none here. */
function generated(bytes: Uint8Array): unknown {
  const message = inference.ModelInferRequest.decode(bytes)
  return { ...message, inputs: message.inputs.map((input) => ({ ...input, contents: [] })) }
}

test('a request is read as the generated decoder reads it', (t) => {
  fc.assert(
    fc.property(request, unknown, unknown, (message, before, after) => {
      const bytes = Buffer.concat([
        Uint8Array.from(before),
        inference.ModelInferRequest.encode(message).finish(),
        Uint8Array.from(after),
      ])
      t.is(refusal(INFER, bytes), null)
      t.deepEqual(decodeInferRequest(bytes), generated(bytes))
    }),
    { numRuns: 500, endOnFailure: true },
  )
})

test('typed contents stay bytes of the message, all parts of them', (t) => {
  const [first, second] = [field(1, Uint8Array.of(1, 0)), field(1, Uint8Array.of(1))]
  const bytes = field(5, Buffer.concat([field(5, first), field(1, text('x')), field(5, second)]))
  const [input] = decodeInferRequest(bytes).inputs
  t.is(input?.name, 'x')
  t.deepEqual(
    input?.contents.map((part) => Buffer.from(part)),
    [Buffer.from(first), Buffer.from(second)],
  )
  t.true(input?.contents.every((part) => part.buffer === bytes.buffer))
})

test('what is damaged is refused, or read as the generated decoder reads it', (t) => {
  const options = { numRuns: 3000, endOnFailure: true }
  let passed = 0
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(request, damage, fc.nat(), (message, changes, cut) => {
      const whole = inference.ModelInferRequest.encode(message).finish()
      const bytes = whole.slice(0, cut % 3 === 0 ? cut % (whole.length + 1) : whole.length)
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value
      if (refusal(INFER, bytes) !== null) return
      // A number of more than ten bytes in a packed run is what the walk leaves to the decoders.
      const decoded = attempt(() => decodeInferRequest(bytes))
      if (decoded === null) {
        t.is(
          attempt(() => generated(bytes)),
          null,
        )
        return
      }
      // Damage that makes contents of something else: the generated decoder looks into them.
      if (decoded.inputs.some(({ contents }) => contents.length > 0)) return
      passed++
      t.deepEqual(decoded, generated(bytes))
    }),
    options,
  )
  t.true(passed > 100 && passed < options.numRuns)
})

test('every request of every service has a shape', (t) => {
  const services: ServiceDefinition[] = [inference.GRPCInferenceServiceService, screening.ScreeningService]
  for (const service of services)
    for (const { path } of Object.values(service)) t.notThrows(() => SHAPES.ofRequest(path), path)
  t.throws(() => SHAPES.ofRequest('/no.Service/Method'))
})
