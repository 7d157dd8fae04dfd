// 4D convolution against what runs it today, and against the machine's own ceiling.
//   npm run bench:conv4d [-- --threads N --rounds N --filter TEXT --batch N --drawn N --seed N --json --out FOLDER]
// Every contestant takes turns with oneDNN's 2048^3 float32 matrix product in this process, and the least
// time of each counts. GFLOP/s count the direct algorithm's operations. Writes conv4d.json and conv4d.svg.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadEngine, type Engine } from '../../src/engine/index.js'
import { uniforms } from '../../src/demo/random.js'
import { report } from '../lib/table.js'
import { barChart } from './chart.js'
import { onnxruntime, target, type Contestant, type TargetOptions } from './contestants.js'
import { networks, type Network } from './networks.js'

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '10' },
    filter: { type: 'string', default: '' },
    batch: { type: 'string', default: '1' },
    drawn: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const threads = Number(values.threads)
const rounds = Number(values.rounds)
/** Rows of bench4d-large at once, and layers of sizes drawn from a seed beside the fixed ones. */
const sizes = { rows: Number(values.batch), drawn: Number(values.drawn), seed: Number(values.seed) }
const PRODUCT = 2048
const PRODUCT_GFLOP = (2 * PRODUCT ** 3) / 1e9
/** Rounds of a contestant that takes longer than this: its time is no matter of per cent. */
const SLOW_SECONDS = 1

interface Result {
  readonly network: string
  readonly contestant: string
  readonly milliseconds: number | null
  readonly gflops: number | null
  readonly ceiling_gflops: number | null
  /** GFLOP/s over the ceiling's, measured in turns. */
  readonly share: number | null
  /** Largest difference from the hand-lowered network's answer, over its largest value. */
  readonly error: number | null
  readonly operators: unknown
}

function largestError(expected: Float32Array, found: Float32Array): number {
  if (expected.length !== found.length) return Infinity
  let largest = 0
  let error = 0
  expected.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(value))
    error = Math.max(error, Math.abs(value - (found[i] ?? NaN)))
  })
  return error / largest
}

async function measure(
  contestant: Contestant,
  network: Network,
  engine: Engine,
  expected: Float32Array | null,
): Promise<Result> {
  const answer = await contestant.run()
  let [best, ceiling] = [Infinity, Infinity]
  for (let round = 0; round < (best > SLOW_SECONDS && round > 0 ? 2 : rounds); round++) {
    const start = performance.now()
    await contestant.run()
    best = Math.min(best, (performance.now() - start) / 1000)
    ceiling = Math.min(ceiling, engine.matrixProduct(PRODUCT, threads))
  }
  const gflops = network.gflop / best
  return {
    network: network.name,
    contestant: contestant.name,
    milliseconds: best * 1000,
    gflops,
    ceiling_gflops: PRODUCT_GFLOP / ceiling,
    share: gflops / (PRODUCT_GFLOP / ceiling),
    error: expected === null ? null : largestError(expected, answer),
    operators: contestant.report(),
  }
}

function makers(
  network: Network,
  engine: Engine,
  rows: Float32Array[],
  cacheDir: string,
): [string, () => Promise<Contestant>][] {
  const common = {
    target: 'cpu',
    precision: 'fp32',
    exactTaps: false,
    fastTaps: false,
    threads,
    cacheDir,
  } as const
  const own = (name: string, options: Partial<TargetOptions>) =>
    [name, () => target(name, engine, network, rows, { ...common, ...options })] as [
      string,
      () => Promise<Contestant>,
    ]
  const peer = (name: string, model: string) =>
    [name, () => onnxruntime(name, model, network, rows, threads)] as [string, () => Promise<Contestant>]
  return [
    peer('hand-lowered', network.lowered),
    peer('onnxruntime', network.withoutPools ?? network.model),
    own('cpu-portable', { target: 'cpu-portable' }),
    own('portable fast', { target: 'cpu-portable', fastTaps: true }),
    own('cpu exact', { exactTaps: true }),
    own('cpu', {}),
    own('cpu bf16', { precision: 'bf16' }),
  ]
}

async function compare(network: Network, engine: Engine, cacheDir: string): Promise<Result[]> {
  const random = uniforms(5)
  const rows = network.inputs.map(({ shape }) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5),
  )
  let expected: Float32Array | null = null
  const results: Result[] = []
  for (const [name, make] of makers(network, engine, rows, cacheDir)) {
    process.stderr.write(`${network.name}: ${name}\n`)
    const contestant = await make()
    try {
      expected ??= Float32Array.from(await contestant.run())
      results.push(await measure(contestant, network, engine, expected))
    } finally {
      await contestant.close()
    }
  }
  return results
}

const format = (value: number | null, digits: number): string =>
  value === null ? '-' : value.toFixed(digits)

const cacheDir = await mkdtemp(join(tmpdir(), 'conv4d-'))
try {
  const engine = loadEngine()
  const results: Result[] = []
  for (const network of networks(cacheDir, sizes).filter(({ name }) => name.includes(values.filter))) {
    results.push(...(await compare(network, engine, cacheDir)))
  }
  report(
    [
      ['network', 'contestant', 'ms', 'GFLOP/s', 'ceiling', 'share', 'error'],
      ...results.map((result) => [
        result.network,
        result.contestant,
        format(result.milliseconds, 2),
        format(result.gflops, 1),
        format(result.ceiling_gflops, 1),
        format(result.share, 2),
        result.error === null ? '-' : result.error.toExponential(1),
      ]),
    ],
    { threads, rounds, results },
  )
  if (values.out !== undefined) {
    await mkdir(values.out, { recursive: true })
    const groups = [...new Set(results.map(({ network }) => network))].map((name) => ({
      name,
      bars: results
        .filter(({ network }) => network === name)
        .map(({ contestant, share }) => ({ name: contestant, value: share })),
    }))
    await writeFile(
      join(values.out, 'conv4d.json'),
      `${JSON.stringify({ threads, rounds, results }, null, 2)}\n`,
    )
    await writeFile(
      join(values.out, 'conv4d.svg'),
      barChart('GFLOP/s as a share of the machine’s ceiling', groups),
    )
  }
} finally {
  await rm(cacheDir, { recursive: true })
}
