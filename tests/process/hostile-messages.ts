/** Messages made to cost their receiver as much as they can, by size. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

export interface HostileMessage {
  readonly title: string
  /** Of the call it is sent to. */
  readonly path: string
  /** Makes it, of about so many bytes. */
  readonly make: (bytes: number) => Buffer
}

const INFERENCE = '/inference.GRPCInferenceService'
const INFER = `${INFERENCE}/ModelInfer`
const SCREENING = '/sentinode.v1.Screening'

/** `unit` over and over again, up to `bytes`. */
export function repeated(bytes: number, unit: readonly number[]): Buffer {
  return Buffer.alloc(Math.floor(bytes / unit.length) * unit.length, Uint8Array.from(unit))
}

export function field(number: number, bytes: Uint8Array): Buffer {
  const head = new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(bytes.byteLength).finish()
  return Buffer.concat([head, bytes])
}

const text = (number: number, value: string): Buffer => field(number, Buffer.from(value))
const join = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts)

/** A request with one tensor of a model of tests/fixtures/engine that gives back what it gets. */
function tensor(type: string, elements: number, content: { typed?: Uint8Array; raw?: Uint8Array }): Buffer {
  const shape = field(3, new BinaryWriter().uint32(1).uint32(elements).finish())
  const { typed, raw } = content
  const input = join(text(1, 'x'), text(2, type), shape, typed ? field(5, typed) : Buffer.alloc(0))
  return join(text(1, type), field(5, input), raw ? field(7, raw) : Buffer.alloc(0))
}

/** Integers and truth values: the field's number in InferTensorContents and one value's bytes. */
const TYPED: readonly [type: string, field: number, value: readonly number[]][] = [
  ['BOOL', 1, [1]],
  ['INT8', 2, [5]],
  ['INT16', 2, [5]],
  ['INT32', 2, [5]],
  ['INT64', 3, [5]],
  ['UINT8', 4, [5]],
  ['UINT16', 4, [5]],
  ['UINT32', 4, [5]],
  ['UINT64', 5, [5]],
  ['FP32', 6, [0, 0, 128, 63]],
  ['FP64', 7, [0, 0, 0, 0, 0, 0, 240, 63]],
]

const WIRES: Readonly<Record<string, number>> = { FP32: WireType.Bit32, FP64: WireType.Bit64 }

/** Typed contents, which are one value short of the shape: all are looked at, and nothing runs. */
function typed(
  bytes: number,
  type: string,
  number: number,
  value: readonly number[],
  packed: boolean,
): Buffer {
  const unit = packed ? value : [(number << 3) | (WIRES[type] ?? WireType.Varint), ...value]
  const values = repeated(bytes, unit)
  return tensor(type, values.length / unit.length + 1, { typed: packed ? field(number, values) : values })
}

const KEY = [10, 1, 97]
const GROUP = (15 << 3) | 3

export const HOSTILE: readonly HostileMessage[] = [
  { title: 'empty inputs', path: INFER, make: (n) => repeated(n, [42, 0]) },
  { title: 'empty outputs', path: INFER, make: (n) => repeated(n, [50, 0]) },
  { title: 'raw tensors of no bytes', path: INFER, make: (n) => repeated(n, [58, 0]) },
  { title: 'entries of parameters', path: INFER, make: (n) => repeated(n, [34, 5, ...KEY, 18, 0]) },
  {
    title: 'parameters of an input',
    path: INFER,
    make: (n) => field(5, repeated(n, [34, 5, ...KEY, 18, 0])),
  },
  { title: 'dimensions', path: INFER, make: (n) => field(5, field(3, repeated(n, [1]))) },
  { title: 'dimensions one by one', path: INFER, make: (n) => field(5, repeated(n, [24, 1])) },
  { title: 'a long model name', path: INFER, make: (n) => field(1, Buffer.alloc(n, 'a')) },
  { title: 'a long input name', path: INFER, make: (n) => field(5, field(1, Buffer.alloc(n, 'a'))) },
  { title: 'names over and over', path: INFER, make: (n) => repeated(n, [10, 1, 97]) },
  { title: 'unknown numbers', path: INFER, make: (n) => repeated(n, [120, 1]) },
  { title: 'unknown bytes', path: INFER, make: (n) => repeated(n, [122, 0]) },
  {
    title: 'one unknown number without end',
    path: INFER,
    make: (n) => join(Uint8Array.of(120), repeated(n, [255])),
  },
  { title: 'groups within one another', path: INFER, make: (n) => repeated(n, [GROUP]) },
  { title: 'groups one after the other', path: INFER, make: (n) => repeated(n, [GROUP, GROUP + 1]) },
  { title: 'a wide group', path: INFER, make: (n) => join(Uint8Array.of(GROUP), repeated(n, [8, 0])) },
  { title: 'contents over and over', path: INFER, make: (n) => field(5, repeated(n, [42, 0])) },
  {
    title: 'empty runs in contents',
    path: INFER,
    make: (n) => tensor('BOOL', 1, { typed: repeated(n, [10, 0]) }),
  },
  {
    title: 'unknown fields in contents',
    path: INFER,
    make: (n) => tensor('BOOL', 1, { typed: repeated(n, [120, 0]) }),
  },
  ...TYPED.flatMap(([type, number, value]): HostileMessage[] => [
    { title: `typed ${type}, packed`, path: INFER, make: (n) => typed(n, type, number, value, true) },
    { title: `typed ${type}, one by one`, path: INFER, make: (n) => typed(n, type, number, value, false) },
  ]),
  {
    title: 'typed BYTES of no bytes',
    path: INFER,
    make: (n) => tensor('BYTES', n / 2 + 1, { typed: repeated(n, [66, 0]) }),
  },
  {
    title: 'raw BYTES of no bytes',
    path: INFER,
    make: (n) => tensor('BYTES', n / 4 + 1, { raw: repeated(n, [0, 0, 0, 0]) }),
  },
  {
    title: 'raw BOOL',
    path: INFER,
    make: (n) => tensor('BOOL', n, { raw: join(repeated(n - 1, [1]), Uint8Array.of(2)) }),
  },
  {
    title: 'raw FP32 of another size',
    path: INFER,
    make: (n) => tensor('FP32', n / 4 + 1, { raw: repeated(n, [0]) }),
  },
  {
    title: 'unknown fields: ServerLive',
    path: `${INFERENCE}/ServerLive`,
    make: (n) => repeated(n, [120, 1]),
  },
  {
    title: 'a long name: ModelStatistics',
    path: `${INFERENCE}/ModelStatistics`,
    make: (n) => field(1, Buffer.alloc(n, 'a')),
  },
  {
    title: 'a long name: RepositoryIndex',
    path: `${INFERENCE}/RepositoryIndex`,
    make: (n) => field(1, Buffer.alloc(n, 'a')),
  },
  {
    title: 'names over and over: ModelConfig',
    path: `${INFERENCE}/ModelConfig`,
    make: (n) => repeated(n, [10, 1, 97]),
  },
  {
    title: 'parameters: RepositoryModelLoad',
    path: `${INFERENCE}/RepositoryModelLoad`,
    make: (n) => repeated(n, [26, 5, ...KEY, 18, 0]),
  },
  {
    title: 'settings: TraceSetting',
    path: `${INFERENCE}/TraceSetting`,
    make: (n) => field(1, field(2, repeated(n, [10, 0]))),
  },
  {
    title: 'clinical values: ScreenPath',
    path: `${SCREENING}/ScreenPath`,
    make: (n) => field(1, repeated(n, [34, 5, ...KEY, 18, 0])),
  },
  {
    title: 'times: ScreenPath',
    path: `${SCREENING}/ScreenPath`,
    make: (n) => field(1, field(7, repeated(n, [0, 0, 0, 0, 0, 0, 0, 0]))),
  },
  {
    title: 'reports: ScreenPath',
    path: `${SCREENING}/ScreenPath`,
    make: (n) => field(1, field(6, repeated(n, [1]))),
  },
  {
    title: 'a long path: ScreenPath',
    path: `${SCREENING}/ScreenPath`,
    make: (n) => field(2, field(2, Buffer.alloc(n, 'a'))),
  },
  {
    title: 'unknown fields: health',
    path: '/grpc.health.v1.Health/Check',
    make: (n) => repeated(n, [120, 1]),
  },
  {
    title: 'a long name: health',
    path: '/grpc.health.v1.Health/Check',
    make: (n) => field(1, Buffer.alloc(n, 'a')),
  },
  {
    title: 'unknown fields: reflection',
    path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    make: (n) => repeated(n, [120, 1]),
  },
]
