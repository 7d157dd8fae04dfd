/**
 * From a version's folder to a model that answers: compile, open sessions, complete the configuration,
 * warm every instance up, queue in front. What it needs of other rooms is given to it.
 */
import { confinedResolver } from '../compiler/resolver.js'
import { SentinodeError } from '../errors.js'
import type { ModelConfig } from '../generated/model_config.js'
import {
  type ByteBudget,
  type Clock,
  type HungRun,
  ModelScheduler,
  type SchedulerObserver,
  systemClock,
  WARMUP_MS,
} from '../scheduling/index.js'
import { inSlices } from '../slices.js'
import { completeConfig, type Network } from './config/complete.js'
import { readPolicy, type PolicyDefaults } from './config/policy.js'
import { shapeHints } from './config/shape-hints.js'
import { readSettings, type SettingsDefaults } from './config/settings.js'
import { hashContent, type ReadContract } from './content.js'
import type { Cores } from './cores.js'
import type {
  CompileModel,
  CreateSession,
  EngineInstance,
  EnginePayload,
  EngineResult,
  ModelSession,
} from './engine.js'
import type { LoadModel, LoadTask } from './lifecycle.js'
import { requestCheck } from './request/check.js'
import type { CheckedRequest } from './request/types.js'
import { buildOutputs } from './response/outputs.js'
import { readLabels } from './response/labels.js'
import { readNetworkFile, type NetworkFile } from './network-file.js'
import { whyNotBatched } from './rows.js'
import type { InferContext, Inference, ServableModel } from './servable.js'
import { openSessions, type PlacedSession } from './sessions.js'
import { buildSignature } from './signature.js'
import { runWarmup, warmupSamples } from './warmup.js'

export interface LoaderOptions {
  readonly compile: CompileModel
  readonly createSession: CreateSession
  /** Shared by all models. */
  readonly budget: ByteBudget
  readonly settings: SettingsDefaults
  readonly policy: PolicyDefaults
  /** max_batch_size of a batchable network whose configuration does not say. */
  readonly maxBatchSize: number
  /** Shared by all models. */
  readonly cores: Cores
  /** Where absent, no model is a screening model. */
  readonly readContract?: ReadContract
  readonly observe?: (model: string, version: number) => SchedulerObserver
  /** Milliseconds that a run may take; null (the default) for many times what such runs took before. */
  readonly runTimeout?: number | null
  /** Told of a run that does not end, also of one that was to warm the model up. */
  readonly onHung?: (model: string, version: number, run: HungRun) => void
  /** For tests; the scheduler's own by default. */
  readonly clock?: Clock
}

/** A `LoadModel` for the ModelManager. It rejects with a coded error and leaves nothing open then. */
export function createLoader(options: LoaderOptions): LoadModel {
  return (task) => loadModel(options, task)
}

async function loadModel(options: LoaderOptions, task: LoadTask): Promise<ServableModel> {
  const started = performance.now()
  const { model, version, config: source } = task
  const warnings: string[] = []
  const settings = readSettings(source, options.settings, warnings)
  const resolve = confinedResolver(version.folder)
  const fileName = model.fileName ?? (source.config.defaultModelFilename || 'model.onnx')
  const bytes = await readNetwork(resolve, fileName)
  const contentHash = await hashContent(bytes, resolve)
  const hints = shapeHints(source.config)
  const share = options.cores.share(settings, warnings)
  const { threads } = share
  const file = readNetworkFile(bytes, new Set(source.config.input.map(({ name }) => name)))
  const sessions = await openSessions(
    { ...options, model: file.model, resolve, settings, hints, threads },
    warnings,
  )
  const leave = options.cores.take(share, warnings)
  const instances: EngineInstance[] = []
  const hung = new Set<string>()
  const onHung = (run: HungRun): void => {
    hung.add(run.instance)
    options.onHung?.(model.name, version.version, run)
  }
  const release = async (): Promise<void> => {
    leave()
    // Threads in a run that hangs never end, and are not waited for.
    const ends = instances.map(async (instance) => {
      const disposed = instance.dispose()
      if (!hung.has(instance.name)) await disposed
    })
    await Promise.all(ends)
    for (const { session } of sessions) session.dispose()
  }
  try {
    const { session } = sessions[0] as PlacedSession
    const network = describeNetwork(session, file)
    const placements = sessions.map(({ placement }) => placement)
    const complete = (maxBatchSize: number): ModelConfig =>
      completeConfig(source, model.name, network, placements, { maxBatchSize })
    let config = complete(options.maxBatchSize)
    if (config.maxBatchSize > 0 && !source.has('max_batch_size')) {
      const why = await whyNotBatched(session, network, sampleDims(config))
      if (why !== null) {
        warnings.push(`max_batch_size is 0: requests cannot share a batch, ${why}`)
        config = complete(0)
      }
    }
    const beside = confinedResolver(model.folder)
    const signature = buildSignature(config, network, await readLabels(config, beside), file.defaults)
    const contract = (await options.readContract?.(resolve, signature)) ?? null
    const samples = await warmupSamples(source, config, signature, beside, warnings)
    const policy = readPolicy(source, config, options.policy)
    instances.push(...createInstances(sessions, signature.maxBatchSize > 0))
    const clock = options.clock ?? systemClock()
    const runTimeout = options.runTimeout ?? null
    const watch = { clock, bound: runTimeout ?? WARMUP_MS, onHung }
    for (const instance of instances) await runWarmup(instance, samples, warnings, watch)
    const scheduler = new ModelScheduler<EnginePayload, EngineResult>({
      policy,
      runners: instances,
      budget: options.budget,
      ...(options.observe && { observer: options.observe(model.name, version.version) }),
      clock,
      runTimeout,
      onHung,
    })
    const check: ServableModel['check'] = (request) => requestCheck(signature, request)
    const run = async (request: CheckedRequest, context: InferContext): Promise<Inference> => {
      const { result, ...timing } = await scheduler.submit({
        id: context.id,
        payload: { inputs: request.inputs, shapes: request.shapes, outputs: request.outputIndices },
        rows: request.rows,
        bytes: Math.max(request.bytes, context.bytes ?? 0),
        bucket: request.bucket,
        priority: request.priority,
        timeoutMicroseconds: request.timeoutMicroseconds,
        deadline: context.deadline,
        signal: context.signal,
        ...(context.expected && { expected: context.expected }),
      })
      const outputs = await inSlices(buildOutputs(signature, request, result.outputs))
      return { outputs, timing }
    }
    let disposed: Promise<void> | undefined
    return {
      name: model.name,
      version: version.version,
      signature,
      config,
      contentHash,
      contract,
      placements,
      loadSeconds: (performance.now() - started) / 1000,
      warnings,
      check,
      run,
      expect: (requests) => scheduler.expect(requests),
      infer: async (request, context) =>
        run(await inSlices(check(request), context.signal ?? undefined), context),
      queue: () => {
        const { queuedRequests, queuedBytes, pendingRequests } = scheduler.stats()
        return { requests: queuedRequests, bytes: queuedBytes, pending: pendingRequests }
      },
      expectedWait: (rows) => scheduler.expectedWait(rows),
      dispose: (deadline) => (disposed ??= scheduler.drain(deadline).then(release)),
    }
  } catch (error) {
    await release()
    throw error
  }
}

const LARGEST_MODEL = 2 ** 31

/** Whether a file has as many bytes, without reading them; false where there is none. */
async function reaches(
  resolve: ReturnType<typeof confinedResolver>,
  fileName: string,
  bytes: number,
): Promise<boolean> {
  return resolve.read(fileName, { offset: bytes - 1, length: 1 }).then(
    () => true,
    () => false,
  )
}

async function readNetwork(
  resolve: ReturnType<typeof confinedResolver>,
  fileName: string,
): Promise<Uint8Array> {
  if (await reaches(resolve, fileName, LARGEST_MODEL)) {
    throw new SentinodeError(
      'MODEL_INVALID',
      `expected an ONNX model below 2 GiB in ${JSON.stringify(fileName)}, as no protobuf message is larger; ` +
        'export it with its weights in a file beside it (external data)',
    )
  }
  const bytes = await resolve.read(fileName)
  if (bytes.byteLength > 0) return bytes
  throw new SentinodeError(
    'MODEL_INVALID',
    `expected an ONNX model in ${JSON.stringify(fileName)}, found an empty file`,
  )
}

/** The session's inputs and outputs with what only the file tells of them. */
function describeNetwork({ inputs, outputs }: ModelSession, { unranked }: NetworkFile): Network {
  const describe = (tensors: Network['inputs']): Network['inputs'] =>
    tensors.map((tensor) =>
      tensor.shape.length === 0 && unranked.has(tensor.name) ? { ...tensor, unranked: true } : tensor,
    )
  return { inputs: describe(inputs), outputs: describe(outputs) }
}

/** Sizes of one row of each input that the first warm-up sample has. */
function sampleDims({ modelWarmup }: ModelConfig): Map<string, number[]> {
  const inputs = Object.entries(modelWarmup[0]?.inputs ?? {})
  return new Map(inputs.map(([name, { dims }]) => [name, dims.map(Number)]))
}

function createInstances(sessions: readonly PlacedSession[], batched: boolean): EngineInstance[] {
  return sessions.flatMap(({ session, placement: { target, deviceId, count } }, group) =>
    Array.from({ length: count }, (_, i) =>
      session.createInstance(`${group}_${target}_${deviceId}_${i}`, batched),
    ),
  )
}
