/** A compiler and an engine that only record what they were asked, and add one to every byte. */
import { SentinodeError } from '../../../src/errors.js'
import type { NativeSessionOptions, NativeTensorInfo } from '../../../src/engine/native.js'
import type {
  CompileModel,
  CompileTask,
  CreateSession,
  EnginePayload,
  EngineResult,
  EngineInstance,
} from '../../../src/models/engine.js'
import type { BatchEntry, Outcome } from '../../../src/scheduling/types.js'

export interface FakeEngine {
  readonly compile: CompileModel
  readonly createSession: CreateSession
  readonly compiled: CompileTask[]
  readonly sessions: NativeSessionOptions[]
  /** Rows of every batch, by the instance that ran it; not those of the try whether rows are rows. */
  readonly batches: [instance: string, entries: readonly BatchEntry<EnginePayload>[]][]
  /** Instances and sessions in the order in which they were disposed. */
  readonly disposed: string[]
}

export interface FakeNetwork {
  readonly inputs: Readonly<Record<string, number[]>>
  readonly outputs: Readonly<Record<string, number[]>>
  /** Providers that cannot run here. */
  readonly missing?: readonly string[]
  /** Fails every run that this says yes to. */
  readonly failsWhen?: (entry: BatchEntry<EnginePayload>) => boolean
}

export function fakeEngine(network: FakeNetwork): FakeEngine {
  const engine: FakeEngine = {
    compiled: [],
    sessions: [],
    batches: [],
    disposed: [],
    compile: (task) => {
      engine.compiled.push(task)
      return Promise.resolve({ modelPath: null, modelBytes: task.model, ownOperators: task.target === 'cpu' })
    },
    createSession: (options) => {
      if (network.missing?.includes(options.provider)) {
        return Promise.reject(new SentinodeError('PROVIDER_UNAVAILABLE', `no ${options.provider}`))
      }
      engine.sessions.push(options)
      const id = engine.sessions.length - 1
      return Promise.resolve({
        inputs: tensors(network.inputs),
        outputs: tensors(network.outputs),
        createInstance: (name) =>
          instance(name === 'rows' ? { ...engine, batches: [], disposed: [] } : engine, network, name),
        dispose: () => {
          engine.disposed.push(`session ${id}`)
        },
      })
    },
  }
  return engine
}

function tensors(shapes: Readonly<Record<string, number[]>>): NativeTensorInfo[] {
  return Object.entries(shapes).map(([name, shape]) => ({
    name,
    dataType: 'UINT8',
    shape,
    symbols: shape.map(() => null),
  }))
}

function instance(engine: FakeEngine, network: FakeNetwork, name: string): EngineInstance {
  return {
    name,
    start: (entries) => {
      engine.batches.push([name, entries])
      const outcomes = entries.map((entry): Outcome<EngineResult> => {
        if (network.failsWhen?.(entry)) {
          return { kind: 'failed', error: new SentinodeError('MODEL_RUN_FAILED', 'it fails') }
        }
        const data = (entry.payload.inputs[0] ?? new Uint8Array()).map((byte) => byte + 1)
        const shape = entry.payload.shapes[0] ?? []
        return {
          kind: 'ok',
          result: { outputs: entry.payload.outputs.map((index) => ({ index, shape, data })) },
        }
      })
      const rows = entries.reduce((sum, entry) => sum + entry.rows, 0)
      const timings = { gatherStart: 1, gatherEnd: 2, runStart: 3, runEnd: 4, scatterEnd: 5 }
      return { done: Promise.resolve({ outcomes, rows, timings }), cancel: () => undefined }
    },
    dispose: () => {
      engine.disposed.push(`instance ${name}`)
      return Promise.resolve()
    },
  }
}
