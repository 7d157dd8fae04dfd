import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ServerCredentials } from '@grpc/grpc-js'
import { isLoopback } from '../config/loopback.js'
import { SentinodeError } from '../errors.js'

export interface TlsFiles {
  readonly cert: string
  readonly key: string
  /** CA of client certificates; every client must then show one. */
  readonly clientCa: string | null
}

/** Throws INVALID_OPTION for an address that others can reach without TLS, unless it was asked for. */
export function checkBind(host: string, tls: TlsFiles | null, insecureBind: boolean): void {
  if (tls !== null || insecureBind || isLoopback(host)) return
  throw new SentinodeError(
    'INVALID_OPTION',
    `host: expected a loopback address, found ${host}; a public one needs tls-cert and tls-key, or insecure-bind`,
  )
}

function read(setting: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new SentinodeError(
      'INVALID_OPTION',
      `${setting}: expected a readable PEM file, found ${path} (${reason})`,
      { cause },
    )
  }
}

/** The server's credentials; files are read and checked here, so that a bad one ends the start and not a handshake. */
export function createCredentials(tls: TlsFiles | null): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure()
  const cert = read('tls-cert', tls.cert)
  const key = read('tls-key', tls.key)
  const ca = tls.clientCa === null ? null : read('tls-client-ca', tls.clientCa)
  try {
    createSecureContext({ cert, key, ...(ca ? { ca } : {}) })
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'invalid'
    throw new SentinodeError(
      'INVALID_OPTION',
      `tls-cert, tls-key: expected a matching PEM pair (${reason})`,
      { cause },
    )
  }
  return ServerCredentials.createSsl(ca, [{ cert_chain: cert, private_key: key }], ca !== null)
}
