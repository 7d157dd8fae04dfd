/**
 * Typed contents: values that came as protobuf's repeated fields in place of raw bytes. They stay the bytes
 * that were received until the request has passed all cheaper checks, and are then turned into the bytes of a
 * tensor in pieces: a hundred million of them may be in one message. Which field goes with which datatype is
 * the protocol's; FP16 and BF16 have none and come raw.
 */
import type { DataType } from '../../engine/index.js'
import { SentinodeError } from '../../errors.js'
import { PIECE, type Sliced } from '../../slices.js'
import { elementSize, isDataType } from '../datatypes.js'
import { wrongCount } from './bytes-tensor.js'
import { ContentsReader } from './contents-reader.js'
import { invalid, quote } from './messages.js'
import type { RequestInput } from './types.js'
import { IntegerTensor } from './varints.js'

/** The datatypes that each field of the contents can carry, by its number, the widest last. */
const FIELDS: readonly (readonly DataType[])[] = [
  [],
  ['BOOL'],
  ['INT8', 'INT16', 'INT32'],
  ['INT64'],
  ['UINT8', 'UINT16', 'UINT32'],
  ['UINT64'],
  ['FP32'],
  ['FP64'],
  ['BYTES'],
]

/** Bytes of the tensors that one request's contents are turned into; raw bytes are not counted. */
export const MOST_CONVERTED = 256 * 2 ** 20

/** What the contents hold: the bytes that would carry them raw, as far as they fit into the shape. */
export interface Converted {
  readonly data: Uint8Array
  /** All that came, which may be more or fewer than the shape has. */
  readonly elements: number
}

/** Throws INVALID_REQUEST where the values that come first do not go with the input's datatype. */
export function checkContents(input: RequestInput, model: string): void {
  const reader = new ContentsReader(input.name, input.contents)
  if (reader.next()) checkField(input, model, reader.field, reader.field)
}

/**
 * The values as raw bytes, for a shape of `elements`, taking at most `room` bytes of new memory. A view into the
 * message where they came as one run of floating point numbers. INVALID_REQUEST where two fields are filled, the
 * filled one does not go with the datatype, or an integer is beyond it.
 */
export function* convertContents(
  input: RequestInput,
  model: string,
  elements: number,
  room: number,
): Sliced<Converted> {
  const { datatype } = input
  if (!isDataType(datatype)) throw invalid(`input ${quote(input.name)} has no datatype`)
  if (datatype === 'BYTES') return yield* convertBytes(input, model, elements, room)
  const floating = datatype === 'FP32' || datatype === 'FP64'
  return yield* (floating ? convertFixed : convertVarints)(input, model, elements, room)
}

function checkField(input: RequestInput, model: string, first: number, field: number): void {
  const tensor = `unexpected explicit tensor data for input tensor ${quote(input.name)} for model ${quote(model)}`
  if (field !== first) throw invalid(`${tensor}, binary data was already supplied.`)
  const types = FIELDS[field] as readonly DataType[]
  if (!types.some((type) => type === input.datatype))
    throw invalid(`${tensor} of type '${types.at(-1)}', expected datatype ${quote(input.datatype)}`)
}

/** Runs of values, one after the other, all of the same field. */
class Runs {
  readonly #reader: ContentsReader
  #field = 0

  constructor(
    private readonly input: RequestInput,
    private readonly model: string,
  ) {
    this.#reader = new ContentsReader(input.name, input.contents)
  }

  /** Where the next run lies, null after the last. */
  next(): ContentsReader | null {
    const reader = this.#reader
    if (!reader.next()) return null
    if (reader.field !== this.#field) {
      checkField(this.input, this.model, this.#field === 0 ? reader.field : this.#field, reader.field)
      this.#field = reader.field
    }
    return reader
  }
}

function received(input: RequestInput): number {
  return input.contents.reduce((sum, part) => sum + part.byteLength, 0)
}

/** Memory for as many elements as the shape has and the message can hold. */
function allocate(
  input: RequestInput,
  elements: number,
  size: number,
  shortest: number,
  room: number,
): Uint8Array {
  return take(input, Math.min(elements, Math.floor(received(input) / shortest)) * size, room)
}

function take(input: RequestInput, bytes: number, room: number): Uint8Array {
  if (bytes <= room) return new Uint8Array(bytes)
  throw new SentinodeError(
    'REQUEST_TOO_LARGE',
    `expected typed contents of at most ${MOST_CONVERTED} bytes in a request, ` +
      `found ${bytes} more than the ${MOST_CONVERTED - room} before for input ${quote(input.name)}: send them raw`,
  )
}

function* convertVarints(
  input: RequestInput,
  model: string,
  elements: number,
  room: number,
): Sliced<Converted> {
  const type = input.datatype as DataType
  const size = elementSize(type)
  const tensor = new IntegerTensor(allocate(input, elements, size, 1, room), {
    size,
    signed: type.startsWith('INT'),
    bool: type === 'BOOL',
  })
  const runs = new Runs(input, model)
  let piece = 0
  for (let run = runs.next(); run !== null; run = runs.next()) {
    for (let at = run.start; at < run.end;) {
      const next = tensor.take(run.part, at, Math.min(run.end, at + PIECE))
      if (Number.isNaN(next)) throw invalid(`expected integers in the contents of input ${quote(input.name)}`)
      piece += next - at + 2
      at = next
      if (piece > PIECE) {
        piece = 0
        yield
      }
    }
  }
  if (tensor.beyond >= 0) {
    throw invalid(
      `value ${tensor.beyond} of input ${quote(input.name)} is out of range for datatype ${quote(type)}`,
    )
  }
  return { data: tensor.data, elements: tensor.count }
}

function* convertFixed(
  input: RequestInput,
  model: string,
  elements: number,
  room: number,
): Sliced<Converted> {
  const size = elementSize(input.datatype as DataType)
  const only = onlyRun(input, model)
  if (only !== null) return { data: only, elements: only.byteLength / size }
  const data = allocate(input, elements, size, size, room)
  const runs = new Runs(input, model)
  let found = 0
  let piece = 0
  for (let run = runs.next(); run !== null; run = runs.next()) {
    for (let at = run.start; at < run.end; at += PIECE) {
      const end = Math.min(run.end, at + PIECE)
      copy(run.part, at, Math.min(end, at + Math.max(0, data.length - found)), data, found)
      found += end - at
      piece += end - at + 16
      if (piece > PIECE) {
        piece = 0
        yield
      }
    }
  }
  return { data, elements: found / size }
}

/** The bytes of contents that are one run and nothing else, as every client writes floating point numbers. */
function onlyRun(input: RequestInput, model: string): Uint8Array | null {
  const runs = new Runs(input, model)
  const run = runs.next()
  if (run === null || run.end < run.part.length || input.contents.at(-1) !== run.part) return null
  return run.part.subarray(run.start, run.end)
}

function* convertBytes(
  input: RequestInput,
  model: string,
  elements: number,
  room: number,
): Sliced<Converted> {
  let size = 0
  let found = 0
  let piece = 0
  const sizes = new Runs(input, model)
  for (let run = sizes.next(); run !== null; run = sizes.next()) {
    size += 4 + run.end - run.start
    if (++found > elements) throw wrongCount(input.name, model, found, elements)
    if (++piece > PIECE / 8) {
      piece = 0
      yield
    }
  }
  const data = take(input, size, room)
  const view = new DataView(data.buffer)
  const runs = new Runs(input, model)
  let offset = 0
  for (let run = runs.next(); run !== null; run = runs.next()) {
    view.setUint32(offset, run.end - run.start, true)
    offset += 4
    piece += 8
    for (let at = run.start; at < run.end; at += PIECE) {
      const end = Math.min(run.end, at + PIECE)
      copy(run.part, at, end, data, offset)
      offset += end - at
      piece += end - at
      if (piece > PIECE) {
        piece = 0
        yield
      }
    }
    if (piece > PIECE) {
      piece = 0
      yield
    }
  }
  return { data, elements: found }
}

/** Views of a few bytes cost more than the bytes. */
const FEW = 32

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, offset: number): void {
  if (end - start > FEW) to.set(from.subarray(start, end), offset)
  else for (let i = start; i < end; i++) to[offset + i - start] = from[i] as number
}
