// Malformed requests by the ten thousand: `npx tsx tests/soak/malformed.ts [COUNT] [SEED]`. Exits 1 where an
// answer is wrong, memory grows or the daemon does not go on answering.
import type { ModelInferResponse } from '../../src/generated/grpc_service.js'
import { invoke } from '../grpc/harness.js'
import { goodRows, sendMalformed } from '../process/malformed.js'
import { repository, residentBytes, startDaemon, temporaryFolder } from '../process/sentinode.js'

const LARGEST_GROWTH = 96 * 2 ** 20

async function main(count: number, seed: number): Promise<boolean> {
  const folder = temporaryFolder()
  const models = repository(folder.path, { rows: 'rows.onnx', strings: 'identity_BYTES.onnx' })
  const daemon = await startDaemon(['--models', models, '--log-level', 'warn'])
  try {
    const wrong = await sendMalformed(daemon.client, Math.ceil(count / 2), seed)
    const before = residentBytes(daemon)
    wrong.push(...(await sendMalformed(daemon.client, Math.floor(count / 2), seed + 1)))
    const grown = residentBytes(daemon) - before
    const { outputs } = await invoke<ModelInferResponse>(daemon.client, 'modelInfer', goodRows())
    for (const line of wrong.slice(0, 20)) console.log(line)
    console.log(
      JSON.stringify({
        count,
        seed,
        wrong: wrong.length,
        grown_bytes: grown,
        next_good_outputs: outputs.length,
      }),
    )
    return wrong.length === 0 && grown < LARGEST_GROWTH
  } finally {
    await daemon.stop()
    folder.remove()
  }
}

const [count = '10000', seed = String(Date.now())] = process.argv.slice(2)
const good = await main(Number(count), Number(seed))
process.exitCode = good ? 0 : 1
