/**
 * The runs that end loading, so that what a provider cannot run is found then and not at the first
 * request: the samples of `model_warmup`, and zeros for every other batch size in use. Sizes that the
 * network leaves open are taken from the first sample; without one there is nothing to run. A sample that
 * was asked for must run; zeros may be what a good network cannot take (text that it reads as numbers).
 */
import type { FileResolver } from '../compiler/resolver.js'
import { isSentinodeError, SentinodeError, type ErrorCode } from '../errors.js'
import type { ModelConfig, ModelWarmup, ModelWarmup_Input } from '../generated/model_config.js'
import type { ConfigSource } from './config/source.js'
import { toConfigType, elementSize } from './datatypes.js'
import type { EnginePayload, EngineInstance } from './engine.js'
import { checkRequest } from './request/check.js'
import { encodeBytesTensor } from './request/bytes-tensor.js'
import { byteCount, elementCount } from './request/sizes.js'
import type { RequestInput } from './request/types.js'
import { randomTensor } from './random-tensor.js'
import { type SingleWatch, watched } from '../scheduling/index.js'
import type { ModelSignature, SignatureInput } from './signature.js'

export interface WarmupSample {
  readonly name: string
  readonly payload: EnginePayload
  readonly rows: number
  /** How often it is run. */
  readonly count: number
  /** Whether the configuration has it. */
  readonly configured: boolean
}

/**
 * @param resolver confined to the model's folder; data files lie in its folder `warmup`
 * @param warnings told where sizes are not known and no sample tells them
 * Rejects with MODEL_CONFIG_INVALID, FILE_NOT_FOUND or FILE_OUTSIDE_MODEL.
 */
export async function warmupSamples(
  source: ConfigSource,
  config: ModelConfig,
  signature: ModelSignature,
  resolver: FileResolver,
  warnings: string[],
): Promise<WarmupSample[]> {
  const samples: WarmupSample[] = []
  for (const [i, warmup] of config.modelWarmup.entries()) {
    samples.push(await configured(source, warmup, `model_warmup[${i}]`, signature, resolver))
  }
  // What has a value of its own is left to it.
  const given = signature.inputs.filter((input) => input.value === undefined)
  const known = given.map((input) => knownDims(input, config))
  const open = given.find((_, i) => known[i] === null)
  if (open !== undefined) {
    warnings.push(
      `no warm-up: input ${JSON.stringify(open.name)} has variable dimensions and model_warmup no sample`,
    )
    return samples
  }
  for (const rows of batchSizes(config)) {
    if (samples.some((sample) => sample.rows === rows)) continue
    const inputs = given.map((input, i) => tensor(signature, input, known[i] ?? [], rows, zeros))
    samples.push(sample(signature, `zeros of batch size ${rows}`, inputs, 1, false))
  }
  return samples
}

/** Of one row; null where neither the network nor the first sample tells them. */
function knownDims(input: SignatureInput, config: ModelConfig): readonly bigint[] | null {
  if (!input.dims.includes(-1)) return input.dims.map(BigInt)
  const inputs = config.modelWarmup[0]?.inputs ?? {}
  return Object.hasOwn(inputs, input.name) ? (inputs[input.name]?.dims ?? null) : null
}

/**
 * Runs all samples on one instance. Rejects with the code of the first failure of a configured one; `warnings`
 * are told of others, except that a run which hangs is RUN_TIMEOUT in each.
 */
export async function runWarmup(
  instance: EngineInstance,
  samples: readonly WarmupSample[],
  warnings: string[],
  watch: SingleWatch,
): Promise<void> {
  for (const { name, payload, rows, count, configured } of samples) {
    for (let run = 0; run < count; run++) {
      const started = instance.start([{ payload, rows, deadline: Infinity }])
      const { outcomes } = await watched(started, { instance: instance.name, rows }, watch)
      const outcome = outcomes[0]
      if (outcome?.kind === 'ok') continue
      const cause = outcome?.kind === 'failed' ? outcome.error : null
      const code: ErrorCode = isSentinodeError(cause) ? cause.code : 'MODEL_RUN_FAILED'
      const what = `warm-up ${JSON.stringify(name)} failed: ${cause?.message ?? 'it did not run'}`
      if (configured) throw new SentinodeError(code, what)
      const warning = `${what}; it is served all the same: give model_warmup a sample that it takes`
      if (!warnings.includes(warning)) warnings.push(warning)
    }
  }
}

/** 1, the preferred sizes and the largest. */
function batchSizes(config: ModelConfig): number[] {
  const scheduling = config.schedulingChoice
  const preferred = scheduling?.$case === 'dynamicBatching' ? scheduling.value.preferredBatchSize : []
  return [...new Set([1, ...preferred, Math.max(1, config.maxBatchSize)])].sort((a, b) => a - b)
}

async function configured(
  source: ConfigSource,
  warmup: ModelWarmup,
  at: string,
  signature: ModelSignature,
  resolver: FileResolver,
): Promise<WarmupSample> {
  const rows = Math.max(1, warmup.batchSize)
  if (rows > Math.max(1, signature.maxBatchSize)) {
    throw source.invalid(`${at}.batch_size`, `1 to max_batch_size ${signature.maxBatchSize}`, String(rows))
  }
  const inputs: RequestInput[] = []
  const data: Uint8Array[] = []
  for (const [name, given] of Object.entries(warmup.inputs)) {
    const path = `${at}.inputs[${JSON.stringify(name)}]`
    const input = signature.inputs.find((candidate) => candidate.name === name)
    if (input === undefined) throw source.invalid(path, "one of the model's inputs", JSON.stringify(name))
    if (given.dataType !== toConfigType(input.dataType)) {
      throw source.invalid(`${path}.data_type`, `the type of the input, ${input.dataType}`, 'another')
    }
    const fill = await filling(source, given, path, resolver)
    const made = tensor(signature, input, given.dims, rows, fill)
    inputs.push(made.input)
    data.push(made.data)
  }
  try {
    return sample(
      signature,
      warmup.name,
      inputs.map((input, i) => ({ input, data: data[i] as Uint8Array })),
      Math.max(1, warmup.count),
      true,
    )
  } catch (error) {
    if (!isSentinodeError(error) || error.code !== 'INVALID_REQUEST') throw error
    throw source.invalid(at, 'a sample that is a valid request', error.message)
  }
}

/** Makes the data of one row. */
type Filling = (input: SignatureInput, elements: number) => Uint8Array

async function filling(
  source: ConfigSource,
  given: ModelWarmup_Input,
  path: string,
  resolver: FileResolver,
): Promise<Filling> {
  const kind = given.inputDataType
  if (kind?.$case === 'zeroData') return zeros
  if (kind?.$case === 'randomData') return (input, elements) => randomTensor(input.dataType, elements)
  if (kind === undefined) throw source.invalid(path, 'zero_data, random_data or input_data_file', 'none')
  const file = await resolver.read(`warmup/${kind.value}`)
  return () => file
}

const zeros: Filling = (input, elements) =>
  input.dataType === 'BYTES'
    ? encodeBytesTensor(Array.from({ length: elements }, () => new Uint8Array(0)))
    : new Uint8Array(byteCount(input.name, elements, elementSize(input.dataType)))

interface Tensor {
  readonly input: RequestInput
  readonly data: Uint8Array
}

/** @param dims of one row */
function tensor(
  signature: ModelSignature,
  input: SignatureInput,
  dims: readonly bigint[],
  rows: number,
  fill: Filling,
): Tensor {
  const row = fill(input, elementCount(input.name, dims.map(Number)))
  const shape = signature.maxBatchSize > 0 ? [BigInt(rows), ...dims] : dims
  return {
    input: { name: input.name, datatype: input.dataType, shape, parameters: {}, contents: [] },
    data: Buffer.concat(Array.from({ length: rows }, () => row)),
  }
}

/** Checked as a client's request would be, so that a sample cannot be what no client may send. */
function sample(
  signature: ModelSignature,
  name: string,
  tensors: readonly Tensor[],
  count: number,
  configured: boolean,
): WarmupSample {
  const checked = checkRequest(signature, {
    modelName: signature.name,
    modelVersion: '',
    id: '',
    parameters: {},
    inputs: tensors.map(({ input }) => input),
    outputs: [],
    rawInputContents: tensors.map(({ data }) => data),
  })
  const { inputs, shapes, outputIndices, rows } = checked
  return { name, payload: { inputs, shapes, outputs: outputIndices }, rows, count, configured }
}
