import { readFileSync } from 'node:fs'
import { credentials, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js'
import type { CallContext } from '../../src/grpc/call.js'
import { requestIds } from '../../src/grpc/call.js'
import type { CallObserver } from '../../src/grpc/call-observer.js'
import { createCredentials, type TlsFiles } from '../../src/grpc/credentials.js'
import type { InferRequest } from '../../src/grpc/decode/infer-request.js'
import type { Load } from '../../src/grpc/load.js'
import { startGrpcServer, type GrpcServer } from '../../src/grpc/server.js'
import { inferenceService, type InferenceBackend } from '../../src/grpc/services/inference.js'
import type { StatusCodes } from '../../src/grpc/status.js'
import {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  ModelInferResponse,
  ModelMetadataResponse,
} from '../../src/generated/grpc_service.js'
import { ModelConfig } from '../../src/generated/model_config.js'

export const descriptorSet = readFileSync(new URL('../../src/generated/descriptors.binpb', import.meta.url))

export const MIB = 2 ** 20

/** A backend that echoes: every input tensor comes back as the output of its name. */
export function echoBackend(overrides: Partial<InferenceBackend> = {}): InferenceBackend {
  return {
    isLive: () => true,
    isReady: () => true,
    isModelReady: (name) => name === 'echo',
    metadata: (name) => ModelMetadataResponse.fromPartial({ name, versions: ['1'] }),
    config: (name) => ModelConfig.fromPartial({ name, maxBatchSize: 8 }),
    statistics: () => [],
    index: () => [{ name: 'echo', version: '1', state: 'READY', reason: '' }],
    infer: (request) => Promise.resolve(echo(request)),
    ...overrides,
  }
}

export function echo(request: InferRequest): ModelInferResponse {
  return {
    modelName: request.modelName,
    modelVersion: '1',
    id: request.id,
    parameters: {},
    outputs: request.inputs.map((input) => ({ ...input, contents: undefined })),
    rawOutputContents: request.rawInputContents,
  }
}

export interface Running {
  readonly server: GrpcServer
  readonly client: GRPCInferenceServiceClient
  readonly faults: unknown[]
  readonly handled: { method: string; code: string }[]
  readonly shed: string[]
  readonly stop: () => Promise<void>
}

export interface HarnessOptions {
  readonly statusCodes?: StatusCodes
  readonly maxMessageBytes?: number
  readonly requestMemoryBytes?: number
  readonly maxConcurrentStreams?: number
  readonly maxConnections?: number
  readonly leastRate?: number
  readonly load?: Load
  readonly tls?: TlsFiles
  readonly clientCredentials?: ChannelCredentials
}

export async function start(backend: InferenceBackend, options: HarnessOptions = {}): Promise<Running> {
  const faults: unknown[] = []
  const handled: { method: string; code: string }[] = []
  const shed: string[] = []
  const newRequestId = requestIds()
  const statusCodes = options.statusCodes ?? 'sentinode'
  const onFault = (error: unknown): void => void faults.push(error)
  const observer: CallObserver = {
    started: () => undefined,
    handled: (method, code) => void handled.push({ method, code }),
  }
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    credentials: createCredentials(options.tls ?? null),
    services: [inferenceService(backend, '1.2.3', { statusCodes, newRequestId, onFault })],
    descriptorSet,
    maxMessageBytes: options.maxMessageBytes ?? 64 * MIB,
    requestMemoryBytes: options.requestMemoryBytes ?? 256 * MIB,
    maxConcurrentStreams: options.maxConcurrentStreams ?? 256,
    maxConnections: options.maxConnections ?? 64,
    connectionIdleMs: 300_000,
    leastRate: options.leastRate ?? 64 * 1024,
    ...(options.load ? { load: options.load } : {}),
    statusCodes,
    newRequestId,
    observer,
    onShed: (code) => void shed.push(code),
  })
  const client = new GRPCInferenceServiceClient(
    server.address,
    options.clientCredentials ?? credentials.createInsecure(),
    {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
    },
  )
  return {
    server,
    client,
    faults,
    handled,
    shed,
    stop: async () => {
      client.close()
      await server.shutdown(0)
    },
  }
}

/** A call of the generated client as a promise. */
export function invoke<Response = unknown>(
  client: GRPCInferenceServiceClient,
  method: Exclude<keyof GRPCInferenceServiceClient, symbol>,
  request: unknown,
  options: { deadline?: Date } = {},
): Promise<Response> {
  type Call = (
    request: unknown,
    options: object,
    callback: (error: ServiceError | null, response: Response) => void,
  ) => void
  const call = (client as unknown as Record<string, Call>)[method]
  return new Promise((resolve, reject) => {
    call?.call(client, request, options, (error, response) => {
      if (error) reject(error)
      else resolve(response)
    })
  })
}

/** The error that a call fails with; throws if it does not fail. */
export async function failure(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call
  } catch (error) {
    return error as ServiceError
  }
  throw new Error('expected the call to fail')
}

export function codeOf(error: ServiceError): unknown {
  return error.metadata.get('sentinode-code')[0]
}

export function tensorRequest(bytes: Uint8Array, id = ''): ModelInferRequest {
  return ModelInferRequest.fromPartial({
    modelName: 'echo',
    id,
    inputs: [{ name: 'x', datatype: 'UINT8', shape: [BigInt(bytes.length)] }],
    rawInputContents: [bytes],
  })
}

export function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits for a condition. Looks are counted, not time: the machine may hold up the test itself. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await condition()); looks++) {
    if (looks > 10_000) throw new Error('the condition did not come true')
    await later(5)
  }
}

export type { CallContext }
