/**
 * The contract with the addon (native/binding): every function and options type that crosses.
 *
 * Rules: every property is always set; what may be absent is `T | null`, never optional, so that a
 * property that reads as `undefined` is always a mistake and is rejected by the addon. Times are
 * milliseconds of the monotonic clock (`process.hrtime`, CLOCK_MONOTONIC). All functions are called on
 * JavaScript's thread and return at once; work happens on threads of native/core.
 */

import type { ProviderName } from '../targets.js'

export type DataType =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'BF16'
  | 'FP32'
  | 'FP64'
  | 'BYTES'

export interface NativeRuntimeInfo {
  readonly version: string
  readonly apiVersion: number
  /** Execution providers that the library was built with; their own libraries may still be missing. */
  readonly providers: readonly string[]
  /** oneDNN's version as "2.6.3", null where the addon was built without the 4D operators. */
  readonly onednn: string | null
}

export interface NativeTensorInfo {
  readonly name: string
  readonly dataType: DataType
  /** -1 for a dynamic dimension. */
  readonly shape: readonly number[]
  /** The symbolic name of each dimension, null where it has none. */
  readonly symbols: readonly (string | null)[]
}

export interface NativeSessionOptions {
  /** The (compiled) model's file; external data is found beside it. Exactly one of path and bytes. */
  readonly modelPath: string | null
  readonly modelBytes: Uint8Array | null
  readonly provider: ProviderName
  readonly deviceId: number
  /** Passed to the provider as they are, e.g. trt_engine_cache_path. */
  readonly providerOptions: Readonly<Record<string, string>>
  /** Threads of one run: ONNX Runtime's intra-op pool, and OpenMP's on the instance thread. >= 1. */
  readonly threads: number
  readonly graphOptimization: 'disabled' | 'basic' | 'extended' | 'all'
  readonly allowSpinning: boolean
  readonly cpuMemoryArena: boolean
}

export interface NativeInstanceOptions {
  /** Batch slots: with two, one batch is gathered while another runs; with one, just before it runs. */
  readonly slots: number
}

export interface NativeRequest {
  /**
   * One entry per model input, in the session's order: row-major little-endian bytes, for BYTES each
   * element a uint32 length and its bytes. Views need not be aligned; they are referenced, not copied,
   * until the batch is done: until then their memory must be neither written, transferred nor resized.
   */
  readonly inputs: readonly Uint8Array[]
  /** Rows of this request along the batch axis; 1 for a model without one. */
  readonly rows: number
  /** Not run once this has passed (monotonic ms); Infinity for none. */
  readonly deadline: number
}

export interface NativeBatch {
  readonly requests: readonly NativeRequest[]
  /** Shape of each input for the whole batch; dimension 0 is the sum of rows where `batched`. */
  readonly shapes: readonly (readonly number[])[]
  /** Whether dimension 0 of inputs and outputs is the batch. */
  readonly batched: boolean
  /** Indices of outputs wanted by anyone in the batch, in the session's order. */
  readonly outputs: readonly number[]
}

export interface NativeOutput {
  readonly shape: readonly number[]
  /** Native memory until it is collected, not to be written to: it may be that of a run or of the model. */
  readonly data: Buffer
}

export type NativeOutcome =
  | { readonly kind: 'ok'; readonly outputs: readonly NativeOutput[] }
  | { readonly kind: 'expired' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

export interface NativeBatchResult {
  /** One per request, in order. */
  readonly outcomes: readonly NativeOutcome[]
  /** Rows that were run: fewer than sent where some expired or were cancelled, 0 if nothing ran. */
  readonly rows: number
  /** Monotonic ms at which the gather began and ended, the run began and ended, the scatter ended. */
  readonly gatherStart: number
  readonly gatherEnd: number
  readonly runStart: number
  readonly runEnd: number
  readonly scatterEnd: number
}

export interface NativeInstance {
  /**
   * Queues a batch for this instance's threads, after the batches before it. Throws only for faults of the
   * call itself; what happens to a request is its outcome.
   *
   * @returns the batch's id
   */
  execute(batch: NativeBatch): number
  /**
   * Nobody waits for request `index` of batch `id` any more. When all are cancelled a run in progress is
   * terminated. Does nothing for what is done already.
   */
  cancel(id: number, index: number): void
  /** Where batch `id` is now; 'waiting' is before and between the others, and after them. */
  stageOf(id: number): 'waiting' | 'gather' | 'run' | 'scatter'
  /** Cancels what is queued and running, then frees slots and threads. Idempotent. */
  dispose(): Promise<void>
}

export interface NativeSession {
  readonly inputs: readonly NativeTensorInfo[]
  readonly outputs: readonly NativeTensorInfo[]
  /** @param done called once for every batch that `execute` took, on JavaScript's thread, never within a call */
  createInstance(
    options: NativeInstanceOptions,
    done: (id: number, result: NativeBatchResult) => void,
  ): NativeInstance
  /** Bytes that a run of our own operators' regions needs; 0 without any. */
  plannedBytes(): number
  /** JSON: an array with the report of each region of our own operators (native/core/ops/README.md). */
  operatorReport(): string
  /** Idempotent; instances still alive keep the session's memory until they are disposed. */
  dispose(): void
}

export interface NativeMemoryStats {
  readonly pinnedBytes: number
  readonly pageableBytes: number
  /** Infinity where there is no cap. */
  readonly limitBytes: number
  /** What ONNX Runtime holds on the CPU: weights, runs, and outputs that somebody still reads. */
  readonly runBytes: number
  /** What it used and keeps for the next run. */
  readonly keptBytes: number
}

/** In bytes; Infinity for no bound. What is over one fails with MEMORY_LIMIT, alone. */
export interface NativeRunLimits {
  /** What the operators and outputs of one run may hold at once. */
  readonly runBytes: number
  /** All outputs of one request; those that fit into no Buffer fail whatever it is. */
  readonly outputBytes: number
}

/** One phase of the output: (1 - weight) * first + weight * second, phases of the exam from 0. */
export interface NativePhaseBlend {
  readonly first: number
  readonly second: number
  readonly weight: number
}

export interface NativePreprocessOptions {
  /** Stored samples [T, Z, Y, X]; referenced, not copied, and not to be changed or detached until settled. */
  readonly samples: Int16Array | Uint16Array | Float32Array
  readonly shape: readonly [number, number, number, number]
  /** value = slope * sample + intercept, one of each per frame [T * Z]. */
  readonly slopes: Float64Array
  readonly intercepts: Float64Array
  /** Row-major 4x4 from the exam's voxel (x, y, z) to patient millimetres. */
  readonly affine: Float64Array
  /** [D, H, W]; its affine from grid voxel (x, y, z) to patient millimetres. */
  readonly gridShape: readonly [number, number, number]
  readonly gridAffine: Float64Array
  readonly phases: readonly NativePhaseBlend[]
  readonly scaling: 'none' | 'zscore' | 'percentile'
  /** Statistics over the resampled crop, or over all stored voxels of the phases drawn upon. */
  readonly domain: 'crop' | 'volume'
  readonly scope: 'all' | 'first' | 'each'
  /** Mapped to 0 and 1 by `percentile`, and clipped to that range if `clip`. */
  readonly lowerPercentile: number
  readonly upperPercentile: number
  readonly clip: boolean
  /** Intensity of voxels outside the exam, before scaling; null repeats the exam's border. */
  readonly outside: number | null
  readonly threads: number
}

export interface NativePreprocessResult {
  /** [phases, D, H, W]; native memory until collected. */
  readonly data: Float32Array
  /** Per output phase: data = (value - offset) * scale, before clipping. */
  readonly offsets: readonly number[]
  readonly scales: readonly number[]
  /** Mean of each output phase before scaling, voxels inside the exam. */
  readonly phaseMeans: readonly number[]
  /** Share of the grid's voxels that lie outside the exam. */
  readonly outsideFraction: number
}

export interface NativePreprocessing {
  readonly result: Promise<NativePreprocessResult>
  /** The result then rejects with CANCELLED, unless it is done. */
  cancel(): void
}

/** Errors thrown or rejected by the addon carry `code`, one of src/errors.ts. */
export interface NativeAddon {
  /** Loads the ONNX Runtime library once per process; a second call with another path is an error. */
  loadRuntime(libraryPath: string): NativeRuntimeInfo
  /** What this machine lacks for the provider, null where it can run. */
  checkProvider(options: { readonly provider: ProviderName }): string | null
  createSession(options: NativeSessionOptions): Promise<NativeSession>
  /** From an exam to a network's input, on a worker thread. */
  preprocess(options: NativePreprocessOptions): NativePreprocessing
  /** Seconds of one float32 matrix product of size^3 on oneDNN, on JavaScript's thread: for benchmarks. */
  matrixProduct(size: number, threads: number): number
  /** Cap on batch slots' memory over all instances, in bytes; Infinity for none. */
  setMemoryLimit(bytes: number): void
  /** Of all runs of the process from now on. */
  setRunLimits(limits: NativeRunLimits): void
  memoryStats(): NativeMemoryStats
  /**
   * Ends the process with `code` when the time has passed, whatever hangs by then: other threads, the event
   * loop, what a normal exit waits for. It cannot be taken back; of several calls the first to come due counts.
   */
  exitAfter(milliseconds: number, code: number): void
}
