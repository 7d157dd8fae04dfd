/** Compiles a network for every place that it runs in and opens the sessions there. */
import type { FileResolver } from '../compiler/resolver.js'
import { isSentinodeError } from '../errors.js'
import { kindOf, type Target } from '../targets.js'
import type { ResolvedPlacement } from './config/complete.js'
import type { EngineSettings, Placement } from './config/settings.js'
import type { CompileModel, CompiledModel, CreateSession, ModelSession } from './engine.js'

export interface PlacedSession {
  readonly session: ModelSession
  readonly placement: ResolvedPlacement
}

interface Surroundings {
  readonly model: Uint8Array
  readonly resolve: FileResolver
  readonly settings: EngineSettings
  readonly hints: readonly (readonly number[])[]
  /** Threads of one run. */
  readonly threads: number
  readonly compile: CompileModel
  readonly createSession: CreateSession
}

/**
 * One session per placement. A target that cannot run here is passed over only where the choice was left
 * open, and then `warnings` says so. On failure nothing stays open.
 */
export async function openSessions(around: Surroundings, warnings: string[]): Promise<PlacedSession[]> {
  const compiled = new Map<Target, Promise<CompiledModel>>()
  const opened: PlacedSession[] = []
  try {
    for (const placement of around.settings.placements) {
      opened.push(await openFirst(around, placement, compiled, warnings))
    }
    return opened
  } catch (error) {
    for (const { session } of opened) session.dispose()
    throw error
  }
}

async function openFirst(
  around: Surroundings,
  placement: Placement,
  compiled: Map<Target, Promise<CompiledModel>>,
  warnings: string[],
): Promise<PlacedSession> {
  const last = placement.targets.length - 1
  for (const [i, target] of placement.targets.entries()) {
    try {
      const session = await open(around, target, placement.deviceId, compiled, warnings)
      return { session, placement: { target, deviceId: placement.deviceId, count: placement.count } }
    } catch (error) {
      const passable = isSentinodeError(error) && error.code === 'PROVIDER_UNAVAILABLE' && i < last
      if (!passable) throw error
      warnings.push(
        `target ${target} cannot run here, ${placement.targets[i + 1]} is tried: ${error.message}`,
      )
    }
  }
  throw new Error('a placement has at least one target')
}

async function open(
  around: Surroundings,
  target: Target,
  deviceId: number,
  compiled: Map<Target, Promise<CompiledModel>>,
  warnings: string[],
): Promise<ModelSession> {
  const { settings, model, resolve, hints } = around
  const { precision, exactTaps, fastTaps } = settings
  const made =
    compiled.get(target) ?? around.compile({ model, target, precision, exactTaps, fastTaps, hints, resolve })
  compiled.set(target, made)
  const { modelPath, modelBytes, ownOperators, warning } = await made
  if (warning && !warnings.includes(warning)) warnings.push(warning)
  const provider = kindOf(target).provider
  return around.createSession({
    modelPath,
    modelBytes,
    provider,
    deviceId,
    providerOptions: provider === 'cpu' ? {} : settings.providerOptions[provider],
    threads: around.threads,
    graphOptimization: settings.graphOptimization,
    allowSpinning: !ownOperators,
    cpuMemoryArena: settings.cpuMemoryArena,
  })
}
