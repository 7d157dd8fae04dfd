import { fileURLToPath } from 'node:url'
import { DEFAULT_SESSION_OPTIONS } from '../../src/engine/index.js'
import { builtAddon, loadAddon, packagedRuntime } from '../../src/engine/loader.js'
import type {
  NativeBatch,
  NativeBatchResult,
  NativeInstance,
  NativeOutcome,
  NativeOutput,
  NativeRequest,
  NativeSession,
} from '../../src/engine/native.js'

/** SENTINODE_ADDON names another build, e.g. one with a sanitizer. */
export const addonPath = process.env['SENTINODE_ADDON'] ?? builtAddon()
export const runtimePath = packagedRuntime()
export const { addon, runtime } = loadAddon({ addonPath, onnxruntimeLibrary: runtimePath })

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/engine/${name}.onnx`, import.meta.url))
}

export function openSession(name: string): Promise<NativeSession> {
  return addon.createSession({ ...DEFAULT_SESSION_OPTIONS, modelPath: fixture(name) })
}

export interface Execution {
  readonly result: Promise<NativeBatchResult>
  cancel(index: number): void
}

/** A native instance whose batches are promises. */
export interface TestInstance {
  readonly native: NativeInstance
  execute(batch: NativeBatch): Execution
  dispose(): Promise<void>
}

export function createInstance(session: NativeSession, slots = 2): TestInstance {
  const pending = new Map<number, (result: NativeBatchResult) => void>()
  const native = session.createInstance({ slots }, (id, result) => {
    pending.get(id)!(result)
    pending.delete(id)
  })
  return {
    native,
    execute: (batch) => {
      const id = native.execute(batch)
      const result = new Promise<NativeBatchResult>((resolve) => pending.set(id, resolve))
      return { result, cancel: (index) => native.cancel(id, index) }
    },
    dispose: () => native.dispose(),
  }
}

export async function openInstance(name: string, slots = 2): Promise<TestInstance> {
  return createInstance(await openSession(name), slots)
}

export function bytes(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

export function floats(output: NativeOutput | Uint8Array): number[] {
  const data = output instanceof Uint8Array ? output : output.data
  return Array.from(new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4))
}

export function request(...inputs: ArrayBufferView[]): NativeRequest {
  return { inputs: inputs.map(bytes), rows: 1, deadline: Infinity }
}

/** A batch of requests of the same shapes, for a model whose dimension 0 is the batch. */
export function batchOf(
  requests: readonly NativeRequest[],
  rowShapes: number[][],
  outputs = [0],
): NativeBatch {
  const rows = requests.reduce((sum, { rows }) => sum + rows, 0)
  return { requests, shapes: rowShapes.map((shape) => [rows, ...shape]), batched: true, outputs }
}

/** Of the fixture `loop`: adds 1 to four numbers `iterations` times. About 200 thousand a second. */
export function loopRequest(start: number, iterations: number, deadline = Infinity): NativeRequest {
  const x = new Float32Array(4).fill(start)
  return { ...request(x, BigInt64Array.of(BigInt(iterations))), deadline }
}

export const LOOP_SHAPES = [[4], []]
/** Longer than any test would wait. */
export const ENDLESS = 1e12

export function outputsOf(outcome: NativeOutcome | undefined): readonly NativeOutput[] {
  if (outcome?.kind !== 'ok') throw new Error(`expected ok, found ${JSON.stringify(outcome)}`)
  return outcome.outputs
}

export const now = (): number => Number(process.hrtime.bigint()) / 1e6

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
