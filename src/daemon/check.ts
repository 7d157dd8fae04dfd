import type { Config } from '../config/schema.js'
import { checkBind, createCredentials, type TlsFiles } from '../grpc/credentials.js'
import { SentinodeError } from '../errors.js'
import { scanRepositories } from '../models/repository.js'

export function tlsFiles(config: Config): TlsFiles | null {
  const { tlsCert, tlsKey, tlsClientCa } = config
  return tlsCert === null || tlsKey === null ? null : { cert: tlsCert, key: tlsKey, clientCa: tlsClientCa }
}

/** Everything that can be known to be wrong before anything starts. Rejects with INVALID_OPTION. */
export async function checkConfig(config: Config): Promise<void> {
  const tls = tlsFiles(config)
  checkBind(config.host, tls, config.insecureBind)
  createCredentials(tls)
  if (config.models.length === 0) {
    throw new SentinodeError('INVALID_OPTION', 'models: expected at least one model repository, found none')
  }
  await scanRepositories(config.models)
}
