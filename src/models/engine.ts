/**
 * What loading a model needs of the compiler and the engine. The daemon passes the real ones, tests pass
 * fakes; nothing here touches the addon.
 */
import type { FileResolver } from '../compiler/resolver.js'
import type { NativeSessionOptions } from '../engine/native.js'
import type { BatchRunner } from '../scheduling/types.js'
import type { Network } from './config/complete.js'
import type { EngineSettings, Target } from './config/settings.js'
import type { RawOutput } from './response/outputs.js'

/** One request as an instance takes it. */
export interface EnginePayload {
  /** In the session's order; referenced, not copied, until the batch has been gathered. */
  readonly inputs: readonly Uint8Array[]
  /** Of each input, the request's own rows in dimension 0 where the model has a batch. */
  readonly shapes: readonly (readonly number[])[]
  /** Positions of the wanted outputs, ascending. */
  readonly outputs: readonly number[]
}

export interface EngineResult {
  readonly outputs: readonly RawOutput[]
}

export interface ModelInstance extends BatchRunner<EnginePayload, EngineResult> {
  /** Idempotent. */
  dispose(): Promise<void>
}

export interface ModelSession extends Network {
  /** @param batched whether dimension 0 of inputs and outputs is the batch */
  createInstance(name: string, batched: boolean): ModelInstance
  /** Idempotent. */
  dispose(): void
}

/** Rejects with PROVIDER_UNAVAILABLE where the provider cannot run here, MODEL_INVALID, ... */
export type CreateSession = (options: NativeSessionOptions) => Promise<ModelSession>

export interface CompileTask {
  /** The network's file. */
  readonly model: Uint8Array
  readonly target: Target
  readonly precision: EngineSettings['precision']
  readonly exactTaps: boolean
  /** Shapes [T, D, H, W] that inputs are known to come in; empty where the configuration leaves them open. */
  readonly hints?: readonly (readonly number[])[]
  /** Confined to the version's folder. */
  readonly resolve: FileResolver
}

export interface CompiledModel {
  /** Exactly one of path and bytes, as a session takes them. */
  readonly modelPath: string | null
  readonly modelBytes: Uint8Array | null
  /** Whether it holds operators of ours, whose threads must not compete with ONNX Runtime's spinning ones. */
  readonly ownOperators: boolean
}

export type CompileModel = (task: CompileTask) => Promise<CompiledModel>
