/**
 * Whether rows of a network's outputs are rows of its inputs, found out by trying: a network that says nothing
 * of it (NonZero, non-maximum suppression, a batch size that an exporter wrote down) answers wrong numbers of
 * rows, or not at all, once requests are put into one batch.
 */
import { isSentinodeError } from '../errors.js'
import type { Network, NetworkTensor } from './config/complete.js'
import { elementSize } from './datatypes.js'
import type { EngineInstance, ModelSession } from './engine.js'
import { randomTensor } from './random-tensor.js'
import { encodeBytesTensor } from './request/bytes-tensor.js'

/** Sizes that are tried: no output has as many rows as the input for both by chance. */
const ROWS = [2, 3]
/** What a size is taken for that the network leaves open and no warm-up sample tells. */
const OPEN = 8
const MOST_ELEMENTS = 2 ** 24

/**
 * What shows that requests cannot share a batch; null where nothing does.
 *
 * @param known dims of one row by input name, from the configuration's samples
 */
export async function whyNotBatched(
  session: ModelSession,
  network: Network,
  known: ReadonlyMap<string, readonly number[]>,
): Promise<string | null> {
  const instance = session.createInstance('rows', false)
  try {
    for (const fill of [randomTensor, zeroTensor]) {
      const tried = await tryRows(instance, network, known, fill)
      if (tried !== 'failed') return tried
    }
    return null
  } finally {
    await instance.dispose()
  }
}

type Fill = typeof randomTensor

async function tryRows(
  instance: EngineInstance,
  network: Network,
  known: ReadonlyMap<string, readonly number[]>,
  fill: Fill,
): Promise<string | null> {
  for (const rows of ROWS) {
    const shapes = await run(instance, network, known, rows, fill)
    if (shapes === null) return 'failed'
    if (typeof shapes === 'string') {
      const alone = await run(instance, network, known, 1, fill)
      return Array.isArray(alone) ? `it runs one row and not ${rows}: ${shapes}` : 'failed'
    }
    const wrong = shapes.findIndex((shape) => shape[0] !== rows)
    if (wrong < 0) continue
    const name = JSON.stringify(network.outputs[wrong]?.name)
    return `output ${name} has shape [${shapes[wrong]?.join(', ') ?? ''}] for ${rows} rows of input`
  }
  return null
}

/** The outputs' shapes; the reason where it does not run, null where it is too large to try. */
async function run(
  instance: EngineInstance,
  network: Network,
  known: ReadonlyMap<string, readonly number[]>,
  rows: number,
  fill: Fill,
): Promise<(readonly number[])[] | string | null> {
  const shapes = network.inputs.map((input) => shapeOf(input, rows, known.get(input.name)))
  const counts = shapes.map((shape) => shape.reduce((a, b) => a * b, 1))
  if (counts.some((count) => count > MOST_ELEMENTS)) return null
  const inputs = network.inputs.map(({ dataType }, i) => fill(dataType, counts[i] ?? 0))
  const payload = { inputs, shapes, outputs: network.outputs.map((_, i) => i) }
  const { outcomes } = await instance.start([{ payload, rows: 1, deadline: Infinity }]).done
  const [outcome] = outcomes
  if (outcome?.kind === 'ok') return outcome.result.outputs.map(({ shape }) => shape)
  const error = outcome?.kind === 'failed' ? outcome.error : null
  return isSentinodeError(error) ? error.message : 'it did not run'
}

/** An open size that has the batch's own name is the batch. */
function shapeOf(
  { shape, symbols }: NetworkTensor,
  rows: number,
  known: readonly number[] | undefined,
): number[] {
  return shape.map((size, axis) => {
    if (axis === 0) return rows
    if (size !== -1) return size
    const symbol = symbols[axis] ?? null
    return symbol !== null && symbol === symbols[0] ? rows : (known?.[axis - 1] ?? OPEN)
  })
}

const zeroTensor: Fill = (type, elements) =>
  type === 'BYTES'
    ? encodeBytesTensor(Array.from({ length: elements }, () => new Uint8Array(0)))
    : new Uint8Array(elements * elementSize(type))
