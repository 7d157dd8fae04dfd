import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { PRECISIONS, TARGETS, type Target } from '../../compiler/compile.js'
import { confinedResolver } from '../../compiler/resolver.js'
import { compileWith } from '../../daemon/compile-model.js'
import { loadEngine } from '../../engine/index.js'
import type { ProviderName } from '../../engine/native.js'
import { SentinodeError } from '../../errors.js'
import { chooseShapes, randomTensor, shapeHints } from './inputs.js'
import { measure } from './measure.js'
import { watchPeakMemory } from './memory.js'
import { countOperations } from './operations.js'

export interface ProfileOptions {
  readonly file: string
  readonly batch: number
  readonly target: string
  readonly threads: number
  readonly precision: string
  readonly dim: ReadonlyMap<string, number>
  readonly seconds: number
  readonly onnxruntimeLibrary: string | null
}

/** Fields that other programs rely on: none is renamed. */
export interface ProfileReport {
  readonly model: string
  readonly target: string
  readonly batch: number
  readonly threads: number
  readonly precision: string
  readonly rows_per_second: number
  /** By the direct algorithm's operation count; null where it cannot be known. */
  readonly gflops: number | null
  readonly latency_ms: { readonly p50: number; readonly p90: number; readonly p99: number }
  /** Peak resident set above what was resident before the model was loaded. */
  readonly peak_bytes: number
  readonly batches: number
  readonly seconds: number
}

const PROVIDERS: Readonly<Record<Target, ProviderName>> = {
  cpu: 'cpu',
  'cpu-portable': 'cpu',
  cuda: 'cuda',
  tensorrt: 'tensorrt',
}

function oneOf<T extends string>(option: string, known: readonly T[], found: string): T {
  const value = known.find((candidate) => candidate === found)
  if (value !== undefined) return value
  throw new SentinodeError('INVALID_OPTION', `${option}: expected one of ${known.join(', ')}, found ${found}`)
}

const WARMUP_SECONDS = 0.5

/** Loads a model as the daemon would, and measures one instance of it. Rejects with a coded error. */
export async function profile(options: ProfileOptions): Promise<ProfileReport> {
  const { file, threads, batch } = options
  const target = oneOf('--target', TARGETS, options.target)
  const precision = oneOf('--precision', PRECISIONS, options.precision)
  const engine = loadEngine({ onnxruntimeLibrary: options.onnxruntimeLibrary })
  const peak = watchPeakMemory()
  const model = await readFile(file).catch((cause: unknown) => {
    throw new SentinodeError('INVALID_OPTION', `expected a readable model, found ${file}`, { cause })
  })
  const hints = shapeHints(model, options.dim)
  const resolve = confinedResolver(dirname(file))
  const compile = compileWith({ cacheDir: null, runtime: engine.runtime })
  const compiled = await compile({ model, target, precision, exactTaps: false, resolve, hints })
  const session = await engine.createSession({
    modelPath: compiled.modelPath,
    modelBytes: compiled.modelBytes,
    provider: PROVIDERS[target],
    deviceId: 0,
    providerOptions: {},
    threads,
    graphOptimization: 'all',
    allowSpinning: !compiled.ownOperators,
    cpuMemoryArena: true,
  })
  const { shapes, batched } = chooseShapes(session.inputs, session.outputs, batch, options.dim)
  const instance = session.createInstance('profile', batched)
  try {
    const entry = {
      payload: {
        inputs: session.inputs.map((input, i) => randomTensor(input.dataType, shapes[i] ?? [], i + 1)),
        shapes,
        outputs: session.outputs.map((_, i) => i),
      },
      rows: batched ? batch : 1,
      deadline: Infinity,
    }
    await measure(instance, [entry], WARMUP_SECONDS)
    const { batches, seconds, latencyMs } = await measure(instance, [entry], options.seconds)
    const named = new Map(session.inputs.map((input, i) => [input.name, shapes[i] ?? []]))
    const operations = countOperations(model, named)
    return {
      model: basename(file),
      target,
      batch,
      threads,
      precision,
      rows_per_second: (batches * batch) / seconds,
      gflops: operations === null ? null : (operations * batches) / seconds / 1e9,
      latency_ms: latencyMs,
      peak_bytes: peak(),
      batches,
      seconds,
    }
  } finally {
    await instance.dispose()
    session.dispose()
  }
}
