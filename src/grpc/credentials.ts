import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
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

/**
 * Forward secrecy and authenticated encryption only (RFC 9325, 4.2): TLS 1.3, and of 1.2 what HTTP/2 allows
 * (RFC 9113, 9.2.2).
 */
const SECURE = {
  minVersion: 'TLSv1.2',
  honorCipherOrder: true,
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
} as const

/** Days before its end from which a certificate is warned of. */
const SOON_DAYS = 30
const DAY_MS = 86_400_000
const READABLE_BY_OTHERS = 0o004

/** What this file needs of grpc-js beyond its public types: it takes no options of TLS. */
interface CredentialsInternals {
  _getConstructorOptions(): object
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
  const credentials = ServerCredentials.createSsl(ca, [{ cert_chain: cert, private_key: key }], ca !== null)
  Object.assign((credentials as unknown as CredentialsInternals)._getConstructorOptions(), SECURE)
  return credentials
}

/**
 * What is not wrong yet, or not for every client, and has to be seen by who runs the daemon: certificates that have
 * expired, will soon, or are not valid yet, and a key that others on this machine can read.
 * @param now wall-clock milliseconds
 */
export function tlsWarnings(tls: TlsFiles, now = Date.now()): string[] {
  const warnings: string[] = []
  for (const setting of ['cert', 'clientCa'] as const) {
    const path = tls[setting]
    if (path === null) continue
    const name = setting === 'cert' ? 'tls-cert' : 'tls-client-ca'
    for (const certificate of certificates(read(name, path))) {
      const warning = ageWarning(certificate, now)
      if (warning !== null) warnings.push(`${name}: a certificate of ${path} ${warning}`)
    }
  }
  if ((statSync(tls.key).mode & READABLE_BY_OTHERS) !== 0)
    warnings.push(`tls-key: every user of this machine can read ${tls.key}; expected mode 0600 or 0640`)
  return warnings
}

function certificates(pem: Buffer): X509Certificate[] {
  const blocks =
    pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

function ageWarning({ validFrom, validTo }: X509Certificate, now: number): string | null {
  const left = Date.parse(validTo) - now
  if (left < 0) return `expired on ${validTo}`
  if (Date.parse(validFrom) > now) return `is not valid before ${validFrom}`
  return left < SOON_DAYS * DAY_MS ? `expires in ${Math.floor(left / DAY_MS)} days, on ${validTo}` : null
}
