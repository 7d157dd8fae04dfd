/** The room's door: ONNX Runtime behind the addon. */
import { constants } from 'node:buffer'
import type { ProviderName } from '../targets.js'
import { callAddon } from './errors.js'
import { loadAddon, type LoaderOptions } from './loader.js'
import type {
  NativeMemoryStats,
  NativeRunLimits,
  NativePreprocessOptions,
  NativePreprocessResult,
  NativeRuntimeInfo,
  NativeSessionOptions,
} from './native.js'
import { preprocess } from './preprocess.js'
import { createSession, type EngineSession } from './session.js'

export { exitAfter } from './loader.js'
export type { LoaderOptions } from './loader.js'
export type { EngineInstance, EngineOutput, EnginePayload, EngineResult } from './runner.js'
export type { LayerReport, RegionReport } from './regions.js'
export type { EngineSession } from './session.js'
export type {
  DataType,
  NativePreprocessOptions,
  NativePreprocessResult,
  NativeRuntimeInfo,
  NativeSessionOptions,
  NativeTensorInfo,
} from './native.js'

export interface Engine {
  readonly runtime: NativeRuntimeInfo
  /** What this machine lacks for the provider, null where it can run. */
  checkProvider(provider: ProviderName): string | null
  /** @throws SentinodeError MODEL_INVALID, PROVIDER_UNAVAILABLE, INVALID_OPTION */
  createSession(options: NativeSessionOptions): Promise<EngineSession>
  /**
   * From an exam to a network's input, on a worker thread.
   *
   * @throws SentinodeError INVALID_OPTION, REGION_OUTSIDE_EXAM, EXAM_NOT_FINITE, EXAM_CONSTANT, CANCELLED
   */
  readonly preprocess: (
    options: NativePreprocessOptions,
    signal?: AbortSignal,
  ) => Promise<NativePreprocessResult>
  /** Seconds of one float32 matrix product of size^3: the ceiling that benchmarks compare with. */
  matrixProduct(size: number, threads: number): number
  /** Cap on batch memory over all instances of the process, in bytes; Infinity for none. */
  setMemoryLimit(bytes: number): void
  /** Bounds on each run and on the outputs of each request; see NativeRunLimits. */
  setRunLimits(limits: NativeRunLimits): void
  memoryStats(): NativeMemoryStats
}

/** Options of a session that leaves everything to the defaults. */
export const DEFAULT_SESSION_OPTIONS: NativeSessionOptions = {
  modelPath: null,
  modelBytes: null,
  provider: 'cpu',
  deviceId: 0,
  providerOptions: {},
  threads: 1,
  graphOptimization: 'all',
  allowSpinning: true,
  cpuMemoryArena: true,
}

/**
 * Loads the addon and ONNX Runtime, once per process.
 *
 * @throws SentinodeError ADDON_NOT_FOUND, RUNTIME_NOT_FOUND, RUNTIME_TOO_OLD, INVALID_OPTION
 */
export function loadEngine(options: Partial<LoaderOptions> = {}): Engine {
  const { addon, runtime } = loadAddon({ addonPath: null, onnxruntimeLibrary: null, ...options })
  return {
    runtime,
    checkProvider: (provider) => callAddon(() => addon.checkProvider({ provider })),
    createSession: (sessionOptions) => createSession(addon, sessionOptions),
    preprocess: (preprocessOptions, signal) => preprocess(addon, preprocessOptions, signal),
    matrixProduct: (size, threads) => callAddon(() => addon.matrixProduct(size, threads)),
    setMemoryLimit: (bytes) => callAddon(() => addon.setMemoryLimit(bytes)),
    setRunLimits: ({ runBytes, outputBytes }) =>
      callAddon(() =>
        addon.setRunLimits({ runBytes, outputBytes: Math.min(outputBytes, constants.MAX_LENGTH) }),
      ),
    memoryStats: () => addon.memoryStats(),
  }
}
