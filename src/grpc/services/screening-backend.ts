import type { ErrorCode } from '../../errors.js'
import type { MaskFile } from '../../intake/index.js'
import type { Answer, ClinicalRecord, Region } from '../../screening/index.js'

export type ReportKind = 'json' | 'html' | 'sr'

export type RequestedRegion =
  Exclude<Region, { kind: 'mask' }> | { readonly kind: 'mask'; readonly file: MaskFile }

/** What a caller asks of an exam. */
export interface ExamRequest {
  readonly model: string
  /** Empty for the highest version that is ready. */
  readonly version: string
  /** Null for the contract's default. */
  readonly operatingPoint: string | null
  readonly clinical: ClinicalRecord
  readonly region: RequestedRegion | null
  /** Whether to say what each finding comes from. */
  readonly explain: boolean
  /** Each once. */
  readonly reports: readonly ReportKind[]
  /** Seconds of each phase, for NIfTI. */
  readonly timesS: readonly number[] | null
  /** Of all files that will be uploaded; 0 for unknown. */
  readonly uploadBytes: number
}

export interface ExamContext {
  /** The daemon's own id of the exam. */
  readonly id: string
  /** Monotonic milliseconds, Infinity for none. */
  readonly deadline: number
  /** Gives the exam up; its reason is a SentinodeError. */
  readonly signal: AbortSignal
  /** Where there is no room: whether to wait for it (the caller is held by flow control) or to refuse. */
  readonly patient: boolean
}

export interface ScreenedExam {
  readonly answer: Answer
  readonly reports: readonly { readonly kind: ReportKind; readonly data: Uint8Array }[]
}

/** An exam that has begun. It ends with one of `screen`, `screenPlace` and `abandon`, which free what it holds. */
export interface BegunExam {
  /** Aborted when the exam has been given up, by its caller or because it had to give way. */
  readonly signal: AbortSignal
  /** Takes a piece of a file; the next may come when this has resolved. Rejects with a coded error. */
  append(file: number, data: Uint8Array): Promise<void>
  /** Everything is uploaded. */
  screen(): Promise<ScreenedExam>
  /** Nothing was uploaded: the exam lies on the server. */
  screenPlace(root: string, path: string): Promise<ScreenedExam>
  /** Idempotent, and without effect once the exam is being screened. */
  abandon(error: unknown): void
}

/** What the service asks of the daemon. Everything rejects with SentinodeErrors. */
export interface ScreeningBackend {
  /** Checks what the request alone shows and takes room for the exam. */
  begin(request: ExamRequest, context: ExamContext): Promise<BegunExam>
  /** Told of every exam's end, those included that did not begin. */
  onOutcome(id: string, code: ErrorCode | 'OK', seconds: number): void
}
