import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import type { Config } from '../config/schema.js'
import { type Engine, loadEngine } from '../engine/index.js'
import { requestIds } from '../grpc/call.js'
import { createCredentials, tlsWarnings } from '../grpc/credentials.js'
import { SentinodeError } from '../errors.js'
import { startGrpcServer, type GrpcServer, type ServedService } from '../grpc/server.js'
import { inferenceService } from '../grpc/services/inference.js'
import { screeningService } from '../grpc/services/screening.js'
import { StreamLedger } from '../grpc/stream-ledger.js'
import type { Logger } from '../logger.js'
import { DaemonMetrics, type ModelMetrics } from '../metrics/index.js'
import { ModelManager } from '../models/lifecycle.js'
import { Cores } from '../models/cores.js'
import { createLoader } from '../models/loader.js'
import { scanRepositories } from '../models/repository.js'
import type { ServableModel } from '../models/servable.js'
import { ByteBudget, type HungRun, monotonicNow } from '../scheduling/index.js'
import type { Target } from '../targets.js'
import { version } from '../version.js'
import { startAdminServer, type AdminServer } from './admin.js'
import { checkConfig, tlsFiles } from './check.js'
import { compileWith } from './compile-model.js'
import { proveWith } from './prove.js'
import { inferenceBackend } from './inference-backend.js'
import { QueueLoad } from './load.js'
import { Lifecycle, type DaemonState } from './lifecycle.js'
import { readContract } from './read-contract.js'
import { screeningBackend } from './screening/backend.js'
import { openScreening, type OpenScreening } from './screening/open.js'
import { logModels, statisticsOf, watch } from './telemetry.js'

const DESCRIPTORS = new URL('../generated/descriptors.binpb', import.meta.url)

/** Targets to try, in order, for models that do not name theirs. */
function targetsFor(target: Config['target'], engine: Engine, log: Logger): readonly [Target, ...Target[]] {
  if (target !== 'auto') return [target]
  const missing = engine.checkProvider('cuda')
  if (missing === null) return ['cuda', 'cpu']
  log.info({ reason: missing }, 'target auto is cpu')
  return ['cpu']
}

/** What a start that failed releases before it says so; it is not waited for any longer. */
const FAILED_RELEASE_MS = 5000
/** An upload that rests for longer in all is given up; what comes buys it more rest, at the least rate. */
const UPLOAD_IDLE_MS = 60_000

/** What the wire and the services on it share. */
interface Wire {
  readonly newRequestId: () => string
  readonly ledger: StreamLedger
  readonly load: QueueLoad
}

/** Where the daemon answers. */
export interface Addresses {
  readonly grpc: string
  readonly metrics: string
}

/**
 * The whole daemon, composed: the only place that knows every room. JavaScript's thread only.
 */
export class Daemon {
  readonly #lifecycle: Lifecycle
  readonly #metrics = new DaemonMetrics()
  #models: ModelManager | null = null
  #admin: AdminServer | null = null
  #grpc: GrpcServer | null = null
  #exams: OpenScreening | null = null
  readonly #draining = new AbortController()
  #stopped: Promise<void> | null = null
  /** What is being released and is not yet. */
  /** A thread of this process will not come back. */
  #hung = false
  readonly #releasing = new Set<string>()

  constructor(
    private readonly config: Config,
    private readonly log: Logger,
    private readonly lostLines: () => number,
  ) {
    this.#lifecycle = new Lifecycle((state) => log.info({ state }, 'state'))
  }

  get state(): DaemonState {
    return this.#lifecycle.state
  }

  /** False when the process should be restarted: it never served, or a run hangs. */
  get isLive(): boolean {
    return this.#lifecycle.state !== 'FAILED' && !this.#hung
  }

  /** Whether requests should be sent here: models are loaded, and one (or, where strict, every one) is ready. */
  get isReady(): boolean {
    if (this.#lifecycle.state !== 'SERVING' || this.#models === null) return false
    return this.config.strictReadiness ? this.#models.allReady : this.#models.ready().length > 0
  }

  /**
   * Starts everything; resolves once every model has loaded or failed, null where `stop` came first.
   * Rejects with a coded error after releasing what had started.
   */
  async start(): Promise<Addresses | null> {
    try {
      await checkConfig(this.config)
      const tls = tlsFiles(this.config)
      if (tls !== null) for (const reason of tlsWarnings(tls)) this.log.warn({ reason }, 'tls')
      const engine = loadEngine({ onnxruntimeLibrary: this.config.onnxruntimeLibrary })
      engine.setMemoryLimit(this.config.batchMemory)
      engine.setRunLimits({ runBytes: this.config.runMemory, outputBytes: this.config.maxOutputSize })
      this.log.info(
        { version, onnxruntime: engine.runtime.version, onednn: engine.runtime.onednn },
        'starting',
      )
      const models = (this.#models = this.#createModels(engine))
      const exams = (this.#exams = await openScreening(
        this.config,
        engine,
        this.#metrics.screening,
        this.log,
      ))
      const { budget, screening } = exams
      watch(this.#metrics, {
        models,
        engine,
        budget: () => this.#grpc?.budget ?? null,
        exams: budget,
        turns: screening.turns,
        lostLines: this.lostLines,
      })
      const admin = (this.#admin = await this.#startAdmin())
      const grpc = (this.#grpc = await this.#startGrpc(models, exams))
      const { models: sources, warnings } = await scanRepositories(this.config.models)
      for (const warning of warnings) this.log.warn({ reason: warning }, 'repository')
      await models.loadAll(sources)
      if (!this.#lifecycle.enter('SERVING')) return null
      grpc.setServing(this.isReady)
      return { grpc: grpc.address, metrics: admin.address }
    } catch (error) {
      this.#lifecycle.enter('FAILED')
      await Promise.race([this.#release(0), setTimeout(FAILED_RELEASE_MS, undefined, { ref: false })])
      throw error
    }
  }

  /** While it stops: what it still waits for, for the log. */
  unfinished(): string[] {
    const models = this.#models?.index().filter(({ state }) => state === 'UNLOADING') ?? []
    return [...this.#releasing, ...models.map(({ name, version }) => `model ${name} version ${version}`)]
  }

  /** Refuses new work, answers what is in flight until the drain timeout, releases everything. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#drain())
  }

  async #drain(): Promise<void> {
    this.#lifecycle.enter('DRAINING')
    this.#draining.abort(new SentinodeError('SHUTTING_DOWN', 'the server is shutting down'))
    this.#grpc?.setServing(false)
    await this.#release(this.config.drainTimeout * 1000)
    this.#lifecycle.enter('STOPPED')
  }

  /** Calls and queues drain together: a queue that drains waits for no fuller batch, and calls wait for it. */
  async #release(graceMs: number): Promise<void> {
    const unloadBy = monotonicNow() + graceMs
    await Promise.all([
      this.#releaseOne('calls', this.#grpc?.shutdown(graceMs)),
      this.#releaseOne('models', this.#models?.unloadAll(unloadBy)),
    ])
    await this.#releaseOne('exams', this.#exams?.close())
    await this.#releaseOne('probes', this.#admin?.close())
  }

  async #releaseOne(what: string, released: Promise<void> | undefined): Promise<void> {
    this.#releasing.add(what)
    await released
    this.#releasing.delete(what)
  }

  #createModels(engine: Engine): ModelManager {
    const { config } = this
    const load = createLoader({
      compile: compileWith({
        cacheDir: config.cacheDir,
        runtime: engine.runtime,
        prove: proveWith(engine),
      }),
      createSession: (options) => engine.createSession(options),
      budget: new ByteBudget(config.requestMemory),
      settings: { targets: targetsFor(config.target, engine, this.log), instanceCount: 1 },
      policy: { maxQueuedRequests: config.maxQueuedRequests, maxQueuedBytes: config.maxQueuedSize },
      maxBatchSize: config.defaultMaxBatchSize,
      cores: new Cores(availableParallelism(), config.threads > 0 ? config.threads : null),
      readContract,
      observe: (model, modelVersion) => this.#metrics.model(model, String(modelVersion)),
      runTimeout: config.runTimeout > 0 ? config.runTimeout * 1000 : null,
      onHung: (model, modelVersion, run) => this.#onHung(model, modelVersion, run),
    })
    return new ModelManager({
      load: async (task) => {
        const model = await load(task)
        this.#metricsOf(model).onLoaded(
          model.loadSeconds,
          model.placements.map(({ target }) => target),
        )
        return model
      },
      concurrency: config.loadConcurrency,
      events: logModels(this.log),
    })
  }

  #onHung(model: string, modelVersion: number, run: HungRun): void {
    this.#hung = true
    const { instance, stage, rows, requests, milliseconds, instancesLeft } = run
    this.log.error(
      {
        ...{ model, modelVersion, instance, stage, rows, count: requests },
        ...{ seconds: milliseconds / 1000, instances: instancesLeft },
      },
      'a run hangs, its instance is out of service, the process wants a restart',
    )
    this.#metrics.model(model, String(modelVersion)).onHung(stage)
    if (instancesLeft === 0)
      this.#models?.fail(model, modelVersion, new SentinodeError('RUN_TIMEOUT', 'a run of the model hangs'))
    this.#grpc?.setServing(this.isReady)
  }

  #metricsOf(model: ServableModel): ModelMetrics {
    return this.#metrics.model(model.name, String(model.version))
  }

  #startAdmin(): Promise<AdminServer> {
    return startAdminServer({
      host: this.config.host,
      port: this.config.metricsPort,
      metrics: () => this.#metrics.exposition(),
      isLive: () => this.isLive,
      isReady: () => this.isReady,
    })
  }

  #startGrpc(models: ModelManager, exams: OpenScreening): Promise<GrpcServer> {
    const { config } = this
    const newRequestId = requestIds()
    const ledger = new StreamLedger()
    const load = new QueueLoad(models)
    return startGrpcServer({
      host: config.host,
      port: config.grpcPort,
      credentials: createCredentials(tlsFiles(config)),
      services: this.#services(models, exams, { newRequestId, ledger, load }),
      load,
      descriptorSet: config.reflection ? readFileSync(DESCRIPTORS) : null,
      maxMessageBytes: config.maxMessageSize,
      requestMemoryBytes: config.requestMemory,
      maxConcurrentStreams: config.maxConcurrentStreams,
      maxConnections: config.maxConnections,
      connectionIdleMs: config.connectionIdleTimeout * 1000,
      leastRate: config.leastRate,
      statusCodes: config.statusCodes,
      newRequestId,
      ledger,
      observer: this.#metrics.calls,
      onShed: (code) => this.#metrics.calls.shed(code),
    })
  }

  #services(
    models: ModelManager,
    { screening, budget }: OpenScreening,
    { load, ...wire }: Wire,
  ): ServedService[] {
    const { config } = this
    const onFault = (err: unknown, requestId: string): void =>
      this.log.error({ err, requestId }, 'request failed')
    const calls = { ...wire, statusCodes: config.statusCodes, onFault }
    const inference = inferenceBackend({
      models,
      state: () => this.state,
      isLive: () => this.isLive,
      isReady: () => this.isReady,
      statistics: (model) => statisticsOf(this.#metrics, model),
      onAnswer: (model, requestBytes, responseBytes) =>
        this.#metricsOf(model).onAnswer(requestBytes, responseBytes),
      onChecked: (model, rows, bytes) => load.observe(model, rows, bytes),
      onRejected: (model) => this.#metricsOf(model).onInvalid(),
    })
    const draining = this.#draining.signal
    const exams = screeningBackend({
      models,
      screening,
      budget,
      draining,
      onOutcome: (requestId, code, seconds) => {
        this.#metrics.screening.outcome(code, seconds)
        this.log.info({ requestId, code, seconds }, 'exam')
      },
    })
    return [
      inferenceService(inference, version, calls),
      screeningService(exams, {
        ...calls,
        draining,
        maxStreams: config.maxExamStreams,
        cohortWindow: 2 * config.examConcurrency + 1,
        pace: { idleMs: UPLOAD_IDLE_MS, leastRate: config.leastRate },
      }),
    ]
  }
}
