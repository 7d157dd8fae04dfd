import test from 'ava'
import fc from 'fast-check'
import type { DataType } from '../../src/engine/native.js'
import { checkRequest } from '../../src/models/request/check.js'
import type { TypedContents } from '../../src/models/request/types.js'
import { contents, input, request, signature } from './helpers/requests.js'

type Writer = (buffer: Buffer, value: never, offset: number) => void

interface Kind {
  readonly field: keyof TypedContents
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
      { nil: undefined },
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
