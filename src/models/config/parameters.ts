/** `parameters` of config.pbtxt: Triton's for its ONNX Runtime backend, and our own. */
import { TARGETS, type Precision, type Target } from '../../targets.js'
import type { ConfigSource } from './source.js'

export interface ConfigParameters {
  readonly target: Target | null
  readonly precision: Precision
  readonly exactTaps: boolean
  readonly fastTaps: boolean
  readonly threads: number | null
  readonly cpuMemoryArena: boolean
  /** Options for the CUDA provider. */
  readonly cuda: Readonly<Record<string, string>>
}

/** fp16 is TensorRT's to choose: `precision_mode` of its accelerator. */
const PRECISIONS: readonly Precision[] = ['fp32', 'bf16']
const SWITCHES: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }
const FLAGS: Readonly<Record<string, string>> = { true: '1', '1': '1', false: '0', '0': '0' }
const SEARCHES: Readonly<Record<string, string>> = { '0': 'EXHAUSTIVE', '1': 'HEURISTIC', '2': 'DEFAULT' }
const STRATEGIES: Readonly<Record<string, string>> = { '0': 'kNextPowerOfTwo', '1': 'kSameAsRequested' }

/** Throws MODEL_CONFIG_INVALID. What has no effect here is added to `warnings`. */
export function readParameters(source: ConfigSource, warnings: string[]): ConfigParameters {
  const reader = new Reader(source)
  const cuda: Record<string, string> = {}
  const set = (name: string, value: string | null): void => {
    if (value !== null) cuda[name] = value
  }
  set('cudnn_conv_algo_search', reader.lookup('cudnn_conv_algo_search', SEARCHES))
  set('arena_extend_strategy', reader.lookup('arena_extend_strategy', STRATEGIES))
  set('gpu_mem_limit', reader.text('gpu_mem_limit'))
  set('do_copy_in_default_stream', reader.lookup('do_copy_in_default_stream', FLAGS))
  const parameters: ConfigParameters = {
    target: reader.choice('target', TARGETS),
    precision: reader.choice('precision', PRECISIONS) ?? 'fp32',
    exactTaps: reader.lookup('exact_taps', SWITCHES) ?? false,
    fastTaps: reader.lookup('fast_taps', SWITCHES) ?? false,
    threads: reader.count('intra_op_thread_count'),
    cpuMemoryArena: reader.lookup('enable_mem_arena', SWITCHES) ?? true,
    cuda,
  }
  warnings.push(...reader.unread())
  return parameters
}

class Reader {
  private readonly known = new Set<string>()

  constructor(private readonly source: ConfigSource) {}

  text(key: string): string | null {
    this.known.add(key)
    const { parameters } = this.source.config
    return Object.hasOwn(parameters, key) ? (parameters[key]?.stringValue ?? '') : null
  }

  lookup<T>(key: string, values: Readonly<Record<string, T>>): T | null {
    const text = this.text(key)
    if (text === null) return null
    const name = text.toLowerCase()
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value !== undefined) return value
    throw this.invalid(key, `one of ${Object.keys(values).join(', ')}`, text)
  }

  choice<T extends string>(key: string, values: readonly T[]): T | null {
    return this.lookup(key, Object.fromEntries(values.map((value) => [value, value])))
  }

  /** Null where it is absent or 0, which in Triton leaves the choice to ONNX Runtime. */
  count(key: string): number | null {
    const text = this.text(key)
    if (text === null || text === '0') return null
    if (!/^[1-9][0-9]{0,3}$/.test(text)) throw this.invalid(key, 'a number of threads from 0 to 9999', text)
    return Number(text)
  }

  unread(): string[] {
    return Object.keys(this.source.config.parameters)
      .filter((key) => !this.known.has(key))
      .map((key) => `${this.source.where(path(key))}: parameter ${JSON.stringify(key)} has no effect here`)
  }

  private invalid(key: string, expected: string, found: string): Error {
    return this.source.invalid(`${path(key)}.string_value`, expected, JSON.stringify(found))
  }
}

function path(key: string): string {
  return `parameters[${JSON.stringify(key)}]`
}
