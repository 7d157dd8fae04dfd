/** What was recognised in a network, held against the network as it is: both run on the same random values. */
import { compile } from '../compiler/compile.js'
import type { FileResolver } from '../compiler/resolver.js'
import {
  DEFAULT_SESSION_OPTIONS,
  type Engine,
  type EngineResult,
  type EngineSession,
} from '../engine/index.js'
import { randomTensor } from '../models/random-tensor.js'

/** True where both agree, false where they do not, null where the network cannot be tried. */
export type Prove = (model: Uint8Array, resolve: FileResolver) => Promise<boolean | null>

/** A share of the output's largest value: layers add up rounding, and what is recognised wrongly is far off. */
const TOLERANCE = 1e-4
const [MOST_BYTES, MOST_ELEMENTS] = [2 ** 28, 2 ** 24]
/** Sizes that a network leaves open. */
const [ROWS, OPEN] = [2, 8]

export function proveWith(engine: Pick<Engine, 'createSession'>): Prove {
  return async (model, resolve) => {
    if (model.byteLength > MOST_BYTES) return null
    const options = { target: 'cpu-portable', resolve, constantInitializers: true } as const
    const [before, after] = await Promise.all(
      [false, true].map((recognise) => compile(model, { ...options, recognise })),
    )
    if (before === undefined || after === undefined || before.files.length + after.files.length > 0)
      return null
    return agree(engine, before.model, after.model)
  }
}

/** Whether two networks with the same inputs give the same outputs. */
export async function agree(
  engine: Pick<Engine, 'createSession'>,
  before: Uint8Array,
  after: Uint8Array,
): Promise<boolean | null> {
  const expected = await outputsOf(engine, before)
  const actual = expected === null ? null : await outputsOf(engine, after)
  if (expected === null) return null
  return actual !== null && expected.every((values, i) => isClose(actual[i], values))
}

/** Float32 outputs of a run on random values; null where it does not run. */
async function outputsOf(
  engine: Pick<Engine, 'createSession'>,
  modelBytes: Uint8Array,
): Promise<Float32Array[] | null> {
  let session: EngineSession
  try {
    session = await engine.createSession({ ...DEFAULT_SESSION_OPTIONS, modelBytes, allowSpinning: false })
  } catch {
    return null
  }
  try {
    const shapes = session.inputs.map(({ shape }) =>
      shape.map((d, axis) => (d >= 0 ? d : axis === 0 ? ROWS : OPEN)),
    )
    const counts = shapes.map((shape) => shape.reduce((a, b) => a * b, 1))
    if (counts.some((count) => count > MOST_ELEMENTS)) return null
    const inputs = session.inputs.map(({ dataType }, i) => randomTensor(dataType, counts[i] ?? 0))
    const result = await runOnce(session, { inputs, shapes, outputs: session.outputs.map((_, i) => i) })
    return (
      result?.outputs.flatMap(({ index, data }) =>
        session.outputs[index]?.dataType === 'FP32' ? [new Float32Array(new Uint8Array(data).buffer)] : [],
      ) ?? null
    )
  } finally {
    session.dispose()
  }
}

async function runOnce(
  session: EngineSession,
  payload: { inputs: Uint8Array[]; shapes: number[][]; outputs: number[] },
): Promise<EngineResult | null> {
  const instance = session.createInstance('proof', false)
  try {
    const { outcomes } = await instance.start([{ payload, rows: 1, deadline: Infinity }]).done
    return outcomes[0]?.kind === 'ok' ? outcomes[0].result : null
  } finally {
    await instance.dispose()
  }
}

function isClose(actual: Float32Array | undefined, expected: Float32Array): boolean {
  const largest = expected.reduce((a, v) => (Number.isFinite(v) ? Math.max(a, Math.abs(v)) : a), 1e-12)
  return (
    actual?.length === expected.length &&
    expected.every(
      (want, i) => Object.is(actual[i], want) || Math.abs((actual[i] ?? NaN) - want) <= TOLERANCE * largest,
    )
  )
}
