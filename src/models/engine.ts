/**
 * What loading a model needs of the compiler and the engine. The daemon passes the real ones, tests pass
 * fakes; nothing here touches the addon.
 */
import type { FileResolver } from '../compiler/resolver.js'
import type { EngineSession, NativeSessionOptions } from '../engine/index.js'
import type { Target } from '../targets.js'
import type { EngineSettings } from './config/settings.js'

export type { EngineInstance, EnginePayload, EngineResult } from '../engine/index.js'

/** The part of a session that serving uses. */
export type ModelSession = Pick<EngineSession, 'inputs' | 'outputs' | 'createInstance' | 'dispose'>

/** Rejects with PROVIDER_UNAVAILABLE where the provider cannot run here, MODEL_INVALID, ... */
export type CreateSession = (options: NativeSessionOptions) => Promise<ModelSession>

export interface CompileTask {
  /** The network's file. */
  readonly model: Uint8Array
  readonly target: Target
  readonly precision: EngineSettings['precision']
  readonly exactTaps: boolean
  readonly fastTaps: boolean
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
  /** What the operator should know of it. */
  readonly warning?: string | null
}

export type CompileModel = (task: CompileTask) => Promise<CompiledModel>
