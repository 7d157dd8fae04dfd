/** A version of a model that answers requests. */
import type { DataType } from '../engine/index.js'
import type { ModelConfig } from '../generated/model_config.js'
import type { Completion, Expectation } from '../scheduling/index.js'
import type { Contract } from '../screening/index.js'
import type { ResolvedPlacement } from './config/complete.js'
import type { Sliced } from '../slices.js'
import type { CheckedRequest, DecodedRequest } from './request/types.js'
import type { ResponseOutput } from './response/outputs.js'
import type { ModelSignature } from './signature.js'

export interface InferContext {
  /** The request's own id, for logs; never a label. */
  readonly id: string
  /** The caller's deadline in monotonic milliseconds, Infinity for none. */
  readonly deadline: number
  readonly signal: AbortSignal | null
  /** Bytes of the received message that the request keeps alive, where they are more than its tensors. */
  readonly bytes?: number
  /** Where the request was announced with `expect`. */
  readonly expected?: Expectation
}

export interface Inference {
  readonly outputs: readonly ResponseOutput[]
  readonly timing: Omit<Completion<unknown>, 'result'>
}

export interface ServableModel {
  readonly name: string
  readonly version: number
  readonly signature: ModelSignature
  /** Completed; what the ModelConfig call answers. */
  readonly config: ModelConfig
  /** SHA-256 of the network with all that it names, in hexadecimal. */
  readonly contentHash: string
  /** What makes it a screening model; null where there is no screening.yaml. */
  readonly contract: Contract | null
  readonly placements: readonly ResolvedPlacement[]
  /** Wall-clock seconds that loading took. */
  readonly loadSeconds: number
  /** What was left aside or fell back, for the log and the metadata. */
  readonly warnings: readonly string[]
  /**
   * In pieces, as a request may hold more values than can be looked at in one turn of the event loop. Throws
   * INVALID_REQUEST, REQUEST_TOO_LARGE or NOT_IMPLEMENTED; a request that passes may be given to `run`.
   */
  check(request: DecodedRequest): Sliced<CheckedRequest>
  /** Queues and runs what was checked. Rejects as the scheduler does. */
  run(request: CheckedRequest, context: InferContext): Promise<Inference>
  /** Announces requests (one where not said) that are still being made; unloading waits for them. Throws SHUTTING_DOWN. */
  expect(requests?: number): Expectation
  /** `check` and `run` in one. */
  infer(request: DecodedRequest, context: InferContext): Promise<Inference>
  /** Requests and bytes that wait; `pending` adds what is in a batch that does not run yet. */
  queue(): { readonly requests: number; readonly bytes: number; readonly pending: number }
  /** Milliseconds until `rows` rows that came now would have been run (ModelScheduler.expectedWait). */
  expectedWait(rows: number): number
  /** Admits no more, answers what was admitted until `deadline` (monotonic ms), then frees everything. Idempotent. */
  dispose(deadline: number): Promise<void>
}

export interface TensorMetadata {
  readonly name: string
  readonly datatype: DataType
  /** With the batch dimension; -1 for a variable one. */
  readonly shape: readonly number[]
}

export interface ModelMetadata {
  readonly name: string
  /** Ready ones, ascending. */
  readonly versions: readonly string[]
  readonly platform: string
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
  readonly properties: Readonly<Record<string, string>>
}

/** What the ModelMetadata call answers. */
export function modelMetadata(model: ServableModel, versions: readonly number[]): ModelMetadata {
  const { signature } = model
  const batch = signature.maxBatchSize > 0 ? [-1] : []
  const describe = (
    tensor: ModelSignature['inputs'][number] | ModelSignature['outputs'][number],
  ): TensorMetadata => ({
    name: tensor.name,
    datatype: tensor.dataType,
    shape: [...batch, ...tensor.dims],
  })
  return {
    name: model.name,
    versions: versions.map(String),
    platform: model.config.platform,
    inputs: signature.inputs.map(describe),
    outputs: signature.outputs.map(describe),
    properties: {
      content_sha256: model.contentHash,
      target: [...new Set(model.placements.map(({ target }) => target))].join(','),
      ...contractProperties(model.contract),
    },
  }
}

function contractProperties(contract: Contract | null): Record<string, string> {
  if (contract === null) return {}
  const { notice } = contract.provenance
  return { contract_sha256: contract.sha256, ...(notice === undefined ? {} : { notice }) }
}
