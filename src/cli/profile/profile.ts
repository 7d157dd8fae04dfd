import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { confinedResolver } from '../../compiler/resolver.js'
import { compileWith } from '../../daemon/compile-model.js'
import { type EngineResult, loadEngine, type RegionReport } from '../../engine/index.js'
import { SentinodeError } from '../../errors.js'
import { kindOf, PRECISIONS, TARGETS } from '../../targets.js'
import { chooseShapes, randomTensor, shapeHints } from './inputs.js'
import { measure } from './measure.js'
import { collectGarbage, watchPeakMemory } from './memory.js'
import { countOperations } from './operations.js'

export interface ProfileOptions {
  readonly file: string
  readonly batch: number
  readonly target: string
  readonly threads: number
  readonly precision: string
  readonly exactTaps: boolean
  readonly fastTaps: boolean
  readonly dim: ReadonlyMap<string, number>
  readonly seconds: number
  readonly onnxruntimeLibrary: string | null
  /** Folder of compiled models; the user's where null. */
  readonly cacheDir: string | null
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
  /** Peak resident set above what was resident before the model was loaded (VmHWM of proc(5), set back then). */
  readonly peak_bytes: number
  /** What regions of 4D operators planned for: prepared weights and room for values. */
  readonly planned_bytes: number
  readonly batches: number
  readonly seconds: number
  /** What each region of 4D operators says of itself (native/core/ops/README.md). */
  readonly regions: readonly RegionReport[]
}

function oneOf<T extends string>(option: string, known: readonly T[], found: string): T {
  const value = known.find((candidate) => candidate === found)
  if (value !== undefined) return value
  throw new SentinodeError('INVALID_OPTION', `${option}: expected one of ${known.join(', ')}, found ${found}`)
}

const WARMUP_SECONDS = 0.5

/** Loads a model as the daemon would, and measures one instance of it. Rejects with a coded error. */
export async function profile(options: ProfileOptions): Promise<ProfileReport> {
  const { file, threads, batch, exactTaps, fastTaps } = options
  const target = oneOf('--target', TARGETS, options.target)
  const precision = oneOf('--precision', PRECISIONS, options.precision)
  const engine = loadEngine({ onnxruntimeLibrary: options.onnxruntimeLibrary })
  const peak = watchPeakMemory()
  const model = await readFile(file).catch((cause: unknown) => {
    throw new SentinodeError('INVALID_OPTION', `expected a readable model, found ${file}`, { cause })
  })
  const hints = shapeHints(model, options.dim)
  const resolve = confinedResolver(dirname(file))
  const compile = compileWith({ cacheDir: options.cacheDir, runtime: engine.runtime })
  const compiled = await compile({ model, target, precision, exactTaps, fastTaps, resolve, hints })
  const session = await engine.createSession({
    modelPath: compiled.modelPath,
    modelBytes: compiled.modelBytes,
    provider: kindOf(target).provider,
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
    // As the scheduler hands them over: a request a row. All have the same memory.
    const rows = batched ? shapes.map((shape) => [1, ...shape.slice(1)]) : shapes
    const request = {
      payload: {
        inputs: session.inputs.map((input, i) => randomTensor(input.dataType, rows[i] ?? [], i + 1)),
        shapes: rows,
        outputs: session.outputs.map((_, i) => i),
      },
      rows: 1,
      deadline: Infinity,
    }
    const requests = new Array<typeof request>(batched ? batch : 1).fill(request)
    // V8 would leave answers of tens of megabytes lying about, which no server that sends them does.
    const answered = collectGarbage((result: EngineResult) =>
      result.outputs.reduce((sum, { data }) => sum + data.byteLength, 0),
    )
    await measure(instance, requests, WARMUP_SECONDS, answered)
    const { batches, seconds, latencyMs } = await measure(instance, requests, options.seconds, answered)
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
      planned_bytes: session.plannedBytes(),
      batches,
      seconds,
      regions: session.operatorReport(),
    }
  } finally {
    await instance.dispose()
    session.dispose()
  }
}
