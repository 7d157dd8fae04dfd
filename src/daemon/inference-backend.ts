import { SentinodeError } from '../errors.js'
import { ModelInferResponse, ModelMetadataResponse, type ModelStatistics } from '../generated/grpc_service.js'
import type { CallContext } from '../grpc/call.js'
import type { InferenceBackend } from '../grpc/services/inference.js'
import type { ModelManager } from '../models/lifecycle.js'
import type { DecodedRequest } from '../models/request/types.js'
import { modelMetadata, type ServableModel, type TensorMetadata } from '../models/servable.js'
import { inSlices } from '../slices.js'
import type { DaemonState } from './lifecycle.js'

export interface BackendOptions {
  readonly models: ModelManager
  readonly state: () => DaemonState
  readonly isLive: () => boolean
  readonly isReady: () => boolean
  readonly statistics: (model: ServableModel) => ModelStatistics
  /** Told of every answer, with the bytes of its request and its tensors. */
  readonly onAnswer: (model: ServableModel, requestBytes: number, responseBytes: number) => void
  /** Told of requests that passed the model's checks. */
  readonly onChecked: (model: ServableModel, rows: number, bytes: number) => void
  /** Told of requests that did not pass the model's checks. */
  readonly onRejected: (model: ServableModel) => void
}

/** The models as the inference service asks for them. */
export function inferenceBackend(options: BackendOptions): InferenceBackend {
  const { models } = options
  const infer = async (request: DecodedRequest, context: CallContext): Promise<ModelInferResponse> => {
    if (options.state() === 'DRAINING') {
      throw new SentinodeError('SHUTTING_DOWN', 'the server is shutting down and accepts no new requests')
    }
    const model = models.get(request.modelName, request.modelVersion)
    const { requestId: id, deadline, signal, bytes } = context
    const checked = await inSlices(model.check(request), signal).catch((error: unknown) => {
      if (!signal.aborted) options.onRejected(model)
      throw error
    })
    options.onChecked(model, checked.rows, bytes)
    const { outputs } = await model.run(checked, { id, deadline, signal, bytes })
    options.onAnswer(
      model,
      bytes,
      outputs.reduce((sum, output) => sum + output.data.byteLength, 0),
    )
    return {
      modelName: model.name,
      modelVersion: String(model.version),
      id: request.id,
      parameters: {},
      outputs: outputs.map(({ name, datatype, shape }) => ({
        name,
        datatype,
        shape: shape.map(BigInt),
        parameters: {},
        contents: undefined,
      })),
      rawOutputContents: outputs.map(({ data }) => data),
    }
  }
  return {
    isLive: () => options.isLive() && options.state() !== 'STOPPED',
    isReady: options.isReady,
    isModelReady: (name, version) => models.isReady(name, version),
    metadata: (name, version) => {
      const metadata = modelMetadata(models.get(name, version), models.readyVersions(name))
      return ModelMetadataResponse.fromPartial({
        ...metadata,
        versions: [...metadata.versions],
        inputs: metadata.inputs.map(onTheWire),
        outputs: metadata.outputs.map(onTheWire),
      })
    },
    config: (name, version) => models.get(name, version).config,
    statistics: (name, version) => chosen(models, name, version).map(options.statistics),
    index: (readyOnly) => models.index(readyOnly),
    infer,
  }
}

/** Without a name all models that are ready, without a version all of that model's. */
function chosen(models: ModelManager, name: string, version: string): ServableModel[] {
  if (name === '') return models.ready()
  const model = models.get(name, version)
  return version === '' ? models.ready().filter((candidate) => candidate.name === name) : [model]
}

function onTheWire({ name, datatype, shape }: TensorMetadata): {
  name: string
  datatype: string
  shape: bigint[]
} {
  return { name, datatype, shape: shape.map(BigInt) }
}
