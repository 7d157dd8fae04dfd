import type { Command } from 'commander'
import type { ConnectionOptions } from '../client/connection.js'

export interface ConnectionFlags {
  readonly server: string
  readonly insecure?: boolean
  readonly tls?: boolean
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsServerName?: string
}

/** The flags of a command that talks to a daemon. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option(
      '--server <host:port>',
      'the daemon (env: SENTINODE_SERVER)',
      process.env['SENTINODE_SERVER'] ?? '127.0.0.1:8001',
    )
    .option('--insecure', 'allow plain text to another machine')
    .option('--tls', 'TLS, with the authorities that the system trusts')
    .option('--tls-ca <file>', 'TLS, with the authorities in this PEM file')
    .option('--tls-cert <file>', "the client's certificate, for mutual TLS")
    .option('--tls-key <file>', 'its key')
    .option('--tls-server-name <name>', "the name in the server's certificate, where it is not the host's")
}

export function connectionOf(flags: ConnectionFlags): ConnectionOptions {
  const { tls, tlsCa, tlsCert, tlsKey, tlsServerName } = flags
  const secured = tls === true || [tlsCa, tlsCert, tlsKey, tlsServerName].some((flag) => flag !== undefined)
  return {
    server: flags.server,
    insecure: flags.insecure === true,
    tls: secured
      ? {
          ca: tlsCa ?? null,
          cert: tlsCert ?? null,
          key: tlsKey ?? null,
          serverName: tlsServerName ?? null,
        }
      : null,
  }
}
