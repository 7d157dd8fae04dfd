/** A model in ONNX Runtime. */
import { availableParallelism } from 'node:os'
import { callAddon, fromAddon } from './errors.js'
import type { NativeAddon, NativeSession, NativeSessionOptions, NativeTensorInfo } from './native.js'
import type { RegionReport } from './regions.js'
import { createInstance, type EngineInstance } from './runner.js'

/** A batch is gathered while another runs, unless a run has every core: the gather would only take one. */
function slotsFor({ provider, threads }: NativeSessionOptions): number {
  return provider === 'cpu' && threads >= availableParallelism() ? 1 : 2
}

export interface EngineSession {
  readonly inputs: readonly NativeTensorInfo[]
  readonly outputs: readonly NativeTensorInfo[]
  /**
   * Starts the threads of one copy of the model.
   *
   * @param name for logs and metrics
   * @param batched whether dimension 0 of inputs and outputs is the batch
   */
  createInstance(name: string, batched: boolean): EngineInstance
  /** Bytes that a run of our own operators' regions needs; 0 without any. */
  plannedBytes(): number
  /** The report of each region of our own operators (native/core/ops/README.md). */
  operatorReport(): RegionReport[]
  /** Idempotent; the model stays in memory until its instances are disposed too. */
  dispose(): void
}

/**
 * Loads a model off JavaScript's thread.
 *
 * @throws SentinodeError MODEL_INVALID, PROVIDER_UNAVAILABLE, INVALID_OPTION
 */
export async function createSession(
  addon: NativeAddon,
  options: NativeSessionOptions,
): Promise<EngineSession> {
  try {
    return wrap(await addon.createSession(options), slotsFor(options))
  } catch (error) {
    throw fromAddon(error)
  }
}

function wrap(session: NativeSession, slots: number): EngineSession {
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    createInstance: (name, batched) => createInstance(session, name, slots, batched),
    plannedBytes: () => callAddon(() => session.plannedBytes()),
    operatorReport: () => JSON.parse(callAddon(() => session.operatorReport())) as RegionReport[],
    dispose: () => session.dispose(),
  }
}
