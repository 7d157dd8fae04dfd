/** A client of the Open Inference Protocol: tensors in, tensors out, and the model's statistics. */

import { promisify } from 'node:util'
import { credentials } from '@grpc/grpc-js'
import {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  type ModelInferResponse,
  type ModelMetadataResponse,
  type ModelStatistics,
  type ModelStatisticsResponse,
} from '../generated/grpc_service.js'
import { normals } from './random.js'

/** Sends `count` requests at once, one row of random numbers each. */
export async function inferTogether(address: string, model: string, count: number): Promise<ModelStatistics> {
  const client = new GRPCInferenceServiceClient(address, credentials.createInsecure())
  const asked = { name: model, version: '' }
  const { inputs } = await promisify<typeof asked, ModelMetadataResponse>(client.modelMetadata.bind(client))(
    asked,
  )
  const infer = promisify<ModelInferRequest, ModelInferResponse>(client.modelInfer.bind(client))
  const request = (seed: number): ModelInferRequest => {
    const random = normals(seed)
    const tensors = inputs.map(({ name, datatype, shape }) => {
      if (datatype !== 'FP32') throw new Error(`expected inputs of FP32, found ${datatype}`)
      const row = shape.map((size) => (size < 0n ? 1n : size))
      const values = Float32Array.from({ length: Number(row.reduce((a, b) => a * b, 1n)) }, random)
      return { name, datatype, shape: row, bytes: new Uint8Array(values.buffer) }
    })
    return ModelInferRequest.fromPartial({
      modelName: model,
      inputs: tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
      rawInputContents: tensors.map(({ bytes }) => bytes),
    })
  }
  await Promise.all(Array.from({ length: count }, (_, i) => infer(request(i))))
  const { modelStats } = await promisify<typeof asked, ModelStatisticsResponse>(
    client.modelStatistics.bind(client),
  )(asked)
  client.close()
  const [statistics] = modelStats
  if (statistics === undefined) throw new Error(`no statistics for ${model}`)
  return statistics
}
