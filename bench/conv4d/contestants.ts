import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as ort from 'onnxruntime-node'
import { confinedResolver } from '../../src/compiler/resolver.js'
import { compileWith } from '../../src/daemon/compile-model.js'
import { DEFAULT_SESSION_OPTIONS, type Engine } from '../../src/engine/index.js'
import type { Network } from './networks.js'

/** One way to run a network. */
export interface Contestant {
  readonly name: string
  /** Runs once; the first output. */
  run(): Promise<Float32Array>
  /** What the target's own operators say of themselves; null for others. */
  report(): unknown
  close(): Promise<void>
}

export async function onnxruntime(
  name: string,
  model: string,
  network: Network,
  rows: readonly Float32Array[],
  threads: number,
): Promise<Contestant> {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads })
  const feeds: Record<string, ort.Tensor> = {}
  network.inputs.forEach((input, i) => {
    feeds[input.name] = new ort.Tensor('float32', rows[i] ?? new Float32Array(), [...input.shape])
  })
  return {
    name,
    run: async () => (await session.run(feeds))['answer']?.data as Float32Array,
    report: () => null,
    close: () => session.release(),
  }
}

export interface TargetOptions {
  readonly target: 'cpu' | 'cpu-portable'
  readonly precision: 'fp32' | 'bf16'
  readonly exactTaps: boolean
  readonly fastTaps: boolean
  readonly threads: number
  /** Folder of compiled models and of measured choices. */
  readonly cacheDir: string
}

export async function target(
  name: string,
  engine: Engine,
  network: Network,
  rows: readonly Float32Array[],
  options: TargetOptions,
): Promise<Contestant> {
  const compile = compileWith({ cacheDir: options.cacheDir, runtime: engine.runtime })
  const compiled = await compile({
    model: await readFile(network.model),
    target: options.target,
    precision: options.precision,
    exactTaps: options.exactTaps,
    fastTaps: options.fastTaps,
    resolve: confinedResolver(dirname(network.model)),
  })
  const session = await engine.createSession({
    ...DEFAULT_SESSION_OPTIONS,
    modelPath: compiled.modelPath,
    modelBytes: compiled.modelBytes,
    threads: options.threads,
    allowSpinning: !compiled.ownOperators,
  })
  const rowCount = network.inputs[0]?.shape[0] ?? 1
  const instance = session.createInstance(name, session.inputs[0]?.shape[0] === -1)
  const payload = {
    inputs: rows.map((row) => new Uint8Array(row.buffer, row.byteOffset, row.byteLength)),
    shapes: network.inputs.map((input) => input.shape),
    outputs: [0],
  }
  return {
    name,
    run: async () => {
      const batch = await instance.start([{ payload, rows: rowCount, deadline: Infinity }]).done
      const outcome = batch.outcomes[0]
      if (outcome?.kind !== 'ok') throw new Error(`${name} of ${network.name}: ${JSON.stringify(outcome)}`)
      const data = outcome.result.outputs[0]?.data ?? Buffer.alloc(0)
      return new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4)
    },
    report: () => session.operatorReport(),
    close: async () => {
      await instance.dispose()
      session.dispose()
    },
  }
}
