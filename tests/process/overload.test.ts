import { status } from '@grpc/grpc-js'
import test from 'ava'
import { ModelInferRequest } from '../../src/generated/grpc_service.js'
import { invoke, MIB } from '../grpc/harness.js'
import { sendBytes } from './malformed.js'
import { repository, residentBytes, startDaemon, temporaryFolder } from './sentinode.js'

const BODY_BYTES = 4 * MIB
const CALLERS = 64
const CALLS = 200

test('many times the load that fits is shed, and memory stays near the budget', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const models = repository(folder.path, { echo: 'identity_FP32.onnx' })
  const daemon = await startDaemon([
    ...['--models', models, '--log-level', 'warn'],
    ...['--request-memory', '64MiB', '--max-message-size', '16MiB'],
  ])
  t.teardown(() => daemon.stop())
  const before = residentBytes(daemon)
  const body = ModelInferRequest.encode({
    ...ModelInferRequest.fromPartial({
      modelName: 'echo',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, BigInt(BODY_BYTES / 4)] }],
    }),
    rawInputContents: [new Uint8Array(BODY_BYTES)],
  }).finish()
  const codes = new Map<number, number>()
  let left = CALLS
  const caller = async (): Promise<void> => {
    while (left-- > 0) {
      const code = (await sendBytes(daemon.client, body))?.code ?? status.OK
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  t.deepEqual([...codes.keys()].sort(), [status.OK, status.RESOURCE_EXHAUSTED])
  t.true((codes.get(status.OK) ?? 0) >= 10, `${codes.get(status.OK) ?? 0} answered`)
  // Chunks and the message made of them, batch slots and answers: a few times the 64 MiB of messages.
  // With room for all of them it is over 900 MiB.
  const grown = residentBytes(daemon, 'VmHWM') - before
  t.true(grown < 512 * MIB, `${Math.round(grown / MIB)} MiB more at the peak`)
  await t.notThrowsAsync(invoke(daemon.client, 'serverLive', {}))
})
