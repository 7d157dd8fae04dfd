// What gRPC, the queue and the batcher cost: throughput through the daemon against `sentinode profile`
// for the batch sizes that formed, in turns in one run.
//   npm run bench:serve [-- --clients N --rounds N --seconds S --warmup S --json]
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startDaemon } from '../../src/demo/daemon-process.js'
import { uniforms } from '../../src/demo/random.js'
import { ModelInferRequest } from '../../src/generated/grpc_service.js'
import { median, quantile } from '../lib/stats.js'
import { report } from '../lib/table.js'
import { closedLoop } from './load.js'
import { quickNetwork, servedNetwork, SIZE } from './network.js'

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '4' },
    warmup: { type: 'string', default: '10' },
    target: { type: 'string', default: 'auto' },
    json: { type: 'boolean', default: false },
  },
})
const MODEL = 'served4d'
const QUICK_MODEL = 'quick4d'
const folder = mkdtempSync(join(tmpdir(), 'sentinode-bench-'))
const cache = join(folder, 'cache')

/** The model's file in the repository. */
function addModel(name: string, network: Uint8Array): string {
  const version = join(folder, 'models', name, '1')
  mkdirSync(version, { recursive: true })
  writeFileSync(join(version, 'model.onnx'), network)
  writeFileSync(join(folder, 'models', name, 'config.pbtxt'), 'max_batch_size: 8\ndynamic_batching { }\n')
  return join(version, 'model.onnx')
}

const model = addModel(MODEL, servedNetwork())
addModel(QUICK_MODEL, quickNetwork())

const random = uniforms(3)
const image = Float32Array.from({ length: SIZE.reduce((a, b) => a * b, 1) }, () => random() - 0.5)
const request = (modelName: string) =>
  ModelInferRequest.fromPartial({
    modelName,
    inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 1, ...SIZE].map(BigInt) }],
    rawInputContents: [new Uint8Array(image.buffer)],
  })

/** Milliseconds that `profile` takes for one batch of `size` rows. */
function profileBatch(size: number): number {
  const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
  // What the daemon has measured and chosen is taken over.
  const args = [
    main,
    'profile',
    model,
    '--batch',
    String(size),
    '--seconds',
    '2',
    '--cache-dir',
    cache,
    '--json',
  ]
  if (values.target !== 'auto') args.push('--target', values.target)
  const answer = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as {
    rows_per_second: number
  }
  return (size / answer.rows_per_second) * 1000
}

const rounds = []
const daemon = await startDaemon([
  ...['--models', join(folder, 'models'), '--grpc-port', '0', '--metrics-port', '0'],
  ...['--cache-dir', cache, '--log-level', 'error'],
  ...(values.target === 'auto' ? [] : ['--target', values.target]),
])
const load = (name: string, seconds: number) =>
  closedLoop(daemon.grpc, name, request(name), Number(values.clients), seconds)
try {
  // JavaScript's code of both sides is compiled as it is used: by thousands of requests, of which the network
  // that is measured answers some fifty a second.
  await load(QUICK_MODEL, Number(values.warmup))
  await load(MODEL, 2)
  for (let round = 0; round < Number(values.rounds); round++) {
    const { rows, seconds, batches, latenciesMs } = await load(MODEL, Number(values.seconds))
    // Sizes that hardly ever formed do not move the sum: their time is taken from the largest size's rows.
    const runs = [...batches.values()].reduce((a, b) => a + b, 0)
    const sizes = [...batches].filter(([, count]) => count >= 0.02 * runs)
    const times = new Map(sizes.map(([size]) => [size, profileBatch(size)]))
    const [ran, ms] = sizes.reduce(
      ([r, t], [size, count]) => [r + size * count, t + (times.get(size) ?? 0) * count],
      [0, 0],
    )
    const served = rows / seconds
    const alone = (ran / ms) * 1000
    rounds.push({
      served_rows_per_second: served,
      profile_rows_per_second: alone,
      ratio: served / alone,
      batches: Object.fromEntries(batches),
      p50_ms: quantile(latenciesMs, 0.5),
      p99_ms: quantile(latenciesMs, 0.99),
    })
  }
} finally {
  await daemon.stop()
  rmSync(folder, { recursive: true, force: true })
}

const ratio = median(rounds.map((r) => r.ratio))
report(
  [
    ['round', 'served rows/s', 'profile rows/s', 'ratio', 'p50', 'p99', 'batches (size: runs)'],
    ...rounds.map((r, i) => [
      String(i + 1),
      r.served_rows_per_second.toFixed(1),
      r.profile_rows_per_second.toFixed(1),
      r.ratio.toFixed(3),
      `${r.p50_ms.toFixed(1)} ms`,
      `${r.p99_ms.toFixed(1)} ms`,
      JSON.stringify(r.batches),
    ]),
    ['median', '', '', ratio.toFixed(3), '', '', ''],
  ],
  { clients: Number(values.clients), ratio, rounds },
)
