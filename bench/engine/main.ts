// The addon against onnxruntime-node: same model, same threads, same library file, in turns in one run.
//   npm run bench:engine [-- --threads N --rounds N --seconds S --json]
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import * as ort from 'onnxruntime-node'
import { DEFAULT_SESSION_OPTIONS, loadEngine } from '../../src/engine/index.js'
import { uniforms } from '../../src/demo/random.js'
import { median } from '../lib/stats.js'
import { report } from '../lib/table.js'
import { networks, type BenchNetwork } from './networks.js'

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '11' },
    seconds: { type: 'string', default: '1.5' },
    json: { type: 'boolean', default: false },
  },
})
const threads = Number(values.threads)
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)

interface Contestant {
  /** Runs one row, again and again, until the time is over; resolves to rows run. */
  run(untilMs: number): Promise<number>
  close(): Promise<void>
}

interface Round {
  readonly rowsPerSecond: number
  readonly worstDelayMs: number
}

/** Of the delay's own run: its timers would take time from whoever lets them fire. */
const DELAY_SECONDS = 0.5

async function addon({ model, shape }: BenchNetwork, row: Float32Array): Promise<Contestant> {
  const session = await loadEngine().createSession({ ...DEFAULT_SESSION_OPTIONS, modelBytes: model, threads })
  const instance = session.createInstance('bench', true)
  const bytes = new Uint8Array(row.buffer)
  const payload = { inputs: [bytes], shapes: [[1, ...shape]], outputs: [0] }
  const start = () => instance.start([{ payload, rows: 1, deadline: Infinity }]).done
  return {
    // Two in flight, as the scheduler keeps them: one computes while the next is gathered.
    run: async (untilMs) => {
      let done = 0
      const lane = async (): Promise<void> => {
        while (performance.now() < untilMs) {
          await start()
          done++
        }
      }
      await Promise.all([lane(), lane()])
      return done
    },
    close: async () => {
      await instance.dispose()
      session.dispose()
    },
  }
}

async function onnxruntimeNode({ model, shape }: BenchNetwork, row: Float32Array): Promise<Contestant> {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads })
  return {
    run: async (untilMs) => {
      let done = 0
      while (performance.now() < untilMs) {
        await session.run({ image: new ort.Tensor('float32', row, [1, ...shape]) })
        done++
        // Its run blocks the event loop: without this turn no timer would ever fire.
        await new Promise((resolve) => setImmediate(resolve))
      }
      return done
    },
    close: () => session.release(),
  }
}

async function measure(contestant: Contestant): Promise<Round> {
  const start = performance.now()
  const rows = await contestant.run(start + seconds * 1000)
  const elapsed = performance.now() - start
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await contestant.run(performance.now() + DELAY_SECONDS * 1000)
  delay.disable()
  return { rowsPerSecond: (rows / elapsed) * 1000, worstDelayMs: delay.max / 1e6 }
}

const table = [
  ['network', 'onnxruntime-node rows/s', 'addon rows/s', 'ratio', 'event loop delay: theirs', 'ours'],
]
const results = []
for (const network of networks()) {
  const random = uniforms(3)
  const row = Float32Array.from({ length: network.shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5)
  // One session at a time: a second session's thread pool would spin on the same cores.
  const ratios: number[] = []
  const ours: Round[] = []
  const theirs: Round[] = []
  for (let round = 0; round <= rounds; round++) {
    const pair: Round[] = []
    for (const make of [onnxruntimeNode, addon]) {
      const contestant = await make(network, row)
      await contestant.run(performance.now() + 200)
      pair.push(await measure(contestant))
      await contestant.close()
    }
    const [a, b] = pair
    if (round === 0 || !a || !b) continue // the first round warms the machine up
    theirs.push(a)
    ours.push(b)
    ratios.push(b.rowsPerSecond / a.rowsPerSecond)
  }
  const result = {
    network: network.name,
    threads,
    onnxruntime_node_rows_per_second: median(theirs.map((r) => r.rowsPerSecond)),
    addon_rows_per_second: median(ours.map((r) => r.rowsPerSecond)),
    ratio: median(ratios),
    onnxruntime_node_event_loop_delay_ms: median(theirs.map((r) => r.worstDelayMs)),
    addon_event_loop_delay_ms: median(ours.map((r) => r.worstDelayMs)),
  }
  results.push(result)
  table.push([
    network.name,
    result.onnxruntime_node_rows_per_second.toFixed(1),
    result.addon_rows_per_second.toFixed(1),
    result.ratio.toFixed(3),
    `${result.onnxruntime_node_event_loop_delay_ms.toFixed(1)} ms`,
    `${result.addon_event_loop_delay_ms.toFixed(1)} ms`,
  ])
}
report(table, results)
