import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { credentials, status } from '@grpc/grpc-js'
import test from 'ava'
import { generate } from 'selfsigned'
import { GRPCInferenceServiceClient } from '../../src/generated/grpc_service.js'
import { failure, invoke } from '../grpc/harness.js'
import { repository, startDaemon, temporaryFolder } from './sentinode.js'

test('with certificate files the daemon listens on every address, and only in TLS', async (t) => {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  })
  const cert = join(folder.path, 'server.crt')
  const key = join(folder.path, 'server.key')
  writeFileSync(cert, pair.cert)
  writeFileSync(key, pair.private)
  const models = repository(join(folder.path, 'models'), { rows: 'rows.onnx' })
  const daemon = await startDaemon([
    '--models',
    models,
    '--host',
    '0.0.0.0',
    '--tls-cert',
    cert,
    '--tls-key',
    key,
  ])
  t.teardown(() => daemon.stop())
  const address = `localhost:${daemon.grpc.split(':')[1]!}`
  const secure = new GRPCInferenceServiceClient(address, credentials.createSsl(Buffer.from(pair.cert)))
  const plain = new GRPCInferenceServiceClient(address, credentials.createInsecure())
  t.teardown(() => secure.close())
  t.teardown(() => plain.close())
  t.deepEqual(await invoke(secure, 'serverLive', {}), { live: true })
  const error = await failure(invoke(plain, 'serverLive', {}, { deadline: new Date(Date.now() + 3000) }))
  t.true([status.UNAVAILABLE, status.DEADLINE_EXCEEDED].includes(error.code))
})
