import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions } from 'node:tls'
import { credentials, status } from '@grpc/grpc-js'
import test from 'ava'
import { generate } from 'selfsigned'
import { isSentinodeError } from '../../src/errors.js'
import { isLoopback } from '../../src/config/loopback.js'
import { checkBind, createCredentials, tlsWarnings } from '../../src/grpc/credentials.js'
import { echoBackend, failure, invoke, start } from './harness.js'

const folder = mkdtempSync(join(tmpdir(), 'sentinode-tls-'))
test.after.always(() => rmSync(folder, { recursive: true }))

interface Pair {
  readonly cert: string
  readonly key: string
}

async function authority(name: string): Promise<Pair> {
  const made = await generate([{ name: 'commonName', value: name }], {
    keySize: 2048,
    extensions: [{ name: 'basicConstraints', cA: true, critical: true }],
  })
  return { cert: made.cert, key: made.private }
}

async function leaf(name: string, ca: Pair): Promise<Pair> {
  const made = await generate([{ name: 'commonName', value: name }], {
    keySize: 2048,
    ca: { key: ca.key, cert: ca.cert },
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  return { cert: made.cert, key: made.private }
}

function save(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

test('TLS serves who trusts the certificate and nobody in plain text', async (t) => {
  const ca = await authority('test authority')
  const server = await leaf('localhost', ca)
  const tls = { cert: save('a.crt', server.cert), key: save('a.key', server.key), clientCa: null }
  const trusting = await start(echoBackend(), {
    tls,
    clientCredentials: credentials.createSsl(Buffer.from(ca.cert)),
  })
  t.teardown(trusting.stop)
  t.deepEqual(await invoke(trusting.client, 'serverLive', {}), { live: true })

  const plain = await start(echoBackend(), { tls })
  t.teardown(plain.stop)
  const error = await failure(
    invoke(plain.client, 'serverLive', {}, { deadline: new Date(Date.now() + 3000) }),
  )
  t.true(error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED)
})

test('with a client CA, only clients that show a certificate of it are served', async (t) => {
  const ca = await authority('test authority')
  const other = await authority('another authority')
  const server = await leaf('localhost', ca)
  const tls = {
    cert: save('b.crt', server.cert),
    key: save('b.key', server.key),
    clientCa: save('b.ca', ca.cert),
  }
  const root = Buffer.from(ca.cert)
  const attempt = async (pair: Pair | null): Promise<unknown> => {
    const clientCredentials = pair
      ? credentials.createSsl(root, Buffer.from(pair.key), Buffer.from(pair.cert))
      : credentials.createSsl(root)
    const { client, stop } = await start(echoBackend(), { tls, clientCredentials })
    try {
      return await invoke(client, 'serverLive', {}, { deadline: new Date(Date.now() + 60_000) })
    } finally {
      await stop()
    }
  }
  t.deepEqual(await attempt(await leaf('client', ca)), { live: true })
  t.is((await failure(attempt(null))).code, status.UNAVAILABLE)
  t.is((await failure(attempt(await leaf('stranger', other)))).code, status.UNAVAILABLE)
})

test('a certificate that cannot be read or does not fit its key ends the start with its setting', async (t) => {
  const a = await authority('a')
  const b = await authority('b')
  const cases = [
    [
      { cert: join(folder, 'none.crt'), key: save('c.key', a.key), clientCa: null },
      /tls-cert: expected a readable PEM file/,
    ],
    [
      { cert: save('c.crt', a.cert), key: save('d.key', b.key), clientCa: null },
      /expected a matching PEM pair/,
    ],
    [
      { cert: save('e.crt', 'not a certificate'), key: save('e.key', a.key), clientCa: null },
      /expected a matching PEM pair/,
    ],
  ] as const
  for (const [files, message] of cases) {
    const error = t.throws(() => createCredentials(files), { message })
    t.true(isSentinodeError(error) && error.code === 'INVALID_OPTION')
  }
})

test('without forward secrecy there is no connection', async (t) => {
  const ca = await authority('test authority')
  const server = await leaf('localhost', ca)
  const tls = { cert: save('f.crt', server.cert), key: save('f.key', server.key), clientCa: null }
  const { server: running, stop } = await start(echoBackend(), { tls })
  t.teardown(stop)
  const port = Number(running.address.split(':')[1])
  const shake = (options: ConnectionOptions): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: ca.cert,
        servername: 'localhost',
        ALPNProtocols: ['h2'],
        ...options,
      })
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        resolve(`${String(socket.getProtocol())} ${socket.getCipher().name}`)
        socket.destroy()
      })
    })
  t.regex(await shake({}), /^TLSv1.3 /)
  t.regex(await shake({ maxVersion: 'TLSv1.2' }), /^TLSv1.2 ECDHE-RSA-.*(GCM|POLY1305)/)
  await t.throwsAsync(
    shake({ maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }),
    undefined,
    'RSA key exchange',
  )
  await t.throwsAsync(shake({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA256' }), undefined, 'CBC')
  await t.throwsAsync(
    shake({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    undefined,
    'TLS 1.1',
  )
})

test('certificates that end, and a key that everybody reads, are warned of', async (t) => {
  const { cert, key } = await authority('test authority')
  const files = { cert: save('g.crt', cert), key: save('g.key', key), clientCa: save('g.ca', cert) }
  chmodSync(files.key, 0o600)
  const from = Date.parse(new X509Certificate(cert).validFrom)
  const to = Date.parse(new X509Certificate(cert).validTo)
  const day = 86_400_000
  t.true(to - from > 100 * day)
  t.deepEqual(tlsWarnings(files, (from + to) / 2), [])
  const said = (now: number): string => tlsWarnings(files, now).join('\n')
  t.regex(said(to - 10.5 * day), /^tls-cert: .* expires in 10 days, .*\ntls-client-ca: .* expires in 10 days/)
  t.regex(said(to + day), /tls-cert: .* expired on/)
  t.regex(said(from - day), /is not valid before/)
  chmodSync(files.key, 0o644)
  t.regex(said(to - 45 * day), /^tls-key: every user of this machine can read/)
})

test('a public address needs TLS or an explicit word', (t) => {
  for (const host of ['127.0.0.1', '127.3.2.1', '::1', 'localhost']) {
    t.true(isLoopback(host), host)
    t.notThrows(() => checkBind(host, null, false))
  }
  const tls = { cert: 'c', key: 'k', clientCa: null }
  for (const host of ['0.0.0.0', '::', '10.0.0.5', '::ffff:10.0.0.5', 'node-7.example', '128.0.0.1', '']) {
    t.false(isLoopback(host), host)
    t.throws(() => checkBind(host, null, false), { message: /expected a loopback address/ })
    t.notThrows(() => checkBind(host, tls, false))
    t.notThrows(() => checkBind(host, null, true))
  }
})
