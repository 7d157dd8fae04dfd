import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import test from 'ava'
import fc from 'fast-check'
import type { DataType } from '../../src/engine/native.js'
import { checkRequest } from '../../src/models/request/check.js'
import { InferTensorContents } from '../../src/generated/grpc_service.js'
import { contents, input, request, signature } from './helpers/requests.js'

type Writer = (buffer: Buffer, value: never, offset: number) => void

interface Kind {
  readonly field: keyof InferTensorContents
  readonly size: number
  readonly values: fc.Arbitrary<unknown>
  /** Node's own writers, which know the byte order by name. */
  readonly write: Writer
}

const int = (bits: number): fc.Arbitrary<number> =>
  fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
const uint = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 })

const KINDS: Partial<Record<DataType, Kind>> = {
  BOOL: {
    field: 'boolContents',
    size: 1,
    values: fc.boolean(),
    write: (b, v, o) => b.writeUInt8(Number(v), o),
  },
  INT8: { field: 'intContents', size: 1, values: int(8), write: (b, v, o) => b.writeInt8(v, o) },
  INT16: { field: 'intContents', size: 2, values: int(16), write: (b, v, o) => b.writeInt16LE(v, o) },
  INT32: { field: 'intContents', size: 4, values: int(32), write: (b, v, o) => b.writeInt32LE(v, o) },
  INT64: {
    field: 'int64Contents',
    size: 8,
    values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    write: (b, v, o) => b.writeBigInt64LE(v, o),
  },
  UINT8: { field: 'uintContents', size: 1, values: uint(8), write: (b, v, o) => b.writeUInt8(v, o) },
  UINT16: { field: 'uintContents', size: 2, values: uint(16), write: (b, v, o) => b.writeUInt16LE(v, o) },
  UINT32: { field: 'uintContents', size: 4, values: uint(32), write: (b, v, o) => b.writeUInt32LE(v, o) },
  UINT64: {
    field: 'uint64Contents',
    size: 8,
    values: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    write: (b, v, o) => b.writeBigUInt64LE(v, o),
  },
  FP32: {
    field: 'fp32Contents',
    size: 4,
    values: fc.float({ noNaN: true }),
    write: (b, v, o) => b.writeFloatLE(v, o),
  },
  FP64: {
    field: 'fp64Contents',
    size: 8,
    values: fc.double({ noNaN: true }),
    write: (b, v, o) => b.writeDoubleLE(v, o),
  },
}

for (const [type, { field, size, values, write }] of Object.entries(KINDS)) {
  test(`Typed contents of ${type} become the bytes that raw contents have`, (t) => {
    const model = signature([['x', type as DataType, [-1]]], 0)
    fc.assert(
      fc.property(fc.array(values, { maxLength: 40 }), (array) => {
        const expected = Buffer.alloc(array.length * size)
        array.forEach((value, i) => {
          write(expected, value as never, i * size)
        })
        const filled = contents({ [field]: array })
        const typed = checkRequest(model, request([input('x', type, [array.length], { contents: filled })]))
        const raw = checkRequest(model, request([input('x', type, [array.length])], [expected]))
        t.deepEqual(Buffer.from(typed.inputs[0] as Uint8Array), expected)
        t.deepEqual({ ...typed, inputs: [] }, { ...raw, inputs: [] })
      }),
      { numRuns: 60 },
    )
  })
}

test('Typed contents of BYTES become length-prefixed elements', (t) => {
  const model = signature([['x', 'BYTES', [-1]]], 0)
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (elements) => {
      const expected = Buffer.concat(
        elements.flatMap((element) => {
          const length = Buffer.alloc(4)
          length.writeUInt32LE(element.length)
          return [length, element]
        }),
      )
      const filled = contents({ bytesContents: elements })
      const typed = checkRequest(
        model,
        request([input('x', 'BYTES', [elements.length], { contents: filled })]),
      )
      t.deepEqual(Buffer.from(typed.inputs[0] as Uint8Array), expected)
      t.notThrows(() => checkRequest(model, request([input('x', 'BYTES', [elements.length])], [expected])))
    }),
  )
})

test('No damaged request does anything but be refused', (t) => {
  const model = signature(
    [
      ['a', 'FP32', [2, -1]],
      ['b', 'BYTES', [-1]],
    ],
    4,
  )
  const anyInput = fc.record({
    name: fc.constantFrom('a', 'b', 'c', ''),
    datatype: fc.constantFrom('FP32', 'BYTES', 'INT8', 'FP16', 'nonsense', ''),
    shape: fc.array(fc.oneof(fc.bigInt(-2n, 5n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), {
      maxLength: 5,
    }),
    parameters: fc.constant({}),
    contents: fc.option(
      fc
        .record({
          fp32Contents: fc.array(fc.float(), { maxLength: 9 }),
          bytesContents: fc.array(fc.uint8Array()),
        })
        .map(contents),
      { nil: [] },
    ),
  })
  let passed = 0
  fc.assert(
    fc.property(
      fc.array(anyInput, { maxLength: 3 }),
      fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 3 }),
      (inputs, raw) => {
        try {
          const checked = checkRequest(model, request(inputs, raw))
          passed += 1
          t.is(checked.inputs.length, 2)
        } catch (error) {
          t.is((error as { code?: string }).code, 'INVALID_REQUEST', String(error))
        }
      },
    ),
    { numRuns: 3000 },
  )
  t.true(passed < 3000)
})

/** A model that takes one tensor of `type`, and the elements that a request of `parts` gives it. */
function converted(type: DataType, elements: number, parts: readonly Uint8Array[]): Uint8Array {
  const model = signature([['x', type, [-1]]], 0)
  return checkRequest(model, request([input('x', type, [elements], { contents: parts })]))
    .inputs[0] as Uint8Array
}

function refusal(type: DataType, elements: number, parts: readonly Uint8Array[]): string {
  try {
    converted(type, elements, parts)
    return 'passed'
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`
  }
}

const FIELD: Readonly<Record<string, readonly [number, WireType]>> = {
  boolContents: [1, WireType.Varint],
  intContents: [2, WireType.Varint],
  int64Contents: [3, WireType.Varint],
  uintContents: [4, WireType.Varint],
  uint64Contents: [5, WireType.Varint],
  fp32Contents: [6, WireType.Bit32],
  fp64Contents: [7, WireType.Bit64],
}

/** One value as protobuf writes it, by the packed run that the generated encoder writes for it alone. */
function valueBytes(field: string, value: unknown): Uint8Array {
  const [whole] = contents({ [field]: [value] }) as [Uint8Array]
  return whole.subarray(2)
}

for (const [type, { field, size, values, write }] of Object.entries(KINDS)) {
  test(`Typed contents of ${type} may come packed, one by one, in parts and between unknown fields`, (t) => {
    const [number, wire] = FIELD[field] as readonly [number, WireType]
    const alone = (value: unknown): Uint8Array =>
      Buffer.concat([new BinaryWriter().tag(number, wire).finish(), valueBytes(field, value)])
    const unknown = fc.constantFrom(
      [],
      [80, 1],
      [82, 2, 8, 1],
      [85, 1, 2, 3, 4],
      [81, 1, 2, 3, 4, 5, 6, 7, 8],
    )
    const piece = fc.tuple(fc.array(values, { maxLength: 5 }), fc.boolean(), unknown, fc.boolean())
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const parts: Uint8Array[][] = [[]]
        for (const [array, packed, between, cut] of pieces) {
          const written = packed ? contents({ [field]: array }) : array.map(alone)
          parts.at(-1)?.push(...written, Uint8Array.from(between))
          if (cut) parts.push([])
        }
        const all = pieces.flatMap(([array]) => array)
        const expected = Buffer.alloc(all.length * size)
        all.forEach((value, i) => write(expected, value as never, i * size))
        const joined = parts.map((part) => Buffer.concat(part))
        t.deepEqual(Buffer.from(converted(type as DataType, all.length, joined)), expected)
        t.true(refusal(type as DataType, all.length + 1, joined).includes('input byte size mismatch'))
      }),
      { numRuns: 100 },
    )
  })
}

test('A varint is read as the generated decoder reads it, however long it was written', (t) => {
  const kinds: readonly (readonly [
    DataType,
    keyof InferTensorContents,
    number,
    (v: never) => number | bigint,
  ])[] = [
    ['BOOL', 'boolContents', 1, Number],
    ['INT32', 'intContents', 2, Number],
    ['INT64', 'int64Contents', 3, BigInt],
    ['UINT32', 'uintContents', 4, Number],
    ['UINT64', 'uint64Contents', 5, BigInt],
  ]
  const varint = fc
    .tuple(fc.array(fc.integer({ min: 128, max: 255 }), { maxLength: 9 }), fc.nat(127))
    .map(([more, last]) => [...more, last])
  fc.assert(
    fc.property(fc.array(varint, { minLength: 1, maxLength: 4 }), fc.constantFrom(...kinds), (list, kind) => {
      const [type, field, number, toValue] = kind
      const bytes = Buffer.concat([
        new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(Uint8Array.from(list.flat())).finish(),
      ])
      const expected = (InferTensorContents.decode(bytes)[field] as never[]).map(toValue)
      const data = converted(type, list.length, [bytes])
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
      const read = {
        BOOL: (i: number) => view.getUint8(i),
        INT32: (i: number) => view.getInt32(i * 4, true),
        INT64: (i: number) => view.getBigInt64(i * 8, true),
        UINT32: (i: number) => view.getUint32(i * 4, true),
        UINT64: (i: number) => view.getBigUint64(i * 8, true),
      }[type as 'BOOL']
      t.deepEqual(
        list.map((_, i) => read(i)),
        expected as number[],
      )
    }),
    { numRuns: 2000 },
  )
})

test('Floating point numbers that came as one run are not copied', (t) => {
  for (const [type, field] of [
    ['FP32', 'fp32Contents'],
    ['FP64', 'fp64Contents'],
  ] as const) {
    const [part] = contents({ [field]: [1, 2, 3] }) as [Uint8Array]
    t.is(converted(type, 3, [part]).buffer, part.buffer)
  }
})

const MALFORMED: readonly [title: string, type: DataType, bytes: number[]][] = [
  ['a run that ends within a value', 'BOOL', [10, 1, 128]],
  ['a value of eleven bytes', 'INT64', [26, 11, ...new Array<number>(10).fill(128), 1]],
  ['a single value of eleven bytes', 'INT64', [24, ...new Array<number>(10).fill(128), 1]],
  ['a run beyond the end', 'FP32', [50, 8, 1, 2, 3, 4]],
  ['a run that is no multiple', 'FP32', [50, 5, 1, 2, 3, 4, 5]],
  ['half a number', 'FP64', [57, 1, 2, 3]],
  ['an element beyond the end', 'BYTES', [66, 4, 1]],
  ['a group', 'BOOL', [83, 84]],
  ['field number 0', 'BOOL', [2, 0]],
  ['a tag without end', 'BOOL', new Array<number>(12).fill(255)],
]

for (const [title, type, bytes] of MALFORMED) {
  test(`Contents that are not well-formed are refused: ${title}`, (t) => {
    const found = refusal(type, 1, [Uint8Array.from(bytes)])
    t.true(found.startsWith('INVALID_REQUEST: expected '), found)
  })
}

test('Contents of empty or unknown fields alone are refused after a thousand', (t) => {
  for (const unit of [
    [10, 0],
    [80, 1],
    [82, 0],
  ]) {
    const parts = [Uint8Array.from({ length: 2 * 100_000 }, (_, i) => unit[i % 2] as number)]
    t.true(refusal('BOOL', 1, parts).includes('found empty fields'))
  }
})

test('Two fields that are filled are refused wherever the second stands', (t) => {
  const two = Buffer.concat([...contents({ int64Contents: [1n, 2n] }), ...contents({ fp32Contents: [1] })])
  t.true(refusal('INT64', 2, [two]).includes('binary data was already supplied'))
})

test('Contents that unfold into more memory than a request may take are refused before it is taken', (t) => {
  const values = new Uint8Array(40 * 2 ** 20)
  const head = new BinaryWriter().tag(5, WireType.LengthDelimited).uint32(values.length).finish()
  const part = Buffer.concat([head, values])
  const found = refusal('UINT64', values.length, [part])
  t.true(found.startsWith('REQUEST_TOO_LARGE: expected typed contents of at most 268435456 bytes'), found)
})
