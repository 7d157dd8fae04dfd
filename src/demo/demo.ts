import { credentials } from '@grpc/grpc-js'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { colours } from '../colours.js'
import {
  GRPCInferenceServiceClient,
  ModelInferRequest,
  type ModelInferResponse,
  type ModelStatistics,
  type StatisticDuration,
} from '../generated/grpc_service.js'
import { startDaemon, type DaemonProcess } from './daemon-process.js'
import { crop, readExam } from './exam.js'
import { CLINICAL, CROP, demoNetwork } from './network.js'
import { LESION, phantomExam, PHANTOM } from './phantom.js'

const MODEL = 'demo4d'
const REQUESTS = 24

/** `npm run demo`: a 4D network served from start to stop, on free ports, with nothing left behind. */
export async function demo(print: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sentinode-demo-'))
  let daemon: DaemonProcess | null = null
  try {
    writeRepository(join(folder, 'models'))
    const examFile = join(folder, 'exam.nii.gz')
    writeFileSync(examFile, phantomExam(7))

    print(colours.bold('\n1. Start the daemon on free ports'))
    daemon = await startDaemon([
      ...['--models', join(folder, 'models'), '--grpc-port', '0', '--metrics-port', '0'],
      ...['--cache-dir', join(folder, 'cache'), '--log-level', 'warn'],
    ])
    print(`   gRPC on ${daemon.grpc}, metrics on http://${daemon.metrics}/metrics`)

    print(colours.bold('\n2. Read a 4D exam'))
    const exam = readExam(examFile)
    print(
      `   NIfTI, ${exam.shape.join(' x ')} (phases, slices, rows, columns) at ${PHANTOM.spacingMm} mm, simulated`,
    )

    print(
      colours.bold(
        `\n3. Send ${REQUESTS} concurrent requests: crops around as many points, with clinical values`,
      ),
    )
    const before = await scrape(daemon.metrics)
    const client = new GRPCInferenceServiceClient(daemon.grpc, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
    })
    const answers = await Promise.all(
      Array.from({ length: REQUESTS }, (_, i) => infer(client, crop(exam, pointNear(i)), i)),
    )
    for (const [i, [pn, cn]] of answers.entries()) {
      if (i % 6 === 0)
        print(`   request ${String(i).padStart(2)}: pN+ ${pn.toFixed(4)}  cN+ ${cn.toFixed(4)}`)
    }
    print(
      colours.yellow('   The weights are drawn from a fixed seed, not trained: these numbers mean nothing.'),
    )

    printStatistics(await statistics(client), print)

    print(colours.bold('\n6. Lines of /metrics that changed'))
    const after = await scrape(daemon.metrics)
    for (const line of changed(before, after)) print(`   ${line}`)
    client.close()

    print(colours.bold('\n7. Stop'))
    print(`   SIGTERM: drained, exit code ${String(await daemon.stop())}\n`)
    daemon = null
  } finally {
    await daemon?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function writeRepository(folder: string): void {
  mkdirSync(join(folder, MODEL, '1'), { recursive: true })
  writeFileSync(join(folder, MODEL, '1', 'model.onnx'), demoNetwork())
  writeFileSync(
    join(folder, MODEL, 'config.pbtxt'),
    'max_batch_size: 8\ndynamic_batching { max_queue_delay_microseconds: 2000 }\n',
  )
}

/** Points on a small spiral around the lesion. */
function pointNear(i: number): [number, number, number] {
  const [z, y, x] = LESION.centre
  return [z + (i % 3) - 1, Math.round(y + (i / 4) * Math.cos(i)), Math.round(x + (i / 4) * Math.sin(i))]
}

async function infer(
  client: GRPCInferenceServiceClient,
  image: Uint8Array,
  i: number,
): Promise<[number, number]> {
  const clinical = Float32Array.from([45 + i, i % 2, i % 3 === 0 ? 1 : 0, 20 + i, 1 + (i % 3)])
  const shape = [1, 1, CROP.phases, CROP.depth, CROP.height, CROP.width]
  const request = ModelInferRequest.fromPartial({
    modelName: MODEL,
    id: `demo-${i}`,
    inputs: [
      { name: 'image', datatype: 'FP32', shape: shape.map(BigInt) },
      { name: 'clinical', datatype: 'FP32', shape: [1n, BigInt(CLINICAL.length)] },
    ],
    rawInputContents: [image, new Uint8Array(clinical.buffer)],
  })
  const response = await new Promise<ModelInferResponse>((resolve, reject) => {
    client.modelInfer(request, (error, value) => {
      if (error) reject(error)
      else resolve(value)
    })
  })
  const raw = Buffer.from(response.rawOutputContents[0] ?? [])
  return [raw.readFloatLE(0), raw.readFloatLE(4)]
}

async function statistics(client: GRPCInferenceServiceClient): Promise<ModelStatistics> {
  return new Promise((resolve, reject) => {
    client.modelStatistics({ name: MODEL, version: '' }, (error, value) => {
      if (error) {
        reject(error)
        return
      }
      const [first] = value.modelStats
      if (first) resolve(first)
      else reject(new Error(`no statistics for ${MODEL}`))
    })
  })
}

function printStatistics(stats: ModelStatistics, print: (line: string) => void): void {
  print(colours.bold('\n4. Batches that formed'))
  for (const batch of stats.batchStats) {
    const { count, ns } = batch.computeInfer ?? { count: 0n, ns: 0n }
    print(
      `   ${String(batch.batchSize).padStart(2)} rows: ${count} times, ${milliseconds(ns, count)} ms a run`,
    )
  }
  print(colours.bold('\n5. Where the time of a request went (mean)'))
  const stages: [string, StatisticDuration | undefined][] = [
    ['queue', stats.inferenceStats?.queue],
    ['gather into the batch slot', stats.inferenceStats?.computeInput],
    ['compute', stats.inferenceStats?.computeInfer],
    ['scatter', stats.inferenceStats?.computeOutput],
    ['whole request', stats.inferenceStats?.success],
  ]
  for (const [name, spent] of stages) {
    print(`   ${name.padEnd(28)}${milliseconds(spent?.ns ?? 0n, spent?.count ?? 0n).padStart(9)} ms`)
  }
}

function milliseconds(ns: bigint, count: bigint): string {
  return count === 0n ? '-' : (Number(ns / count) / 1e6).toFixed(2)
}

async function scrape(address: string): Promise<Map<string, string>> {
  const text = await (await fetch(`http://${address}/metrics`)).text()
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), line]))
}

/** Samples of our own and of Triton's names that moved; histogram buckets are left out. */
function changed(before: Map<string, string>, after: Map<string, string>): string[] {
  return [...after]
    .filter(
      ([name, line]) =>
        /^(nv_|sentinode_|grpc_)/.test(name) && !name.includes('_bucket') && before.get(name) !== line,
    )
    .map(([, line]) => line)
}
