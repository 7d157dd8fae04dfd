/**
 * A request held against a model's signature, in Triton's order of checks and with the stable parts of
 * its messages, so that clients and their tests find what they know. Everything is checked before
 * anything is queued; nothing is copied unless values came typed. What looks at every element is done last, and in
 * pieces, since a message may hold a hundred million of them.
 */
import { PIECE, runAtOnce, type Sliced } from '../../slices.js'
import { elementSize } from '../datatypes.js'
import { applyReshape } from '../config/reshape.js'
import type { ModelSignature, SignatureInput } from '../signature.js'
import { checkBytesTensor, wrongCount } from './bytes-tensor.js'
import { checkContents, convertContents, MOST_CONVERTED } from './contents.js'
import { invalid, quote, quoteAll, showShape } from './messages.js'
import { refuseSharedMemory, readParameters } from './parameters.js'
import { byteCount, elementCount } from './sizes.js'
import type { CheckedRequest, DecodedRequest, RequestInput } from './types.js'
import { checkOutputs, resolveOutputs } from './wanted-outputs.js'

/** The bytes of an input as received; null where its values came typed. */
type Payload = Uint8Array | null

/** `requestCheck`, to its end at once. */
export function checkRequest(signature: ModelSignature, request: DecodedRequest): CheckedRequest {
  return runAtOnce(requestCheck(signature, request))
}

/**
 * Throws INVALID_REQUEST, REQUEST_TOO_LARGE for too many typed values, or NOT_IMPLEMENTED for shared memory. Does
 * not resolve the model's name.
 */
export function* requestCheck(signature: ModelSignature, request: DecodedRequest): Sliced<CheckedRequest> {
  const { priority, timeoutMicroseconds } = readParameters(request.parameters)
  checkDuplicates(request)
  const payloads = locatePayloads(request)
  const classes = checkOutputs(request.outputs)
  const outputs = resolveOutputs(signature, request.outputs, classes)
  checkInputCount(signature, request)
  refuseSurplus(request)
  const found = request.inputs.map((input) => findInput(signature, input))
  // Beyond 2^53 a dimension is rounded; it is refused as too large then, and matches no fixed one.
  const given = request.inputs.map((input) => input.shape.map(Number))
  const rows = checkBatch(signature, request, given)

  request.inputs.forEach((input, i) => {
    checkShape(signature, found[i] as SignatureInput, input, given[i] as number[])
  })

  const inputs = new Array<Uint8Array>(signature.inputs.length)
  const shapes = new Array<readonly number[]>(signature.inputs.length)
  let bytes = 0
  let room = MOST_CONVERTED
  for (const [i, input] of request.inputs.entries()) {
    const expected = found[i] as SignatureInput
    const shape = given[i] as number[]
    const elements = elementCount(input.name, shape)
    const raw = payloads[i] as Payload
    const data =
      raw === null
        ? yield* convert(signature, expected, input, elements, room)
        : yield* checkRaw(signature, expected, input, elements, raw)
    if (raw === null) room -= data.byteLength
    inputs[expected.index] = data
    shapes[expected.index] = networkShape(signature, expected, shape)
    bytes += data.byteLength
  }
  fillGaps(signature, inputs, shapes)
  const outputIndices = [...new Set(outputs.map(({ output }) => output.index))].sort((a, b) => a - b)
  return {
    inputs,
    shapes,
    rows,
    bytes,
    bucket: bucketKey(signature, shapes),
    outputs,
    outputIndices,
    priority,
    timeoutMicroseconds,
  }
}

function checkDuplicates(request: DecodedRequest): void {
  const seen = new Set<string>()
  for (const { name } of request.inputs) {
    if (seen.has(name)) throw invalid(`input ${quote(name)} already exists in request`)
    seen.add(name)
  }
  seen.clear()
  for (const { name } of request.outputs) {
    if (seen.has(name)) throw invalid(`output ${quote(name)} already exists in request`)
    seen.add(name)
  }
}

function locatePayloads(request: DecodedRequest): Payload[] {
  const raw = request.rawInputContents
  const model = request.modelName
  return request.inputs.map((input, i) => {
    refuseSharedMemory(input.name, input.parameters)
    if (input.contents.length > 0) {
      if (raw.length > 0) {
        throw invalid(
          `contents field must not be specified when using raw_input_contents for ${quote(input.name)} ` +
            `for model ${quote(model)}`,
        )
      }
      checkContents(input, model)
      return null
    }
    const data = raw[i]
    if (data === undefined) {
      throw invalid(
        `unable to find data for input tensor ${quote(input.name)} for model ${quote(model)} in request.`,
      )
    }
    return data
  })
}

function checkInputCount(signature: ModelSignature, request: DecodedRequest): void {
  const given = request.inputs.map((input) => input.name)
  const required = signature.inputs.filter((input) => !input.optional)
  const most = signature.inputs.length
  if (given.length >= required.length && given.length <= most) return
  const missing = required.map((input) => input.name).filter((name) => !given.includes(name))
  const expected =
    required.length === most ? `${most} inputs` : `number of inputs between ${required.length} and ${most}`
  throw invalid(
    `expected ${expected} but got ${given.length} inputs for model ${quote(signature.name)}. ` +
      `Got input(s) ${quoteAll(given)}, but missing required input(s) ${quoteAll(missing)}. ` +
      'Please provide all required input(s).',
  )
}

/** Triton takes the first ones and drops the others; who sends them means something else than would be read. */
function refuseSurplus({ inputs, rawInputContents: raw, modelName }: DecodedRequest): void {
  if (raw.length <= inputs.length) return
  throw invalid(
    `expected ${inputs.length} tensors in raw_input_contents for model ${quote(modelName)}, one an input, ` +
      `found ${raw.length}`,
  )
}

function findInput(signature: ModelSignature, input: RequestInput): SignatureInput {
  const found = signature.inputs.find((candidate) => candidate.name === input.name)
  if (found !== undefined) return found
  throw invalid(`unexpected inference input ${quote(input.name)} for model ${quote(signature.name)}`)
}

/** The first dimension that all inputs share; 1 for a model without a batch dimension. */
function checkBatch(
  signature: ModelSignature,
  request: DecodedRequest,
  shapes: readonly (readonly number[])[],
): number {
  if (signature.maxBatchSize === 0) return 1
  const model = quote(signature.name)
  let rows: number | null = null
  for (const [i, input] of request.inputs.entries()) {
    const first = shapes[i]?.[0]
    if (first === undefined) {
      throw invalid(`input ${quote(input.name)} has no shape but model requires batch dimension for ${model}`)
    }
    if (first === -1) throw wildcard(signature, input)
    if (rows !== null && first !== rows) {
      throw invalid(`input ${quote(input.name)} batch size does not match other inputs for ${model}`)
    }
    rows = first
  }
  if (rows === null || rows < 1) throw invalid(`inference request batch-size must be >= 1 for ${model}`)
  if (rows > signature.maxBatchSize) {
    throw invalid(`inference request batch-size must be <= ${signature.maxBatchSize} for ${model}`)
  }
  return rows
}

function checkShape(
  signature: ModelSignature,
  expected: SignatureInput,
  input: RequestInput,
  shape: readonly number[],
): void {
  if (input.datatype !== expected.dataType) {
    throw invalid(
      `inference input ${quote(input.name)} data-type is ${quote(input.datatype)}, ` +
        `but model ${quote(signature.name)} expects '${expected.dataType}'`,
    )
  }
  const batch = signature.maxBatchSize > 0 ? 1 : 0
  if (expected.unranked === true && !shape.includes(-1)) return
  const sameRank = shape.length === expected.dims.length + batch
  if (sameRank && shape.includes(-1)) throw wildcard(signature, input)
  if (sameRank && expected.dims.every((dim, i) => dim === -1 || dim === shape[i + batch])) return
  const full = batch === 1 ? [-1, ...expected.dims] : expected.dims
  const note =
    batch === 1
      ? ' NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be ' +
        'prepended to each input shape.'
      : ''
  throw invalid(
    `unexpected shape for input ${quote(input.name)} for model ${quote(signature.name)}. ` +
      `Expected ${showShape(full)}, got ${showShape(input.shape)}.${note}`,
  )
}

/** The shape as the network sees it, the batch dimension included. */
function networkShape(
  signature: ModelSignature,
  expected: SignatureInput,
  shape: readonly number[],
): readonly number[] {
  if (expected.reshape === null) return shape
  if (signature.maxBatchSize === 0) return applyReshape(shape, expected.dims, expected.reshape)
  return [shape[0] ?? 0, ...applyReshape(shape.slice(1), expected.dims, expected.reshape)]
}

function wildcard(signature: ModelSignature, input: RequestInput): Error {
  return invalid(
    `All input dimensions should be specified for input ${quote(input.name)} for model ${quote(signature.name)}, ` +
      `got ${showShape(input.shape)}`,
  )
}

function* convert(
  signature: ModelSignature,
  expected: SignatureInput,
  input: RequestInput,
  elements: number,
  room: number,
): Sliced<Uint8Array> {
  const { data, elements: given } = yield* convertContents(input, signature.name, elements, room)
  if (given === elements) return data
  if (expected.dataType === 'BYTES') throw wrongCount(input.name, signature.name, given, elements)
  const size = elementSize(expected.dataType)
  throw wrongSize(signature, input, byteCount(input.name, elements, size), given * size)
}

function* checkRaw(
  signature: ModelSignature,
  expected: SignatureInput,
  input: RequestInput,
  elements: number,
  data: Uint8Array,
): Sliced<Uint8Array> {
  if (expected.dataType === 'BYTES') {
    yield* checkBytesTensor(input.name, signature.name, data, elements)
    return data
  }
  const size = byteCount(input.name, elements, elementSize(expected.dataType))
  if (data.byteLength !== size) throw wrongSize(signature, input, size, data.byteLength)
  if (expected.dataType !== 'BOOL') return data
  for (let begin = 0; begin < data.length; begin += PIECE) {
    if (begin > 0) yield
    const end = Math.min(data.length, begin + PIECE)
    for (let i = begin; i < end; i++) {
      // Any other byte is undefined behaviour once C++ reads it as a bool.
      if ((data[i] as number) > 1) {
        throw invalid(
          `input ${quote(input.name)} for model ${quote(signature.name)} has a BOOL that is neither 0 nor 1`,
        )
      }
    }
  }
  return data
}

function wrongSize(signature: ModelSignature, input: RequestInput, size: number, given: number): Error {
  return invalid(
    `input byte size mismatch for input ${quote(input.name)} for model ${quote(signature.name)}. ` +
      `Expected ${size}, got ${given}`,
  )
}

/** Gives what was left out the network's own value, where there is one. */
function fillGaps(
  signature: ModelSignature,
  inputs: (Uint8Array | undefined)[],
  shapes: (readonly number[])[],
): void {
  for (const { index, value } of signature.inputs) {
    if (value === undefined || inputs[index] !== undefined) continue
    inputs[index] = value.data
    shapes[index] = value.shape
  }
  const left = signature.inputs.find((input) => inputs[input.index] === undefined)
  if (left === undefined) return
  throw invalid(
    `optional input ${quote(left.name)} was left out and the network of model ${quote(signature.name)} has no value for it`,
  )
}

function bucketKey(signature: ModelSignature, shapes: readonly (readonly number[])[]): string {
  const inner = shapes.map((shape) => (signature.maxBatchSize > 0 ? shape.slice(1) : shape).join('x'))
  return inner.join(',')
}
