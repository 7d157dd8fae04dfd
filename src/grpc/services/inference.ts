import type { UntypedHandleCall } from '@grpc/grpc-js'
import { SentinodeError } from '../../errors.js'
import {
  GRPCInferenceServiceService,
  type ModelInferResponse,
  type ModelMetadataRequest,
  type ModelMetadataResponse,
  type ModelReadyRequest,
  type ModelStatistics,
  type RepositoryIndexRequest,
  type RepositoryIndexResponse_ModelIndex,
} from '../../generated/grpc_service.js'
import type { ModelConfig } from '../../generated/model_config.js'
import { refuseStream, unary, type CallContext, type CallOptions } from '../call.js'
import { serializeInferResponse, withDecoding } from '../codec.js'
import type { InferRequest } from '../decode/infer-request.js'
import type { ServedService } from '../server.js'

/** Triton's names of what this service really offers. */
const EXTENSIONS = [
  'classification',
  'schedule_policy',
  'model_configuration',
  'binary_tensor_data',
  'parameters',
  'statistics',
] as const

/** Calls of the protocol that are answered UNIMPLEMENTED, with what is missing. */
const NOT_OFFERED: Readonly<Record<string, string>> = {
  repositoryModelLoad: 'loading models on request',
  repositoryModelUnload: 'unloading models on request',
  systemSharedMemoryStatus: 'system shared memory',
  systemSharedMemoryRegister: 'system shared memory',
  systemSharedMemoryUnregister: 'system shared memory',
  cudaSharedMemoryStatus: 'CUDA shared memory',
  cudaSharedMemoryRegister: 'CUDA shared memory',
  cudaSharedMemoryUnregister: 'CUDA shared memory',
  traceSetting: 'trace settings',
  logSettings: 'log settings',
}

/** What the service asks of the models. Methods throw SentinodeErrors; an empty version is the newest. */
export interface InferenceBackend {
  isLive(): boolean
  isReady(): boolean
  /** False for what does not exist. */
  isModelReady(name: string, version: string): boolean
  metadata(name: string, version: string): ModelMetadataResponse
  config(name: string, version: string): ModelConfig
  /** Of every model where the name is empty. */
  statistics(name: string, version: string): ModelStatistics[]
  index(readyOnly: boolean): RepositoryIndexResponse_ModelIndex[]
  /** Tensors of the request are views that stay valid until it settles. */
  infer(request: InferRequest, context: CallContext): Promise<ModelInferResponse>
}

/** `inference.GRPCInferenceService`: decode, call, encode. */
export function inferenceService(
  backend: InferenceBackend,
  version: string,
  options: CallOptions,
): ServedService {
  const notOffered = (what: string): SentinodeError =>
    new SentinodeError('NOT_IMPLEMENTED', `sentinode does not offer ${what}`)

  const offered = {
    serverLive: unary(() => ({ live: backend.isLive() }), options),
    serverReady: unary(() => ({ ready: backend.isReady() }), options),
    serverMetadata: unary(() => ({ name: 'sentinode', version, extensions: [...EXTENSIONS] }), options),
    modelReady: unary(
      (r: ModelReadyRequest) => ({ ready: backend.isModelReady(r.name, r.version) }),
      options,
    ),
    modelMetadata: unary((r: ModelMetadataRequest) => backend.metadata(r.name, r.version), options),
    modelConfig: unary((r: ModelMetadataRequest) => ({ config: backend.config(r.name, r.version) }), options),
    modelStatistics: unary(
      (r: ModelMetadataRequest) => ({ modelStats: backend.statistics(r.name, r.version) }),
      options,
    ),
    repositoryIndex: unary((r: RepositoryIndexRequest) => {
      if (r.repositoryName !== '') {
        throw notOffered('the index of one repository by name')
      }
      return { models: backend.index(r.ready) }
    }, options),
    modelInfer: unary((r: InferRequest, context) => backend.infer(r, context), options),
  }
  const refuse = (what: string): UntypedHandleCall =>
    unary(() => {
      throw notOffered(what)
    }, options)
  const refused = Object.fromEntries(Object.entries(NOT_OFFERED).map(([name, what]) => [name, refuse(what)]))
  const modelStreamInfer = refuseStream(notOffered('streaming inference'), options)
  return {
    name: 'inference.GRPCInferenceService',
    definition: withDecoding(GRPCInferenceServiceService, { modelInfer: serializeInferResponse }),
    implementation: { ...offered, ...refused, modelStreamInfer },
  }
}
