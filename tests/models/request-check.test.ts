import test from 'ava'
import { isSentinodeError } from '../../src/errors.js'
import { checkRequest } from '../../src/models/request/check.js'
import type { InferTensorContents as TypedContents } from '../../src/generated/grpc_service.js'
import type { DecodedRequest, Parameters } from '../../src/models/request/types.js'
import type { ModelSignature } from '../../src/models/signature.js'
import { contents, input, request, signature } from './helpers/requests.js'

const one = signature([['x', 'FP32', [16]]])
const three = signature([
  ['A', 'FP32', [2]],
  ['B', 'FP32', [2]],
  ['C', 'FP32', [2]],
])
const text = signature([['s', 'BYTES', [-1]]])
const unbatched = signature([['x', 'INT32', [2, -1]]], 0)
const x = (shape: readonly (number | bigint)[], bytes: number): DecodedRequest =>
  request([input('x', 'FP32', shape)], [bytes])
const strings = (count: number, bytes: number[]): DecodedRequest =>
  request([input('s', 'BYTES', [1, count])], [Uint8Array.from(bytes)])
const withParameters = (parameters: Parameters): DecodedRequest =>
  request([input('x', 'FP32', [1, 16])], [64], { parameters })
const typed = (datatype: string, filled: Partial<TypedContents>, raw: number[] = []): DecodedRequest =>
  request([input('x', datatype, [1, 16], { contents: contents(filled) })], raw)
const sixteen = <T>(value: T): T[] => new Array<T>(16).fill(value)

/** The stable parts of Triton's messages, each with a request that earns it. */
const REFUSED: readonly [title: string, model: ModelSignature, request: DecodedRequest, message: string][] = [
  [
    'too few inputs',
    three,
    request([input('A', 'FP32', [1, 2])], [8]),
    "expected 3 inputs but got 1 inputs for model 'm'. Got input(s) ['A'], but missing required input(s) ['B','C']. Please provide all required input(s).",
  ],
  [
    'no inputs',
    one,
    request([]),
    "expected 1 inputs but got 0 inputs for model 'm'. Got input(s) [], but missing required input(s) ['x']",
  ],
  [
    'too many inputs',
    one,
    request([input('x', 'FP32', [1, 16]), input('z', 'FP32', [1])], [64, 4]),
    'expected 1 inputs but got 2 inputs',
  ],
  [
    'too few inputs where some are optional',
    signature(
      [
        ['a', 'FP32', [1]],
        ['b', 'FP32', [1], { optional: true }],
      ],
      0,
    ),
    request([]),
    'expected number of inputs between 1 and 2 but got 0 inputs',
  ],
  [
    'an optional input that is left out and has no default',
    signature(
      [
        ['a', 'FP32', [1]],
        ['b', 'FP32', [1], { optional: true }],
      ],
      0,
    ),
    request([input('a', 'FP32', [1])], [4]),
    "optional input 'b' was left out",
  ],
  [
    'more raw tensors than inputs',
    one,
    request([input('x', 'FP32', [1, 16])], [64, 64]),
    "expected 1 tensors in raw_input_contents for model 'm', one an input, found 2",
  ],
  [
    'an unknown input',
    one,
    request([input('X', 'FP32', [1, 16])], [64]),
    "unexpected inference input 'X' for model 'm'",
  ],
  [
    'an unknown output',
    one,
    request([input('x', 'FP32', [1, 16])], [64], { outputs: [{ name: 'z', parameters: {} }] }),
    "unexpected inference output 'z' for model 'm'",
  ],
  [
    'an input twice',
    three,
    request([input('A', 'FP32', [1, 2]), input('A', 'FP32', [1, 2])], [8, 8]),
    "input 'A' already exists in request",
  ],
  [
    'an output twice',
    one,
    request([input('x', 'FP32', [1, 16])], [64], {
      outputs: [
        { name: 'y', parameters: {} },
        { name: 'y', parameters: {} },
      ],
    }),
    "output 'y' already exists in request",
  ],
  [
    'another datatype',
    one,
    request([input('x', 'INT32', [1, 16])], [64]),
    "inference input 'x' data-type is 'INT32', but model 'm' expects 'FP32'",
  ],
  [
    'no datatype at all',
    one,
    request([input('x', 'FLOAT', [1, 16])], [64]),
    "data-type is 'FLOAT', but model",
  ],
  [
    'another size',
    one,
    x([1, 8], 32),
    "unexpected shape for input 'x' for model 'm'. Expected [-1,16], got [1,8]. NOTE: Setting a non-zero max_batch_size",
  ],
  ['another rank', one, x([1, 16, 1], 64), 'Expected [-1,16], got [1,16,1]'],
  [
    'a shape without the batch dimension',
    one,
    x([16], 64),
    "inference request batch-size must be <= 8 for 'm'",
  ],
  [
    'another size without a batch',
    unbatched,
    request([input('x', 'INT32', [3, 1])], [12]),
    'Expected [2,-1], got [3,1].',
  ],
  ['no shape', one, x([], 4), "input 'x' has no shape but model requires batch dimension for 'm'"],
  [
    'a variable dimension',
    one,
    x([1, -1], 64),
    "All input dimensions should be specified for input 'x' for model 'm', got [1,-1]",
  ],
  ['a variable batch', one, x([-1, 16], 64), "All input dimensions should be specified for input 'x'"],
  [
    'a negative dimension',
    unbatched,
    request([input('x', 'INT32', [2, -7])], [8]),
    "tensor 'x' contains an invalid dimension in shape [2,-7]",
  ],
  [
    'batches that differ',
    three,
    request([input('A', 'FP32', [1, 2]), input('B', 'FP32', [2, 2]), input('C', 'FP32', [1, 2])], [8, 16, 8]),
    "input 'B' batch size does not match other inputs for 'm'",
  ],
  ['a batch over the limit', one, x([9, 16], 9 * 64), "inference request batch-size must be <= 8 for 'm'"],
  [
    'a batch of 2^32 + 1',
    one,
    x([2n ** 32n + 1n, 16], 64),
    "inference request batch-size must be <= 8 for 'm'",
  ],
  ['an empty batch', one, x([0, 16], 0), "inference request batch-size must be >= 1 for 'm'"],
  [
    'too many bytes',
    one,
    x([1, 16], 65),
    "input byte size mismatch for input 'x' for model 'm'. Expected 64, got 65",
  ],
  ['too few bytes', one, x([2, 16], 64), 'Expected 128, got 64'],
  [
    'a count of elements that overflows',
    signature([['x', 'FP32', [-1, -1]]], 0),
    request([input('x', 'FP32', [2n ** 32n, 2n ** 32n])], [0]),
    "element count for tensor 'x' exceeds maximum size",
  ],
  [
    'a count of elements that wraps around to the bytes that are there',
    signature([['x', 'FP32', [-1, -1, -1]]], 0),
    request([input('x', 'FP32', [2n ** 62n, 4, 4])], [0]),
    "element count for tensor 'x' exceeds maximum size",
  ],
  [
    'a count of bytes that overflows',
    signature([['x', 'FP64', [-1]]], 0),
    request([input('x', 'FP64', [2n ** 51n])], [0]),
    "byte size for tensor 'x' exceeds maximum size",
  ],
  [
    'a dimension that hides behind a zero',
    signature([['x', 'FP64', [-1, -1]]], 0),
    request([input('x', 'FP64', [0, 2n ** 62n])], [0]),
    'exceeds maximum size',
  ],
  [
    'a string length that is cut off',
    text,
    strings(1, [3, 0, 0]),
    "incomplete string length indicator for inference input 's' for model 'm', expecting 4 bytes but only 3 bytes available",
  ],
  [
    'a string that is cut off',
    text,
    strings(1, [3, 0, 0, 0, 65]),
    'incomplete string data for inference input',
  ],
  [
    'a string length of 4 GiB',
    text,
    strings(1, [255, 255, 255, 255, 65]),
    'expecting 4294967295 bytes but only 1',
  ],
  [
    'too many strings',
    text,
    strings(1, [0, 0, 0, 0, 0, 0, 0, 0]),
    "unexpected number of string elements 2 for inference input 's' for model 'm', expecting 1",
  ],
  [
    'too few strings',
    text,
    strings(3, [0, 0, 0, 0]),
    "expected 3 string elements for inference input 's' for model 'm', got 1",
  ],
  [
    'data for one of two inputs',
    three,
    request(
      ['A', 'B', 'C'].map((n) => input(n, 'FP32', [1, 2])),
      [8, 8],
    ),
    "unable to find data for input tensor 'C' for model 'm' in request.",
  ],
  [
    'typed and raw contents',
    one,
    typed('FP32', { fp32Contents: sixteen(0) }, [64]),
    "contents field must not be specified when using raw_input_contents for 'x' for model 'm'",
  ],
  [
    'two typed fields',
    one,
    typed('FP32', { fp32Contents: sixteen(0), fp64Contents: [1] }),
    "unexpected explicit tensor data for input tensor 'x' for model 'm', binary data was already supplied.",
  ],
  [
    'the typed field of another datatype',
    one,
    typed('FP32', { intContents: sixteen(0) }),
    "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'INT32', expected datatype 'FP32'",
  ],
  [
    'typed contents for FP16',
    signature([['x', 'FP16', [16]]]),
    typed('FP16', { fp32Contents: sixteen(0) }),
    "of type 'FP32', expected datatype 'FP16'",
  ],
  ['typed contents that are too few', one, typed('FP32', { fp32Contents: [1] }), 'Expected 64, got 4'],
  ['typed contents that are empty', one, typed('FP32', {}), 'Expected 64, got 0'],
  [
    'an INT8 out of range',
    signature([['x', 'INT8', [16]]]),
    typed('INT8', { intContents: sixteen(128) }),
    "value 0 of input 'x' is out of range for datatype 'INT8'",
  ],
  [
    'an INT16 out of range',
    signature([['x', 'INT16', [16]]]),
    typed('INT16', { intContents: [...sixteen(1).slice(1), -32769] }),
    "value 15 of input 'x' is out of range",
  ],
  [
    'a UINT8 out of range',
    signature([['x', 'UINT8', [16]]]),
    typed('UINT8', { uintContents: sixteen(256) }),
    'out of range',
  ],
  [
    'a UINT16 out of range',
    signature([['x', 'UINT16', [16]]]),
    typed('UINT16', { uintContents: sixteen(65536) }),
    'out of range',
  ],
  [
    'a BOOL that is 2',
    signature([['x', 'BOOL', [2]]]),
    request([input('x', 'BOOL', [1, 2])], [Uint8Array.of(1, 2)]),
    'neither 0 nor 1',
  ],
  [
    'a priority as a string',
    one,
    withParameters({ priority: { parameterChoice: { $case: 'stringParam', value: '1' } } }),
    "invalid value type for 'priority' parameter, expected int64_param or uint64_param.",
  ],
  [
    'a negative priority',
    one,
    withParameters({ priority: { parameterChoice: { $case: 'int64Param', value: -1n } } }),
    "invalid value for 'priority', expected value >= 0.",
  ],
  [
    'a timeout as a double',
    one,
    withParameters({ timeout: { parameterChoice: { $case: 'doubleParam', value: 1 } } }),
    "invalid value type for 'timeout' parameter, expected int64_param.",
  ],
  [
    'a sequence_id as a bool',
    one,
    withParameters({ sequence_id: { parameterChoice: { $case: 'boolParam', value: true } } }),
    "invalid value type for 'sequence_id' parameter, expected int64_param or string_param.",
  ],
  [
    'a sequence_start as a number',
    one,
    withParameters({ sequence_start: { parameterChoice: { $case: 'int64Param', value: 1n } } }),
    "invalid value type for 'sequence_start' parameter, expected bool_param.",
  ],
  [
    'a reserved key',
    one,
    withParameters({ triton_x: { parameterChoice: { $case: 'boolParam', value: true } } }),
    "parameter keys starting with 'triton_' are reserved",
  ],
  [
    'an unknown parameter as uint64',
    one,
    withParameters({ mine: { parameterChoice: { $case: 'uint64Param', value: 1n } } }),
    "invalid value type for 'mine' parameter, expected int64_param, bool_param, or string_param.",
  ],
  [
    'a parameter without a value',
    one,
    withParameters({ mine: { parameterChoice: undefined } }),
    "invalid value type for 'mine' parameter",
  ],
]

for (const [title, model, bad, message] of REFUSED) {
  test(`A request with ${title} is refused`, (t) => {
    const error = t.throws(() => checkRequest(model, bad))
    t.true(isSentinodeError(error) && error.code === 'INVALID_REQUEST', String(error))
    t.true(error.message.includes(message), error.message)
  })
}

test('Faults are found in the order in which Triton looks for them', (t) => {
  const message = (bad: DecodedRequest): string => t.throws(() => checkRequest(three, bad)).message
  const wrong = { priority: { parameterChoice: undefined } }
  const twice = [input('A', 'INT8', [9]), input('A', 'INT8', [9])]
  const outputs = [{ name: 'none', parameters: { classification: { parameterChoice: undefined } } }]
  t.regex(message(request(twice, [], { parameters: wrong, outputs })), /'priority'/)
  t.regex(message(request(twice, [], { outputs })), /already exists/)
  t.regex(message(request([input('A', 'INT8', [9])], [], { outputs })), /unable to find data/)
  t.regex(message(request([input('A', 'INT8', [9])], [1], { outputs })), /classification/)
  t.regex(
    message(request([input('A', 'INT8', [9])], [1], { outputs: [{ name: 'none', parameters: {} }] })),
    /output 'none'/,
  )
  t.regex(message(request([input('A', 'INT8', [9])], [1])), /expected 3 inputs/)
  const all = (shape: number[], type: string): DecodedRequest =>
    request(
      ['A', 'B', 'C'].map((n) => input(n, type, shape)),
      [1, 1, 1],
    )
  t.regex(message(all([9, 9], 'INT8')), /batch-size/)
  t.regex(message(all([1, 9], 'INT8')), /data-type/)
  t.regex(message(all([1, 9], 'FP32')), /unexpected shape/)
  t.regex(message(all([1, 2], 'FP32')), /byte size mismatch/)
})

test('Shared memory is said not to be offered', (t) => {
  const parameters = {
    shared_memory_region: { parameterChoice: { $case: 'stringParam' as const, value: 'r' } },
  }
  const error = t.throws(() => checkRequest(one, request([input('x', 'FP32', [1, 16], { parameters })])))
  t.true(isSentinodeError(error) && error.code === 'NOT_IMPLEMENTED')
  const outputs = [{ name: 'y', parameters }]
  const other = t.throws(() => checkRequest(one, request([input('x', 'FP32', [1, 16])], [64], { outputs })))
  t.true(isSentinodeError(other) && other.code === 'NOT_IMPLEMENTED')
})

test('A good request is taken apart in the order of the session, without a copy', (t) => {
  const model = signature(
    [
      ['image', 'FP32', [1, -1, -1]],
      ['clinical', 'FP32', [5]],
    ],
    8,
    [
      ['p', 'FP32', [2]],
      ['mask', 'UINT8', [-1]],
      ['aux', 'FP32', [1]],
    ],
  )
  const message = new Uint8Array(1000)
  const clinical = message.subarray(3, 3 + 40)
  const image = message.subarray(101, 101 + 2 * 3 * 4 * 4)
  const checked = checkRequest(
    model,
    request([input('clinical', 'FP32', [2, 5]), input('image', 'FP32', [2, 1, 3, 4])], [clinical, image], {
      outputs: [
        { name: 'aux', parameters: {} },
        { name: 'p', parameters: {} },
      ],
      parameters: {
        priority: { parameterChoice: { $case: 'uint64Param', value: 2n } },
        timeout: { parameterChoice: { $case: 'int64Param', value: 1500n } },
        sequence_id: { parameterChoice: { $case: 'stringParam', value: 'ignored' } },
        sequence_end: { parameterChoice: { $case: 'boolParam', value: true } },
        mine: { parameterChoice: { $case: 'doubleParam', value: 1 } },
      },
    }),
  )
  t.is(checked.inputs[0], image)
  t.is(checked.inputs[1], clinical)
  t.deepEqual(checked.shapes, [
    [2, 1, 3, 4],
    [2, 5],
  ])
  t.is(checked.rows, 2)
  t.is(checked.bytes, 136)
  t.deepEqual(
    checked.outputs.map(({ output }) => output.name),
    ['aux', 'p'],
  )
  t.deepEqual(checked.outputIndices, [0, 2])
  t.is(checked.priority, 2)
  t.is(checked.timeoutMicroseconds, 1500)
})

test('Requests share a bucket with equal shapes beside the batch, whatever outputs they want', (t) => {
  const model = signature([['x', 'FP32', [-1]]], 8, [
    ['a', 'FP32', [1]],
    ['b', 'FP32', [1]],
  ])
  const bucket = (rows: number, size: number, ...outputs: string[]): string =>
    checkRequest(
      model,
      request([input('x', 'FP32', [rows, size])], [rows * size * 4], {
        outputs: outputs.map((name) => ({ name, parameters: {} })),
      }),
    ).bucket
  t.is(bucket(1, 5), bucket(3, 5))
  t.is(bucket(1, 5), bucket(2, 5, 'b', 'a'))
  t.is(bucket(1, 5, 'b'), bucket(1, 5, 'a'))
  t.not(bucket(1, 5), bucket(1, 6))
})

test('Scalars, empty tensors and reshaped ones reach the network in its own shape', (t) => {
  const scalar = signature([['x', 'FP32', [1], { reshape: [] }]], 0)
  t.deepEqual(checkRequest(scalar, request([input('x', 'FP32', [1])], [4])).shapes, [[]])
  const batchOfScalars = signature([['x', 'FP32', [1], { reshape: [] }]])
  t.deepEqual(checkRequest(batchOfScalars, request([input('x', 'FP32', [3, 1])], [12])).shapes, [[3]])
  const empty = checkRequest(unbatched, request([input('x', 'INT32', [2, 0])], [0]))
  t.deepEqual([empty.shapes, empty.bytes, empty.rows], [[[2, 0]], 0, 1])
  const reshaped = signature([['x', 'FP32', [-1, 6, -1], { reshape: [2, -1, 3, -1] }]], 0)
  const { shapes } = checkRequest(reshaped, request([input('x', 'FP32', [5, 6, 7])], [5 * 6 * 7 * 4]))
  t.deepEqual(shapes, [[2, 5, 3, 7]])
})

test('A name from a request is shortened and made printable before it enters a message', (t) => {
  const nasty = 'n'.repeat(5000)
  const long = t.throws(() => checkRequest(one, request([input(nasty, 'FP32', [1, 16])], [64]))).message
  t.true(long.length < 300)
  const control = t.throws(() =>
    checkRequest(one, request([input('a\r\nb\u0000\ud800', 'FP32', [1, 16])], [64])),
  )
  t.is(control.message, "unexpected inference input 'a??b??' for model 'm'")
})
