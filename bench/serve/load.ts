import { credentials } from '@grpc/grpc-js'
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  ModelInferRequest,
  type ModelStatisticsResponse,
} from '../../src/generated/grpc_service.js'

export interface LoadResult {
  readonly rows: number
  readonly seconds: number
  /** How often each batch size was run meanwhile. */
  readonly batches: ReadonlyMap<number, number>
  readonly latenciesMs: readonly number[]
}

/**
 * `clients` connections of their own, each with one request in flight (closed loop), for `seconds`. The request is
 * written once, and answers are not read: what the clients compute, the daemon on the same processors cannot.
 */
export async function closedLoop(
  address: string,
  model: string,
  request: ModelInferRequest,
  clients: number,
  seconds: number,
): Promise<LoadResult> {
  // grpc-js shares connections between clients of one target unless told not to.
  const own = { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': -1 }
  const stubs = Array.from(
    { length: clients },
    () => new GRPCInferenceServiceClient(address, credentials.createInsecure(), own),
  )
  const latenciesMs: number[] = []
  const message = Buffer.from(ModelInferRequest.encode(request).finish())
  await Promise.all(stubs.map((stub) => infer(stub, message)))
  const before = await batchCounts(stubs[0]!, model)
  const start = performance.now()
  const until = start + seconds * 1000
  await Promise.all(
    stubs.map(async (stub) => {
      while (performance.now() < until) {
        const sent = performance.now()
        await infer(stub, message)
        latenciesMs.push(performance.now() - sent)
      }
    }),
  )
  const elapsed = (performance.now() - start) / 1000
  const after = await batchCounts(stubs[0]!, model)
  for (const stub of stubs) stub.close()
  const batches = new Map([...after].map(([size, count]) => [size, count - (before.get(size) ?? 0)]))
  return { rows: latenciesMs.length, seconds: elapsed, batches, latenciesMs }
}

const asItIs = (bytes: Buffer): Buffer => bytes

function infer(stub: GRPCInferenceServiceClient, message: Buffer): Promise<void> {
  const { path } = GRPCInferenceServiceService.modelInfer
  return new Promise((resolve, reject) => {
    stub.makeUnaryRequest(path, asItIs, asItIs, message, (error) => (error ? reject(error) : resolve()))
  })
}

async function batchCounts(stub: GRPCInferenceServiceClient, model: string): Promise<Map<number, number>> {
  const response = await new Promise<ModelStatisticsResponse>((resolve, reject) => {
    stub.modelStatistics({ name: model, version: '' }, (error, value) =>
      error ? reject(error) : resolve(value),
    )
  })
  const stats = response.modelStats[0]?.batchStats ?? []
  return new Map(stats.map((s) => [Number(s.batchSize), Number(s.computeInfer?.count ?? 0n)]))
}
