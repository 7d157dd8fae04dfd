import { SentinodeError } from '../../errors.js'
import type {
  BegunExam,
  ExamContext,
  ExamRequest,
  ScreenedExam,
} from '../../grpc/services/screening-backend.js'
import {
  type Claim,
  type ExamLocation,
  type ExamOrigin,
  ExamUpload,
  HELD_PER_BYTE,
  placeOf,
  type ReadExam,
  Spool,
} from '../../intake/index.js'
import type { InferContext } from '../../models/servable.js'
import type { Expectation } from '../../scheduling/index.js'
import {
  type Answer,
  type Explanation,
  makeAnswer,
  type OutputRows,
  type PreparedExam,
  prepareExam,
  type Preprocess,
  type Region,
} from '../../screening/index.js'
import { explainExam, lanesOf } from './explain.js'
import { inferExam } from './infer.js'
import { writeReports } from './reports.js'
import type { Route } from './route.js'
import type { Screening, Stage } from './screening.js'

/** What an exam has from its beginning. It frees all of it. */
export interface ExamHoldings {
  readonly claim: Claim
  readonly expected: Expectation
  /** Aborted when the exam has to give way; the exam adds its caller's reasons. */
  readonly abort: AbortController
}

interface PreparedParts {
  readonly exam: ReadExam
  readonly prepared: PreparedExam
  readonly origin: ExamOrigin | null
}

/**
 * One exam's way: uploaded, read, preprocessed, inferred, answered, reported. At each step it holds of the
 * budget what it has in memory, and whatever ends it frees everything.
 */
export class Exam implements BegunExam {
  readonly signal: AbortSignal
  readonly #begun = performance.now()
  readonly #timingsMs: Partial<Record<Stage, number>> = {}
  #upload: ExamUpload | null = null
  #screening = false
  /** Bytes that volumes of this exam have asked for. */
  #volumeBytes = 0

  constructor(
    private readonly screening: Screening,
    private readonly request: ExamRequest,
    private readonly context: ExamContext,
    private readonly route: Route,
    private readonly holdings: ExamHoldings,
  ) {
    this.signal = holdings.abort.signal
    this.signal.addEventListener('abort', () => {
      if (!this.#screening) void this.#free()
    })
    context.signal.addEventListener('abort', this.#onCallerGone)
    if (context.signal.aborted) this.#onCallerGone()
  }

  readonly #onCallerGone = (): void => this.holdings.abort.abort(this.context.signal.reason)

  abandon(error: unknown): void {
    if (!this.#screening) this.holdings.abort.abort(error)
  }

  async append(file: number, data: Uint8Array): Promise<void> {
    this.signal.throwIfAborted()
    const upload = this.#upload ?? (await this.#openUpload())
    await upload.append(file, data)
  }

  async #openUpload(): Promise<ExamUpload> {
    const spool = await Spool.open(this.screening.folder)
    if (this.signal.aborted) await spool.close()
    this.signal.throwIfAborted()
    return (this.#upload = new ExamUpload(spool, this.holdings.claim, this.signal))
  }

  screen(): Promise<ScreenedExam> {
    this.#timed('upload', this.#begun)
    return this.#screen(this.#upload?.exam ?? { kind: 'upload', fd: -1, files: [] })
  }

  async screenPlace(root: string, path: string): Promise<ScreenedExam> {
    let place: ExamLocation
    try {
      if (this.#upload !== null)
        throw new SentinodeError('INVALID_REQUEST', 'expected an upload or a path, found both')
      place = placeOf(this.screening.roots, root, path)
    } catch (error) {
      this.abandon(error)
      throw error
    }
    return this.#screen(place)
  }

  async #screen(location: ExamLocation): Promise<ScreenedExam> {
    this.#screening = true
    const { claim } = this.holdings
    try {
      this.signal.throwIfAborted()
      claim.shrinkTo(HELD_PER_BYTE * this.#uploaded)
      const { exam, prepared, origin } = await this.#prepare(location)
      const { outputs, queue, infer } = await inferExam(
        this.route.model,
        prepared.tensors,
        this.#inferContext,
      )
      this.#note('queue', queue)
      this.#note('infer', infer)
      const explanations = this.request.explain ? await this.#explain(prepared, outputs) : null
      const answer = this.#answer(exam, prepared, outputs, explanations)
      const began = performance.now()
      const { reports } = this.request
      const written = await writeReports(
        this.screening,
        { kinds: reports, answer, prepared, origin, spacingMm: this.route.contract.image.grid.spacing_mm },
        this.signal,
      )
      if (reports.length > 0) this.#timed('report', began)
      return { answer: { ...answer, timingsMs: { ...this.#timingsMs } }, reports: written }
    } finally {
      await this.#free()
    }
  }

  get #inferContext(): InferContext & { readonly signal: AbortSignal } {
    const { id, deadline } = this.context
    return { id, deadline, signal: this.signal, expected: this.holdings.expected }
  }

  async #explain(prepared: PreparedExam, outputs: OutputRows): Promise<Explanation[]> {
    const { model, contract } = this.route
    const { claim } = this.holdings
    return this.screening.explaining.during(this.signal, async () => {
      const began = performance.now()
      const held = claim.bytes
      try {
        await claim.grow(lanesOf(model) * prepared.crop.data.byteLength, this.signal)
        return await explainExam({ model, contract, prepared, outputs }, this.#inferContext)
      } finally {
        claim.shrinkTo(held)
        this.#timed('explain', began)
      }
    })
  }

  /** From files to tensors: the part that takes memory and threads, of which a few exams at a time have a turn. */
  #prepare(location: ExamLocation): Promise<PreparedParts> {
    const { claim } = this.holdings
    const asked = performance.now()
    const work = async (): Promise<PreparedParts> => {
      this.#timed('wait', asked)
      const exam = await this.#read(location)
      try {
        const prepared = await this.#preprocessed(exam)
        return { exam, prepared, origin: exam.origin }
      } finally {
        exam.release()
      }
    }
    return this.screening.turns.during(this.signal, work, {
      onWait: () => (claim.state = 'waiting'),
      onGrant: () => (claim.state = 'working'),
    })
  }

  async #preprocessed(exam: ReadExam): Promise<PreparedExam> {
    const { claim } = this.holdings
    await this.#closeUpload()
    claim.shrinkTo(exam.volume.samples.byteLength)
    const prepared = await prepareExam({
      volume: exam.volume,
      contract: this.route.contract,
      clinical: this.request.clinical,
      unknownClinicalNames: this.route.unknownClinicalNames,
      region: this.#region(exam),
      threads: 1,
      preprocess: this.#preprocess,
      signal: this.signal,
    })
    if (prepared.kind === 'other-model') throw new SentinodeError('INTERNAL', 'the route of the exam changed')
    this.#note('preprocess', prepared.preprocessMs)
    exam.release()
    claim.shrinkTo(prepared.crop.data.byteLength)
    return prepared
  }

  async #read(exam: ExamLocation): Promise<ReadExam> {
    const { image } = this.route.contract
    const { region } = this.request
    const began = performance.now()
    const phases =
      image.phases.by === 'order' ? Math.max(...image.phases.indices) + 1 : image.phases.times_s.length
    const read = await this.screening.readers.read(
      {
        exam,
        mask: region?.kind === 'mask' ? region.file : null,
        minPhases: Math.min(2, phases),
        requireTimes: image.phases.by !== 'order',
        timesS: this.request.timesS,
        maxPixelBytes: this.screening.maxPixelBytes,
        origin: this.request.reports.includes('sr'),
      },
      { signal: this.signal, reserve: (bytes) => this.#reserve(bytes) },
    )
    this.#timed('read', began)
    return read
  }

  /** Room for a volume (the exam's, or its mask's) beside the files that it comes from. */
  async #reserve(bytes: number): Promise<void> {
    const { claim } = this.holdings
    this.#volumeBytes += bytes
    const needed = this.#uploaded + this.#volumeBytes
    if (needed > claim.bytes) await claim.grow(needed - claim.bytes, this.signal)
  }

  readonly #preprocess: Preprocess = async (options, signal) => {
    const { gridShape, phases } = options
    const crop = gridShape.reduce((product, side) => product * side, phases.length * 4)
    await this.holdings.claim.grow(crop, this.signal)
    return this.screening.preprocess(options, signal)
  }

  #region({ mask }: ReadExam): Region | null {
    const { region } = this.request
    return region?.kind === 'mask' ? mask : region
  }

  #answer(
    exam: ReadExam,
    prepared: PreparedExam,
    outputs: OutputRows,
    explanations: readonly Explanation[] | null,
  ): Answer {
    const { model, contract, warnings } = this.route
    const answer = makeAnswer({
      exam: this.context.id,
      contract,
      volume: exam.volume,
      prepared,
      outputs,
      model: { name: model.name, version: String(model.version), sha256: model.contentHash },
      operatingPoint: this.request.operatingPoint,
      timingsMs: { ...this.#timingsMs },
    })
    const all = { ...answer, warnings: [...warnings, ...answer.warnings] }
    return explanations === null ? all : { ...all, explanations }
  }

  get #uploaded(): number {
    return this.#upload?.bytes ?? 0
  }

  #timed(stage: Stage, began: number): void {
    this.#note(stage, performance.now() - began)
  }

  #note(stage: Stage, ms: number): void {
    this.#timingsMs[stage] = ms
    this.screening.onStage(stage, ms / 1000)
  }

  async #closeUpload(): Promise<void> {
    const upload = this.#upload
    this.#upload = null
    await upload?.close()
  }

  /** Idempotent. The claim goes last: until then its memory is there. */
  async #free(): Promise<void> {
    this.context.signal.removeEventListener('abort', this.#onCallerGone)
    this.holdings.expected.settle()
    try {
      await this.#closeUpload()
    } finally {
      this.holdings.claim.release()
    }
  }
}
