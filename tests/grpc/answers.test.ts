import { connect, constants, type ClientHttp2Stream } from 'node:http2'
import test from 'ava'
import { GRPCInferenceServiceClient, ModelInferRequest } from '../../src/generated/grpc_service.js'
import { echo, echoBackend, invoke, MIB, start, tensorRequest, until } from './harness.js'

const ANSWER = 20 * MIB

const backend = echoBackend({
  infer: (request) => Promise.resolve({ ...echo(request), rawOutputContents: [new Uint8Array(ANSWER)] }),
})

const path = (GRPCInferenceServiceClient.service as { modelInfer: { path: string } }).modelInfer.path

test('answers count until they are read; who does not read is ended, who reads gets all', async (t) => {
  const { server, client, shed, stop } = await start(backend, { requestMemoryBytes: 64 * MIB })
  t.teardown(stop)
  const session = connect(`http://${server.address}`)
  t.teardown(() => session.destroy())
  const message = ModelInferRequest.encode(tensorRequest(new Uint8Array(10))).finish()
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  const readers = Array.from({ length: 8 }, () => {
    const stream: ClientHttp2Stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => undefined)
    stream.end(Buffer.concat([prefix, message]))
    return stream
  })
  await until(() => server.budget.used >= 8 * ANSWER)
  await until(() => server.budget.used <= 64 * MIB)
  t.true(shed.length >= 5, shed.join())
  await until(
    () =>
      readers.filter(({ rstCode }) => rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM).length === shed.length,
  )
  const read = await invoke<{ rawOutputContents: Uint8Array[] }>(
    client,
    'modelInfer',
    tensorRequest(new Uint8Array(10)),
  )
  t.is(read.rawOutputContents[0]?.byteLength, ANSWER)
  await until(() => server.budget.used === 0)
  t.deepEqual(new Set(shed), new Set(['TRANSFER_TOO_SLOW']))
  t.is(shed.length, 8, 'those that had room are ended for not reading at all')
})
