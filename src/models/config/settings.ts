/** Where and how a model runs, from instance_group, optimization and parameters of its configuration. */
import { isGpu, type Precision, type Target } from '../../targets.js'
import { ModelInstanceGroup_Kind as Kind } from '../../generated/model_config.js'
import { readAccelerators } from './accelerators.js'
import { readParameters } from './parameters.js'
import type { ConfigSource } from './source.js'

export type GraphOptimization = 'disabled' | 'basic' | 'extended' | 'all'

/** `count` instances on one device. */
export interface Placement {
  /** Tried in order; more than one only where the choice was left open (KIND_AUTO). */
  readonly targets: readonly [Target, ...Target[]]
  readonly deviceId: number
  readonly count: number
}

export interface EngineSettings {
  readonly placements: readonly Placement[]
  readonly precision: Precision
  /** Convolve along time tap by tap, without the fast transforms. */
  readonly exactTaps: boolean
  /** Targets without our own operators: the fast transforms there too. */
  readonly fastTaps: boolean
  /** Threads of one run; null leaves it to the server. */
  readonly threads: number | null
  readonly graphOptimization: GraphOptimization
  readonly cpuMemoryArena: boolean
  /** Options of the providers as ONNX Runtime names them. */
  readonly providerOptions: Readonly<Record<'cuda' | 'tensorrt', Readonly<Record<string, string>>>>
}

export interface SettingsDefaults {
  /** Used where neither instance_group nor `parameters.target` names a target; several are tried in order. */
  readonly targets: readonly [Target, ...Target[]]
  readonly instanceCount: number
}

/** Throws MODEL_CONFIG_INVALID or MODEL_CONFIG_UNSUPPORTED; warnings are added to `warnings`. */
export function readSettings(
  source: ConfigSource,
  defaults: SettingsDefaults,
  warnings: string[],
): EngineSettings {
  const parameters = readParameters(source, warnings)
  const accelerators = readAccelerators(source)
  const tensorrt = accelerators.tensorrt !== null
  const placements = readPlacements(source, defaults, parameters.target, tensorrt, warnings)
  return {
    placements: parameters.precision === 'fp32' ? placements : onOwnOperators(source, placements),
    precision: parameters.precision,
    exactTaps: parameters.exactTaps,
    fastTaps: parameters.fastTaps,
    threads: parameters.threads,
    graphOptimization: graphLevel(source.config.optimization?.graph?.level),
    cpuMemoryArena: parameters.cpuMemoryArena,
    providerOptions: {
      cuda: { ...parameters.cuda, ...accelerators.cuda },
      tensorrt: accelerators.tensorrt ?? {},
    },
  }
}

/** Triton's numbers: -1 basic, 1 extended, 2 none, anything else everything. */
function graphLevel(level: number | undefined): GraphOptimization {
  if (level === -1) return 'basic'
  if (level === 1) return 'extended'
  return level === 2 ? 'disabled' : 'all'
}

function readPlacements(
  source: ConfigSource,
  defaults: SettingsDefaults,
  named: Target | null,
  tensorrt: boolean,
  warnings: string[],
): Placement[] {
  const gpu: Target = tensorrt ? 'tensorrt' : 'cuda'
  const open: Placement['targets'] =
    named !== null ? [named] : tensorrt ? ['tensorrt', ...defaults.targets] : defaults.targets
  const groups = source.config.instanceGroup
  if (groups.length === 0) return [{ targets: open, deviceId: 0, count: defaults.instanceCount }]
  const placements = groups.flatMap((group, i): Placement[] => {
    const at = `instance_group[${i}]`
    if (group.count < 0) throw source.invalid(`${at}.count`, '0 or more', String(group.count))
    if (group.kind === Kind.KIND_MODEL) throw source.unsupported(`${at}.kind`, 'KIND_MODEL is not offered')
    if (group.passive) throw source.unsupported(`${at}.passive`, 'passive instances are not offered')
    if (group.profile.length > 0) throw source.unsupported(`${at}.profile`, 'profiles are for TensorRT plans')
    if (group.secondaryDevices.length > 0) {
      throw source.unsupported(`${at}.secondary_devices`, 'secondary devices are not offered')
    }
    const count = group.count === 0 ? defaults.instanceCount : group.count
    group.gpus.forEach((id, g) => {
      if (id < 0) throw source.invalid(`${at}.gpus[${g}]`, "a GPU's number", String(id))
    })
    if (group.kind === Kind.KIND_CPU) {
      if (group.gpus.length > 0)
        throw source.invalid(`${at}.gpus`, 'none where kind is KIND_CPU', String(group.gpus.length))
      if (named !== null && isGpu(named)) {
        throw source.invalid('parameters["target"]', 'a CPU target where kind is KIND_CPU', named)
      }
      if (tensorrt) warnings.push(`${source.where(at)}: GPU accelerators have no effect on KIND_CPU`)
      return [{ targets: [named ?? cpuTarget(defaults)], deviceId: 0, count }]
    }
    if (group.kind === Kind.KIND_GPU && named !== null && !isGpu(named)) {
      throw source.invalid('parameters["target"]', 'a GPU target where kind is KIND_GPU', named)
    }
    const targets: Placement['targets'] = group.kind === Kind.KIND_GPU ? [named ?? gpu] : open
    const devices = group.gpus.length === 0 ? [0] : group.gpus
    return devices.map((deviceId) => ({ targets, deviceId, count }))
  })
  return placements
}

/** Another precision than the network's is a matter of our own operators, which target cpu alone has. */
function onOwnOperators(source: ConfigSource, placements: readonly Placement[]): Placement[] {
  return placements.map((placement) => {
    if (placement.targets.includes('cpu')) return { ...placement, targets: ['cpu'] }
    const found = placement.targets.join(', ')
    throw source.invalid('parameters["precision"].string_value', `fp32 for target ${found}`, 'bf16')
  })
}

function cpuTarget(defaults: SettingsDefaults): Target {
  return defaults.targets.find((target) => !isGpu(target)) ?? 'cpu'
}
