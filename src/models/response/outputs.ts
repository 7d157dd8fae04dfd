/** From what the network gave to what the client sees: names, shapes with the batch dimension, classes. */
import type { DataType, EngineOutput } from '../../engine/index.js'
import { SentinodeError } from '../../errors.js'
import type { Sliced } from '../../slices.js'
import { applyReshape } from '../config/reshape.js'
import type { CheckedRequest } from '../request/types.js'
import type { ModelSignature, SignatureOutput } from '../signature.js'
import { classify } from './classification.js'

export interface ResponseOutput {
  readonly name: string
  readonly datatype: DataType
  readonly shape: readonly number[]
  /** Row-major little-endian bytes; the engine's memory unless classes were asked for. */
  readonly data: Uint8Array
}

/** In the order of the request. Throws INVALID_REQUEST where an output cannot be classified. */
export function* buildOutputs(
  signature: ModelSignature,
  request: CheckedRequest,
  outputs: readonly EngineOutput[],
): Sliced<ResponseOutput[]> {
  const batched = signature.maxBatchSize > 0
  const built: ResponseOutput[] = []
  for (const { output, classes } of request.outputs) {
    const raw = outputs.find((candidate) => candidate.index === output.index)
    if (raw === undefined) throw new SentinodeError('INTERNAL', 'an output that was asked for is missing')
    const { name, dataType: datatype } = output
    const shape = clientShape(signature, output, raw.shape)
    if (classes === null) built.push({ name, datatype, shape, data: raw.data })
    else
      built.push({ name, datatype: 'BYTES', ...(yield* classify(output, shape, batched, raw.data, classes)) })
  }
  return built
}

function clientShape(signature: ModelSignature, output: SignatureOutput, shape: readonly number[]): number[] {
  if (output.unranked === true) return shape.length === 0 ? [1] : [...shape]
  if (output.reshape === null) return [...shape]
  const batched = signature.maxBatchSize > 0
  const inner = applyReshape(batched ? shape.slice(1) : shape, output.reshape, output.dims)
  const given = batched ? [shape[0] ?? 0, ...inner] : inner
  if (count(given) === count(shape)) return given
  throw new SentinodeError(
    'MODEL_RUN_FAILED',
    `output ${JSON.stringify(output.name)}: ${count(given)} elements of shape [${given.join(', ')}] were ` +
      `expected, the network answered shape [${shape.join(', ')}]`,
  )
}

function count(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}
