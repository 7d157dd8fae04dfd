import { readFileSync } from 'node:fs'
import { credentials, type ChannelCredentials, type ClientOptions } from '@grpc/grpc-js'
import { isLoopback } from '../config/loopback.js'
import { SentinodeError } from '../errors.js'
import { ScreeningClient } from '../generated/sentinode/v1/screening.js'

export interface ConnectionOptions {
  /** host:port */
  readonly server: string
  /** PEM files; null for plain text. */
  readonly tls: ClientTls | null
  /** Plain text to another machine than this one. */
  readonly insecure: boolean
}

export interface ClientTls {
  /** Authorities that the server's certificate may come from; null for the system's. */
  readonly ca: string | null
  /** The client's own certificate and key, for mutual TLS. */
  readonly cert: string | null
  readonly key: string | null
  /** The name that the server's certificate must have, where it is not the host's; null for that. */
  readonly serverName: string | null
}

/** Answers hold reports with pictures; uploads are not kept for gRPC's own retries, which would copy them. */
const CHANNEL: ClientOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2000,
  'grpc.keepalive_time_ms': 30_000,
}

/**
 * A client of `sentinode.v1.Screening`; it connects with its first call, and is closed by the caller.
 * @throws SentinodeError INVALID_OPTION: an address that is none, unreadable PEM files, or plain text to
 * another machine that was not asked for (an exam is patient data)
 */
export function connect({ server, tls, insecure }: ConnectionOptions): ScreeningClient {
  const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(server) ?? []
  if (host === '' || Number(port) < 1 || Number(port) > 65_535) {
    throw new SentinodeError('INVALID_OPTION', `server: expected HOST:PORT, found ${server}`)
  }
  if (tls === null && !insecure && !isLoopback(host.replace(/^\[(.*)\]$/, '$1'))) {
    throw new SentinodeError(
      'INVALID_OPTION',
      `server: expected TLS (tls, tls-ca) or insecure for ${host}: exams would cross the network in plain text`,
    )
  }
  const name = tls?.serverName ?? null
  const options = name === null ? CHANNEL : { ...CHANNEL, 'grpc.ssl_target_name_override': name }
  return new ScreeningClient(server, tls === null ? credentials.createInsecure() : secured(tls), options)
}

function secured({ ca, cert, key }: ClientTls): ChannelCredentials {
  const pem = (option: string, path: string | null): Buffer | null => {
    if (path === null) return null
    try {
      return readFileSync(path)
    } catch (cause) {
      throw new SentinodeError('INVALID_OPTION', `${option}: expected a readable PEM file, found ${path}`, {
        cause,
      })
    }
  }
  if ((cert === null) !== (key === null)) {
    throw new SentinodeError('INVALID_OPTION', 'tls-cert, tls-key: expected both or neither, found one')
  }
  const files = [pem('tls-ca', ca), pem('tls-key', key), pem('tls-cert', cert)] as const
  try {
    return credentials.createSsl(...files)
  } catch (cause) {
    throw new SentinodeError(
      'INVALID_OPTION',
      'tls-ca, tls-cert, tls-key: expected PEM files that fit together, found others',
      { cause },
    )
  }
}
